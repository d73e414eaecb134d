//! How mutations are written down: records and journals are read by later versions.

use serde_json::{Value, json};

use super::*;
use crate::model::compute::FargateTask;

fn fargate() -> Compute {
    Compute::Fargate {
        cluster: "agents".to_owned(),
    }
}

fn launch(source: LaunchSource) -> Mutation {
    Mutation::Launch {
        region: "us-east-1".into(),
        source,
        token: "token".into(),
        tags: [("reeve:worker".to_owned(), "chat".to_owned())].into(),
    }
}

fn terminate(compute: Compute) -> Mutation {
    Mutation::Terminate {
        region: "us-east-1".into(),
        compute,
        id: "one".into(),
        clear_pointer: None,
    }
}

/// Checks that the mutation is written like this and read back unchanged.
#[track_caller]
fn check(mutation: &Mutation, written: &Value) {
    assert_eq!(&serde_json::to_value(mutation).unwrap(), written);
    let read: Mutation = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(&read, mutation);
}

#[test]
fn an_ec2_mutation_names_the_template_and_no_compute() {
    check(
        &launch(LaunchSource::LaunchTemplate("gpu".to_owned())),
        &json!({"launch": {
            "region": "us-east-1", "launch_template": "gpu", "token": "token", "tags": {"reeve:worker": "chat"},
        }}),
    );
    check(
        &terminate(Compute::Ec2),
        &json!({"terminate": {"region": "us-east-1", "id": "one", "clear_pointer": null}}),
    );
}

#[test]
fn a_fargate_launch_holds_every_parameter_of_the_request() {
    let task = FargateTask {
        cluster: "agents".to_owned(),
        task_definition: "agent:7".to_owned(),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
        public_ip: true,
        container: Some("agent".to_owned()),
    };
    check(
        &launch(LaunchSource::Fargate(task)),
        &json!({"launch": {
            "region": "us-east-1", "token": "token", "tags": {"reeve:worker": "chat"},
            "fargate": {
                "cluster": "agents", "task_definition": "agent:7", "subnets": ["subnet-1"],
                "security_groups": ["sg-1"], "public_ip": true, "container": "agent",
            },
        }}),
    );
    check(
        &terminate(fargate()),
        &json!({"terminate": {
            "region": "us-east-1", "compute": {"fargate": {"cluster": "agents"}}, "id": "one", "clear_pointer": null,
        }}),
    );
}

#[test]
fn a_launch_made_the_instance_that_carries_all_its_tags() {
    let launch = Mutation::Launch {
        region: "us-east-1".into(),
        source: LaunchSource::LaunchTemplate("gpu".to_owned()),
        token: "token".into(),
        tags: [("reeve:fleet", "prod"), ("reeve:generation", "7")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    };
    let mut instance = Instance::not_visible("i-one".into());
    assert!(!launch.made(&instance));
    for (key, value) in [("Name", "gpu"), ("reeve:generation", "7")] {
        instance.tags.insert(key.to_owned(), value.to_owned());
    }
    for (fleet, is_made) in [("other", false), ("prod", true)] {
        instance
            .tags
            .insert("reeve:fleet".to_owned(), fleet.to_owned());
        assert_eq!(launch.made(&instance), is_made);
    }
    assert!(!terminate(Compute::Ec2).made(&instance));
}
