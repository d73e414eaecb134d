//! Tests the cloud against an emulator of AWS (moto). They check the wire, not races: moto has no
//! launch tokens and no eventual consistency, which `reeve-sim` has.

mod fargate;

use std::sync::Arc;

use aws_sdk_ec2::types::RequestLaunchTemplateData;
use reeve_core::cloud::{CloudErrorKind, Mutation, Outcome, Query, Reading};
use reeve_core::compute::{Compute, LaunchSource, TemplateVersion};
use reeve_core::health::{Check, StatusChecks};
use reeve_core::id::{InstanceId, PointerName, Region};
use reeve_core::instance::{Instance, InstanceState};

use crate::AwsCloud;
use crate::emulator::Emulator;
use crate::testing::{SMALL, cloud_at};

/// A test's own part of the emulator: all its resources carry the test's name.
struct World {
    name: &'static str,
    cloud: AwsCloud,
    _emulator: Arc<Emulator>,
}

impl World {
    async fn new(name: &'static str) -> Self {
        let emulator = Emulator::shared();
        let world = Self {
            name,
            cloud: cloud_at(emulator.endpoint_url(), SMALL).await,
            _emulator: emulator,
        };
        world.create_template().await;
        world
    }

    fn region() -> Region {
        "us-east-1".into()
    }

    fn pointer(&self) -> PointerName {
        format!("/{}/instance_id", self.name).into()
    }

    /// Registers an image of its own, because moto takes seconds to list its default images.
    async fn create_template(&self) {
        let ec2 = self.cloud.regions.changing(&Self::region()).ec2;
        let image = ec2.register_image().name(self.name).send().await.unwrap();
        let image = image.image_id().unwrap();
        let data = RequestLaunchTemplateData::builder()
            .image_id(image)
            .instance_type("t3.micro".into())
            .build();
        ec2.create_launch_template()
            .launch_template_name(self.name)
            .launch_template_data(data)
            .send()
            .await
            .unwrap();
    }

    fn launch_of(&self, worker: &str, token: &str) -> Mutation {
        Mutation::Launch {
            region: Self::region(),
            source: LaunchSource::LaunchTemplate(self.name.to_owned()),
            token: token.into(),
            tags: [("reeve:worker".to_owned(), worker.to_owned())].into(),
        }
    }

    async fn launch(&self, worker: &str, token: &str) -> Instance {
        match self.cloud.apply(self.launch_of(worker, token)).await {
            Ok(Outcome::Launched(instance)) => instance,
            answer => panic!("not launched: {answer:?}"),
        }
    }

    async fn scan(&self, workers: &[&str]) -> Vec<Instance> {
        let query = Query::Scan {
            region: Self::region(),
            compute: Compute::Ec2,
            tag_key: "reeve:worker".to_owned(),
            tag_values: workers.iter().map(|&worker| worker.to_owned()).collect(),
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
            compute: Compute::Ec2,
            id: id.clone(),
        };
        match self.cloud.ask(query).await {
            Ok(Reading::Instance(instance)) => instance,
            answer => panic!("no instance: {answer:?}"),
        }
    }

    async fn read_pointer(&self) -> Option<InstanceId> {
        let query = Query::Pointer {
            region: Self::region(),
            name: self.pointer(),
        };
        match self.cloud.ask(query).await {
            Ok(Reading::Pointer(reading)) => reading.names,
            answer => panic!("no pointer: {answer:?}"),
        }
    }

    async fn write_pointer(&self, id: &InstanceId) {
        let mutation = Mutation::WritePointer {
            region: Self::region(),
            name: self.pointer(),
            id: id.clone(),
        };
        assert_eq!(self.cloud.apply(mutation).await, Ok(Outcome::Accepted));
    }
}

#[tokio::test]
async fn a_launched_instance_is_found_by_its_tag_and_by_its_id() {
    let world = World::new("launched").await;
    let launched = world.launch("launched-chat", "token-1").await;
    let [scanned] = world.scan(&["launched-chat"]).await.try_into().unwrap();
    assert_eq!(scanned.id, launched.id);
    assert_eq!(scanned.tags["reeve:worker"], "launched-chat");
    assert_eq!(scanned.state, InstanceState::Running);
    assert!(scanned.private_ip.is_some());
    assert!(scanned.launched_at.is_some());
    assert_eq!(world.describe(&launched.id).await, scanned);
}

#[tokio::test]
async fn the_status_checks_of_a_running_instance_are_read() {
    let world = World::new("checked").await;
    let running = world.launch("checked-one", "token-1").await.id;
    let stopped = world.launch("checked-two", "token-2").await.id;
    let stop = Mutation::Stop {
        compute: Compute::Ec2,
        region: World::region(),
        id: stopped.clone(),
        clear_pointer: None,
    };
    assert_eq!(world.cloud.apply(stop).await, Ok(Outcome::Accepted));
    let mut ids = vec![running.clone(), stopped, "i-0123456789abcdef0".into()];
    ids.sort();
    let query = Query::StatusChecks {
        region: World::region(),
        ids,
    };
    let ok = StatusChecks {
        instance: Check::Ok,
        system: Check::Ok,
        scheduled: Vec::new(),
    };
    let expected = Reading::StatusChecks([(running, ok)].into());
    assert_eq!(world.cloud.ask(query).await, Ok(expected));
}

