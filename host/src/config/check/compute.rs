//! The kind of a pool's instances and their launch source: EC2's `launch_template`, or
//! `[pool.NAME.fargate]`.

use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use toml::Spanned;

use super::{Checker, value};
use crate::config::file::{Pool, PoolFargate};

// ECS API reference, "AwsVpcConfiguration".
const SUBNETS_MAX: usize = 16;
const SECURITY_GROUPS_MAX: usize = 5;

/// The kind of instance, and the launch source if the pool launches.
pub(super) fn of_pool(checker: &mut Checker<'_>, pool: &Pool) -> (Compute, Option<LaunchSource>) {
    let template = pool
        .launch_template
        .as_ref()
        .map(|template| checker.check(template, |template| value::text(template, 128)));
    let Some(spec) = &pool.fargate else {
        return (Compute::Ec2, template.map(LaunchSource::LaunchTemplate));
    };
    if let Some(template) = &pool.launch_template {
        let found = "`launch_template` makes EC2 instances, and `fargate` makes this a pool of Fargate tasks; leave one of \
                     the two out, or make two pools";
        checker.refuse(template.span(), found);
    }
    let cluster = checker.check(&spec.cluster, |name| value::ecs_name("cluster", name));
    let task = task(checker, spec, &cluster);
    (
        Compute::Fargate { cluster },
        task.map(LaunchSource::Fargate),
    )
}

/// The task to run, if the pool launches. The required keys are checked in either case.
fn task(checker: &mut Checker<'_>, spec: &PoolFargate, cluster: &str) -> Option<FargateTask> {
    let subnets = ids(checker, "subnets", &spec.subnets, "subnet-", SUBNETS_MAX);
    let security_groups = ids(
        checker,
        "security_groups",
        &spec.security_groups,
        "sg-",
        SECURITY_GROUPS_MAX,
    );
    let container = spec
        .container
        .as_ref()
        .map(|name| checker.check(name, |name| value::ecs_name("container", name)));
    let definition = spec.task_definition.as_ref()?;
    if subnets.is_empty() {
        let found = "a task needs a network, and there are no `subnets`; accepted: 1 to 16 ids of subnets in one VPC";
        checker.refuse(definition.span(), found);
    }
    Some(FargateTask {
        cluster: cluster.to_owned(),
        task_definition: checker.check(definition, |name| value::task_definition(name)),
        subnets,
        security_groups,
        public_ip: spec.public_ip,
        container,
    })
}

/// Checks a list of ids that start with this prefix.
fn ids(
    checker: &mut Checker<'_>,
    key: &str,
    ids: &[Spanned<String>],
    prefix: &str,
    most: usize,
) -> Vec<String> {
    if let Some(extra) = ids.get(most) {
        let found = format!("`{key}` has {} ids; accepted: at most {most}", ids.len());
        checker.refuse(extra.span(), found);
    }
    ids.iter()
        .map(|id| checker.check(id, |id| value::id_with(prefix, id)))
        .collect()
}
