//! The kind of a pool's instances and their launch source: EC2's `launch_template`, or
//! `[pool.NAME.fargate]`.

use reeve_core::compute::{Compute, FargateTask, LaunchSource};

use super::given;
use crate::config::file::{Fargate, Pool};
use crate::config::finding::Findings;
use crate::config::section::At;

/// The kind of instance, and the capacity options of launches; none if the pool never launches.
pub(super) fn of_pool(findings: &mut Findings<'_>, pool: &Pool) -> (Compute, Vec<LaunchSource>) {
    let Some(fargate) = &pool.fargate else {
        return (Compute::Ec2, templates(findings, pool));
    };
    if let Some(alternatives) = &pool.launch_alternatives {
        let found = "`launch_alternatives` are EC2 launch templates, and `fargate` makes this a pool of Fargate tasks; \
                     name several `subnets` instead";
        findings.refuse(alternatives.span.clone(), found);
    }
    if let Some(template) = &pool.launch_template {
        let found = "`launch_template` makes EC2 instances, and `fargate` makes this a pool of Fargate tasks; leave one of \
                     the two out, or make two pools";
        findings.refuse(template.span.clone(), found);
    }
    let cluster = fargate.value.cluster.value.clone();
    let task = task(findings, &fargate.value);
    (
        Compute::Fargate { cluster },
        task.map(LaunchSource::Fargate).into_iter().collect(),
    )
}

/// The launch template and those to try after it.
fn templates(findings: &mut Findings<'_>, pool: &Pool) -> Vec<LaunchSource> {
    let mut templates: Vec<String> = given(pool.launch_template.as_ref()).into_iter().collect();
    if let (Some(alternatives), true) = (&pool.launch_alternatives, templates.is_empty()) {
        let found = "there is no `launch_template` before them; accepted: the first template as `launch_template`";
        findings.refuse(alternatives.span.clone(), found);
    }
    for alternative in pool.launch_alternatives.iter().flat_map(|list| &list.value) {
        if templates.contains(&alternative.value) {
            let found = format!("the launch template {:?} is named twice", alternative.value);
            findings.refuse(alternative.span.clone(), &found);
        }
        templates.push(alternative.value.clone());
    }
    let templates = templates.into_iter();
    templates.map(LaunchSource::LaunchTemplate).collect()
}

/// The task to run, if the pool launches.
fn task(findings: &mut Findings<'_>, fargate: &Fargate) -> Option<FargateTask> {
    let definition = fargate.task_definition.as_ref()?;
    let subnets = values(fargate.subnets.as_ref());
    if subnets.is_empty() {
        let found = "a task needs a network, and there are no `subnets`; accepted: 1 to 16 ids of subnets in one VPC";
        findings.refuse(definition.span.clone(), found);
    }
    Some(FargateTask {
        cluster: fargate.cluster.value.clone(),
        task_definition: definition.value.clone(),
        subnets,
        security_groups: values(fargate.security_groups.as_ref()),
        public_ip: fargate.public_ip,
        container: given(fargate.container.as_ref()),
    })
}

fn values(list: Option<&At<Vec<At<String>>>>) -> Vec<String> {
    let values = list.into_iter().flat_map(|list| &list.value);
    values.map(|one| one.value.clone()).collect()
}
