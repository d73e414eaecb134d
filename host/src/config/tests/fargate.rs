use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::spec::{PoolSpec, RestartBy};

use super::doors::WITH_BOXES;
use super::*;

/// A section that makes the pool's instances Fargate tasks.
const FARGATE: &str = r#"
[pool.gpu.fargate]
cluster = "agents"
task_definition = "agent:7"
subnets = ["subnet-0a", "subnet-0b"]
security_groups = ["sg-01"]
public_ip = true
container = "main"
"#;

fn with(section: &str) -> String {
    format!("{GOOD}{section}")
}

fn pool(text: &str) -> PoolSpec {
    let config = parse(text).unwrap();
    config.fleet.pools[&PoolName::from("gpu")].clone()
}

#[test]
fn a_pool_of_fargate_tasks_says_everything_that_running_one_takes() {
    let pool = pool(&with(FARGATE));
    let cluster = "agents".to_owned();
    assert_eq!(pool.compute, Compute::Fargate { cluster });
    let task = FargateTask {
        cluster: "agents".to_owned(),
        task_definition: "agent:7".to_owned(),
        subnets: vec!["subnet-0a".to_owned(), "subnet-0b".to_owned()],
        security_groups: vec!["sg-01".to_owned()],
        public_ip: true,
        container: Some("main".to_owned()),
    };
    assert_eq!(pool.launch, [LaunchSource::Fargate(task)]);
    assert_eq!(pool.restart_by, RestartBy::Replace, "the default of a task");
}

#[test]
fn without_a_task_definition_the_pool_never_launches() {
    let pool = pool(&with("\n[pool.gpu.fargate]\ncluster = \"agents\"\n"));
    assert!(!pool.compute.is_ec2());
    assert_eq!(pool.launch, []);
}

#[test]
fn clusters_and_task_definitions_may_be_arns_or_lack_a_revision() {
    let arn = "arn:aws:ecs:us-east-1:123456789012:";
    for (from, to) in [
        ("\"agents\"", format!("\"{arn}cluster/agents\"")),
        ("\"agent:7\"", format!("\"{arn}task-definition/agent:7\"")),
        ("\"agent:7\"", "\"agent\"".to_owned()),
    ] {
        pool(&with(&FARGATE.replace(from, &to)));
    }
}

#[test]
fn contradictory_and_invalid_values_are_refused_at_their_place() {
    let many = format!("[{}]", ["\"sg-1\""; 6].join(", "));
    let cases = [
        (
            "port = 8080",
            "port = 8080\nlaunch_template = \"x\"",
            "11:19: `launch_template` makes EC2 instances, and `fargate` makes this a pool of Fargate tasks; leave one of \
             the two out, or make two pools",
        ),
        (
            "port = 8080",
            "port = 8080\nrestart = \"stop-start\"",
            "11:11: found \"stop-start\", but a Fargate task cannot be rebooted, or started again after a stop; accepted: \
             \"replace\", which is the default here",
        ),
        (
            "port = 8080",
            "port = 8080\nrestart = \"reboot\"",
            "11:11: found \"reboot\", but a Fargate task cannot be rebooted, or started again after a stop; accepted: \
             \"replace\", which is the default here",
        ),
        (
            "\"subnet-0a\", \"subnet-0b\"",
            "",
            "18:19: a task needs a network, and there are no `subnets`; accepted: 1 to 16 ids of subnets in one VPC",
        ),
        (
            "subnet-0b",
            "vpc-0b",
            "19:25: found the id \"vpc-0b\"; accepted: one such as subnet-0123456789abcdef0",
        ),
        (
            "[\"sg-01\"]",
            &many,
            "20:60: the list has 6 values; accepted: at most 5",
        ),
        (
            "\"agents\"",
            "\"a b\"",
            "17:11: found the cluster \"a b\"; accepted: its name of 1 to 255 letters, digits, `-` and `_`, or its ARN",
        ),
        (
            "\"main\"",
            "\"arn:main\"",
            "22:13: found the container \"arn:main\"; accepted: its name of 1 to 255 letters, digits, `-` and `_`",
        ),
        (
            "agent:7",
            "agent:latest",
            "18:19: found the task definition \"agent:latest\"; accepted: a family such as agent (its latest active \
             revision), a revision such as agent:7, or an ARN",
        ),
    ];
    for (from, to, expected) in cases {
        let text = with(FARGATE);
        assert!(text.contains(from), "{from}");
        check(
            &text.replace(from, to),
            &format!("etc/reeve.toml:{expected}"),
        );
    }
}

#[test]
fn a_task_does_not_prove_itself_with_a_document_that_only_ec2_writes() {
    let boxes = WITH_BOXES
        .replace("shared-secret\"", "instance-document\"")
        .replace("secret_file = \"gpu.secret\"\n", "")
        .replace("plaintext = \"a mesh encrypts\"\n", "")
        .replace("10.0.0.5", "127.0.0.1");
    let error = parse(&with(&format!("{FARGATE}{boxes}"))).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains(
            "not for Fargate tasks; accepted for this pool: \"iam-role\" or \"shared-secret\""
        ),
        "{error}"
    );
    pool(&with(&format!("{FARGATE}{WITH_BOXES}")));
}

#[test]
fn status_checks_are_refused_where_the_provider_has_none() {
    let health = "[pool.gpu.health]\nstatus_checks = true\n";
    let error = parse(&with(&format!("{FARGATE}{health}"))).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("the instances of this pool are Fargate tasks; accepted: `http` or `tcp`"),
        "{error}"
    );
}