#[tokio::test]
async fn a_template_is_found_by_its_id_too() {
    let world = World::new("by-id").await;
    let ec2 = world.cloud.regions.asking(&World::region()).ec2;
    let templates = ec2
        .describe_launch_templates()
        .launch_template_names(world.name)
        .send()
        .await
        .unwrap();
    let id = templates.launch_templates()[0].launch_template_id();
    for template in [world.name, id.unwrap()] {
        let query = Query::TemplateVersion {
            region: World::region(),
            template: template.to_owned(),
        };
        let version = world.cloud.ask(query).await;
        assert_eq!(version, Ok(Reading::TemplateVersion(1)), "{template}");
    }
    let mutation = Mutation::Launch {
        region: World::region(),
        source: LaunchSource::LaunchTemplateVersion(TemplateVersion {
            launch_template: id.unwrap().to_owned(),
            version: 1,
        }),
        token: "token-1".into(),
        tags: [].into(),
    };
    let answer = world.cloud.apply(mutation).await;
    assert!(matches!(answer, Ok(Outcome::Launched(_))), "{answer:?}");
}

#[tokio::test]
async fn an_instance_is_stopped_and_its_pointer_cleared_started_terminated() {
    let world = World::new("lifecycle").await;
    let id = world.launch("lifecycle-chat", "token-1").await.id;
    world.write_pointer(&id).await;
    assert_eq!(world.read_pointer().await.as_ref(), Some(&id));

    let region = World::region;
    let clear_pointer = Some(world.pointer());
    let steps = [
        (
            Mutation::Stop {
                region: region(),
                compute: Compute::Ec2,
                id: id.clone(),
                clear_pointer,
            },
            InstanceState::Stopped,
        ),
        (
            Mutation::Start {
                region: region(),
                compute: Compute::Ec2,
                id: id.clone(),
            },
            InstanceState::Running,
        ),
        (
            Mutation::Terminate {
                region: region(),
                compute: Compute::Ec2,
                id: id.clone(),
                clear_pointer: None,
            },
            InstanceState::Terminated,
        ),
    ];
    for (mutation, state) in steps {
        assert_eq!(world.cloud.apply(mutation).await, Ok(Outcome::Accepted));
        assert_eq!(world.describe(&id).await.state, state);
        assert_eq!(world.read_pointer().await, None);
    }
}

#[tokio::test]
async fn a_terminated_instance_clears_the_pointer_that_names_it() {
    let world = World::new("terminated").await;
    let id = world.launch("terminated-chat", "token-1").await.id;
    world.write_pointer(&id).await;
    let terminate = Mutation::Terminate {
        region: World::region(),
        compute: Compute::Ec2,
        id: id.clone(),
        clear_pointer: Some(world.pointer()),
    };
    assert_eq!(world.cloud.apply(terminate).await, Ok(Outcome::Accepted));
    assert_eq!(world.read_pointer().await, None);
    assert_eq!(world.describe(&id).await.state, InstanceState::Terminated);
}

#[tokio::test]
async fn an_unwritten_pointer_names_nothing_and_can_be_written() {
    let world = World::new("pointer").await;
    assert_eq!(world.read_pointer().await, None);
    for id in ["i-0123456789abcdef0", "i-0123456789abcdef1"] {
        world.write_pointer(&id.into()).await;
        assert_eq!(world.read_pointer().await, Some(id.into()));
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_visible_to_a_query_nor_yet_to_a_mutation() {
    let world = World::new("unknown").await;
    let id = InstanceId::from("i-0fedcba9876543210");
    assert_eq!(world.describe(&id).await, Instance::not_visible(id.clone()));
    let start = Mutation::Start {
        region: World::region(),
        compute: Compute::Ec2,
        id,
    };
    let error = world.cloud.apply(start).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::NotVisibleYet);
    assert_eq!(error.code, "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn a_scan_over_several_pages_finds_every_instance_once() {
    let world = World::new("pages").await;
    let workers = ["pages-a", "pages-b"];
    let mut launched = Vec::new();
    for number in 0..7 {
        let token = format!("token-{number}");
        launched.push(world.launch(workers[number % 2], &token).await.id);
    }
    launched.sort();
    let scanned: Vec<_> = world.scan(&workers).await;
    let scanned: Vec<_> = scanned.into_iter().map(|instance| instance.id).collect();
    assert_eq!(scanned, launched);
    assert!(launched.len() > usize::try_from(SMALL.scan_page_instances).unwrap());
}

#[tokio::test]
async fn a_worker_named_like_a_pattern_finds_its_own_instances_alone() {
    let world = World::new("pattern").await;
    let own = world.launch("pattern-*", "token-1").await.id;
    world.launch("pattern-chat", "token-2").await;
    let [scanned] = world.scan(&["pattern-*"]).await.try_into().unwrap();
    assert_eq!(scanned.id, own);
}

#[tokio::test]
async fn a_missing_template_is_a_permanent_error_with_the_providers_code() {
    let world = World::new("template").await;
    let mutation = Mutation::Launch {
        region: World::region(),
        source: LaunchSource::LaunchTemplate("not-created".to_owned()),
        token: "token-1".into(),
        tags: [].into(),
    };
    let error = world.cloud.apply(mutation).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Permanent);
    assert_eq!(error.operation, "RunInstances");
    assert_eq!(error.code, "InvalidLaunchTemplateName.NotFoundException");
}
