//! Tests of the rules for Fargate tasks, which end when they are stopped, and for ECS, which
//! forgets tokens.

use super::*;
use crate::facts::LaunchAttempt;
use crate::model::compute::FargateTask;
use crate::model::id::LaunchToken;
use crate::model::spec::RestartBy;

fn cluster() -> Compute {
    Compute::Fargate {
        cluster: "agents".to_owned(),
    }
}

fn source() -> LaunchSource {
    LaunchSource::Fargate(FargateTask {
        cluster: "agents".to_owned(),
        task_definition: "agent".to_owned(),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec![],
        public_ip: false,
        container: Some("agent".to_owned()),
    })
}

/// The same worker, as a Fargate task.
fn fargate_worker() -> WorkerFacts {
    let mut worker = worker();
    worker.pool.compute = cluster();
    worker.pool.launch = vec![source()];
    worker
}

/// A worker with an unanswered launch that was first sent `ago`.
fn unanswered(source: LaunchSource, ago: Millis) -> WorkerFacts {
    let mut worker = fargate_worker();
    worker.attempt = Some(LaunchAttempt {
        mutation: Mutation::Launch {
            region: Region::from("us-east-1"),
            source,
            token: LaunchToken::from("token"),
            tags: BTreeMap::new(),
        },
        generation: Generation::new(4),
        decision: DecisionId::new(1),
        sent: 9,
        in_doubt: false,
        since: Instant::from_ms(NOW.as_ms() - ago.get()),
        proved_at: None,
    });
    worker
}

#[test]
fn every_end_of_a_task_terminates_it_and_clears_the_pointer() {
    let mut worker = fargate_worker();
    see(&mut worker, "task", InstanceState::Running);
    adopt(&mut worker, "task");
    worker.pointer = Some(Some("task".into()));
    assert_eq!(worker.pool.restart_by, RestartBy::StopStart);
    let restart = Proposal::Restart {
        id: "task".into(),
        initiator: Initiator::Person,
        kind: RestartBy::StopStart,
    };
    let Proposal::Stop(reaping) = stop("task", "unreachable") else {
        panic!("a stop");
    };
    refused(&worker, &Proposal::Stop(reaping.clone()), Rule::CannotStop);
    for proposal in [Proposal::End(reaping), restart] {
        let permit = permitted(&worker, &proposal, MutationKind::Terminate);
        let Mutation::Terminate {
            compute,
            clear_pointer,
            ..
        } = permit.into_mutation()
        else {
            panic!("the end was permitted");
        };
        assert_eq!(compute, cluster());
        assert_eq!(clear_pointer, Some("/gpu".into()));
    }
}

#[test]
fn a_task_is_never_started_again() {
    let mut worker = fargate_worker();
    for state in [InstanceState::Stopped, InstanceState::Terminated] {
        see(&mut worker, "task", state);
        refused(&worker, &start("task"), Rule::CannotStart);
    }
}

#[test]
fn a_launch_carries_the_whole_launch_source() {
    let permit = permitted(
        &fargate_worker(),
        &Proposal::Launch(0),
        MutationKind::Launch,
    );
    let Mutation::Launch { source: found, .. } = permit.into_mutation() else {
        panic!("a launch was asked for");
    };
    assert_eq!(found, source());
}

#[test]
fn a_launch_without_a_task_definition_is_refused_by_name() {
    let mut worker = fargate_worker();
    worker.pool.launch.clear();
    let veto = scene_with(&worker, false, |scene| scene.permit(&Proposal::Launch(0))).unwrap_err();
    assert_eq!(veto.rule, Rule::NoLaunchTemplate);
    assert!(veto.text.contains("`task_definition`"), "{veto}");
}

#[test]
fn a_launch_is_not_replayed_once_its_token_may_be_forgotten() {
    let lasts = source().token_lasts().unwrap();
    let replay = &Proposal::ReplayLaunch;
    let young = unanswered(source(), Millis::new(lasts.get() - 1));
    permitted(&young, replay, MutationKind::Launch);
    refused(&unanswered(source(), lasts), replay, Rule::TokenExpired);
    let template = LaunchSource::LaunchTemplate("gpu".to_owned());
    permitted(&unanswered(template, lasts), replay, MutationKind::Launch);
}
