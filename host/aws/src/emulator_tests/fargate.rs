//! Tests Fargate tasks in the emulator. Moto's ECS is simpler than its EC2: a task runs at once and
//! stops at once, lists have one page, and a missing task is left out without a failure. To end an
//! unknown task gives an internal error. `wire_tests` covers these cases.

use std::sync::Arc;

use aws_sdk_ecs::types::{Compatibility, ContainerDefinition, NetworkMode};
use reeve_core::cloud::{CloudErrorKind, Mutation, Outcome, Query, Reading};
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::id::{InstanceId, Region};
use reeve_core::instance::{Instance, InstanceState};

use crate::AwsCloud;
use crate::emulator::Emulator;
use crate::testing::{SMALL, cloud_at};

/// A test's own cluster in the emulator.
struct World {
    cluster: &'static str,
    subnet: String,
    cloud: AwsCloud,
    _emulator: Arc<Emulator>,
}

impl World {
    async fn new(cluster: &'static str) -> Self {
        let emulator = Emulator::shared();
        emulator.keep_tasks_running();
        let cloud = cloud_at(emulator.endpoint_url(), SMALL).await;
        let clients = cloud.regions.changing(&Self::region());
        let subnets = clients.ec2.describe_subnets().send().await.unwrap();
        let subnet = subnets.subnets()[0].subnet_id().unwrap().to_owned();
        let created = clients.ecs.create_cluster().cluster_name(cluster);
        created.send().await.unwrap();
        // Moto requires the resources of each container; ECS does not.
        let container = ContainerDefinition::builder()
            .name("main")
            .image("agent")
            .cpu(256)
            .memory(512);
        let definition = clients
            .ecs
            .register_task_definition()
            .family(cluster)
            .network_mode(NetworkMode::Awsvpc)
            .requires_compatibilities(Compatibility::Fargate)
            .cpu("256")
            .memory("512")
            .container_definitions(container.build());
        definition.send().await.unwrap();
        Self {
            cluster,
            subnet,
            cloud,
            _emulator: emulator,
        }
    }

    fn region() -> Region {
        "us-east-1".into()
    }

    fn compute(&self) -> Compute {
        Compute::Fargate {
            cluster: self.cluster.to_owned(),
        }
    }

    fn run_of(&self, worker: &str, task_definition: &str) -> Mutation {
        Mutation::Launch {
            region: Self::region(),
            source: LaunchSource::Fargate(FargateTask {
                cluster: self.cluster.to_owned(),
                task_definition: task_definition.to_owned(),
                subnets: vec![self.subnet.clone()],
                security_groups: vec![],
                public_ip: false,
                container: Some("main".to_owned()),
            }),
            token: "token-1".into(),
            tags: [("reeve:worker".to_owned(), worker.to_owned())].into(),
        }
    }

    async fn run(&self, worker: &str) -> Instance {
        match self.cloud.apply(self.run_of(worker, self.cluster)).await {
            Ok(Outcome::Launched(instance)) => instance,
            answer => panic!("not run: {answer:?}"),
        }
    }

    async fn scan(&self, worker: &str) -> Vec<Instance> {
        let query = Query::Scan {
            region: Self::region(),
            compute: self.compute(),
            tag_key: "reeve:worker".to_owned(),
            tag_values: vec![worker.to_owned()],
            tasks: Box::default(),
        };
        match self.cloud.ask(query).await {
            Ok(Reading::Scan(instances)) => instances,
            answer => panic!("no scan: {answer:?}"),
        }
    }

    async fn describe(&self, id: &InstanceId) -> Instance {
        let query = Query::Instance {
            region: Self::region(),
            compute: self.compute(),
            id: id.clone(),
        };
        match self.cloud.ask(query).await {
            Ok(Reading::Instance(instance)) => instance,
            answer => panic!("no instance: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_task_is_run_found_by_its_tag_and_its_id_and_seen_as_ended_when_it_is() {
    let world = World::new("tasks").await;
    let run = world.run("chat").await;
    world.run("of-others").await;
    let [scanned] = world.scan("chat").await.try_into().unwrap();
    assert_eq!(scanned.id, run.id);
    assert_eq!(scanned.state, InstanceState::Running);
    assert!(scanned.private_ip.is_some(), "{scanned:?}");
    assert_eq!(world.describe(&run.id).await, scanned);

    let end = Mutation::Terminate {
        region: World::region(),
        compute: world.compute(),
        id: run.id.clone(),
        clear_pointer: None,
    };
    // A repeated end is accepted while the task is still listed.
    for _ in 0..2 {
        assert_eq!(world.cloud.apply(end.clone()).await, Ok(Outcome::Accepted));
    }
    let [ended] = world.scan("chat").await.try_into().unwrap();
    assert_eq!((ended.id, ended.state), (run.id, InstanceState::Terminated));
}

#[tokio::test]
async fn the_container_names_its_worker_and_the_stopped_task_its_decision() {
    let world = World::new("told").await;
    let id = world.run("chat").await.id;
    let end = Mutation::Terminate {
        region: World::region(),
        compute: world.compute(),
        id: id.clone(),
        clear_pointer: None,
    };
    world.cloud.apply(end).await.unwrap();
    let ecs = world.cloud.regions.asking(&World::region()).ecs;
    let asked = ecs.describe_tasks().cluster("told").tasks(id.as_str());
    let answer = asked.send().await.unwrap();
    let task = &answer.tasks()[0];
    assert_eq!(
        task.stopped_reason(),
        Some("reeve: decision 7 in its journal")
    );
    let container = &task.overrides().unwrap().container_overrides()[0];
    assert_eq!(container.name(), Some("main"));
    let variable = &container.environment()[0];
    assert_eq!(
        (variable.name(), variable.value()),
        (Some("REEVE_WORKER"), Some("chat"))
    );
}

#[tokio::test]
async fn an_unknown_task_is_not_visible() {
    let world = World::new("unknown").await;
    let id = InstanceId::from("0123456789abcdef0123456789abcdef");
    assert_eq!(world.describe(&id).await, Instance::not_visible(id));
}

#[tokio::test]
async fn a_missing_cluster_or_task_definition_is_a_permanent_error() {
    let world = World::new("made").await;
    let error = world.cloud.apply(world.run_of("chat", "not-created"));
    let error = error.await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Permanent, "{error}");
    let elsewhere = Query::Scan {
        region: World::region(),
        compute: Compute::Fargate {
            cluster: "not-created-either".to_owned(),
        },
        tag_key: "reeve:worker".to_owned(),
        tag_values: vec!["chat".to_owned()],
        tasks: Box::default(),
    };
    let error = world.cloud.ask(elsewhere).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Permanent, "{error}");
    assert_eq!(error.code, "ClusterNotFoundException");
}
