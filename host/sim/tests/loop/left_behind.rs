//! What a host announced and did not live to end, or could not write the end of.

use crate::rig::prelude::*;
use reeve_core::cloud::Mutation;
use reeve_core::compute::Compute;
use reeve_core::facts::How;
use reeve_core::id::{DecisionId, InstanceId};
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::point::Reason;
use reeve_core::point::reap::Choice;
use reeve_core::point::resolve::InFlight;
use reeve_core::response::NotYetCode;
use reeve_core::restart::{Initiator, Restart, RestartRequest, RestartStage};
use reeve_core::spec::{LEASE, RestartBy};
use reeve_core::store::{Draining, Intent, Phase, WorkerRecord};
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Asked, Trouble};

/// The worker's instance is stopped, and the first host is about to start it: the start is
/// announced.
fn starting(hosts: usize) -> Rig {
    let mut rig = Rig::hosts(hosts);
    rig.world.place_stopped("i-aaaa", TAG);
    // All of them see that it is stopped.
    rig.run(SECOND);
    rig.ask();
    while rig.record().record.intent.is_none() {
        rig.step();
    }
    rig
}

#[track_caller]
fn is_taken_for_started(rig: &Rig) {
    let record = rig.record().record;
    let adopted = record.adopted.unwrap();
    assert_eq!(adopted.how, How::Started);
    assert_eq!(adopted.generation, record.generation);
    assert_eq!(record.phase, Phase::Running);
}

#[test]
fn the_start_of_a_dead_host_is_believed_before_any_reading() {
    let mut rig = starting(2);
    rig.crash(0);
    // The other one has only the reading of before the start.
    rig.world.set_trouble(Trouble {
        unanswered: Asked::ALL.into(),
        ..Trouble::default()
    });
    rig.ask_of(1);
    rig.run(LEASE + LEASE);
    is_taken_for_started(&rig);
    rig.world.set_trouble(Trouble::default());
    rig.run(LEASE + LEASE);
    rig.ask_of(1);
    rig.run(Millis::from_secs(120));
    rig.assert_settled();
}

#[test]
fn a_host_remembers_a_start_whose_outcome_it_could_not_write() {
    let mut rig = starting(1);
    rig.store.fail(Some(outage()));
    rig.run(SECOND);
    rig.store.fail(None);
    assert!(rig.record().record.intent.is_some());
    rig.run(Millis::from_secs(5));
    is_taken_for_started(&rig);
    rig.run(Millis::from_secs(120));
    rig.assert_settled();
}

#[test]
fn a_start_that_was_announced_unheard_was_not_sent_and_is_made_at_once() {
    let mut rig = Rig::hosts(1);
    rig.world.place_stopped("i-aaaa", TAG);
    rig.run(SECOND);
    rig.store.lose_replies(Some(outage()));
    rig.ask();
    while rig.record().record.intent.is_none() {
        rig.step();
    }
    rig.run(Millis::new(100));
    rig.store.lose_replies(None);
    rig.run(Millis::from_secs(5));
    let left = rig.told(Step::IntentRecovered)[0];
    assert!(
        left.text
            .ends_with("the next readings show what the provider did"),
        "{left:?}"
    );
    rig.ask();
    rig.run(SECOND);
    is_taken_for_started(&rig);
}

/// The first host has launched the worker's instance, and has nothing left to do.
#[track_caller]
fn settled(mut rig: Rig) -> Rig {
    rig.ask();
    rig.run(Millis::from_secs(120));
    rig.assert_settled();
    rig
}

/// The host that holds the lease by the record was in the middle of this mutation, and is no more.
pub(crate) fn leave(rig: &Rig, mutation: Mutation, change: impl FnOnce(&mut WorkerRecord)) {
    rig.rewrite(|record| {
        change(record);
        record.lease = Some("gone".into());
        record.intent = Some(Intent {
            mutation,
            generation: record.generation,
            epoch: record.epoch,
            decision: DecisionId::new(8),
            since: rig.now(),
            unknown: Default::default(),
        });
    });
}

/// The start of this instance.
pub(crate) fn start(id: InstanceId) -> Mutation {
    Mutation::Start {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id,
    }
}

#[test]
fn an_unfinished_start_does_not_replace_an_adopted_instance_that_is_up() {
    let mut rig = settled(Rig::hosts(1));
    leave(&rig, start("i-other".into()), |_| ());
    rig.ask();
    rig.run(LEASE + LEASE);
    rig.assert_settled();
}

#[test]
fn a_life_that_begins_with_a_write_finishes_what_the_last_one_left() {
    let mut rig = settled(Rig::alone());
    rig.crash(0);
    // It drained the worker's instance, and was stopping an orphan when it died.
    let stop = Mutation::Stop {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id: "i-orphan".into(),
        clear_pointer: None,
    };
    let since = rig.now();
    leave(&rig, stop, |record| {
        record.draining = Some(Draining {
            instance: record.adopted.clone().unwrap().id,
            since,
            decision: DecisionId::new(7),
            choice: Choice::Stop,
            lasts: None,
            reason: Reason::new("idle", "no caller has used it").into(),
            unknown: Default::default(),
        });
    });

    rig.begin(0);
    rig.run(SECOND);
    assert_eq!(rig.record().record.draining, None);
    rig.assert_settled();
}

/// A person's restart that is in flight.
fn restart(stage: RestartStage, started_at: Instant) -> Restart {
    Restart {
        request: RestartRequest {
            cause: "deploy".to_owned(),
            initiator: Initiator::Person,
            text: None,
            kind: None,
            of: None,
            from: None,
            unknown: Default::default(),
        },
        started_at,
        stage,
        kind: RestartBy::StopStart,
        reboot: None,
        instance: None,
        unknown: Default::default(),
    }
}

#[test]
fn a_route_is_withdrawn_while_another_host_restarts_the_worker() {
    let mut rig = settled(Rig::hosts(1));
    rig.expect_served();
    assert!(rig.worker().route.is_some());
    // The cloud has not taken the instance down yet, so nothing is in flight.
    rig.rewrite(|record| record.restart = Some(restart(RestartStage::Ending, rig.now())));
    rig.give(Command::Resume);
    rig.run(SECOND);
    assert_eq!(rig.worker().route, None);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Restarting);
}

#[test]
fn a_restart_is_not_over_while_the_start_that_belongs_to_it_is_left_behind() {
    let mut rig = settled(Rig::hosts(2));
    rig.crash(0);
    // It had been brought up for the restart before, and went down once more.
    let now = rig.now();
    let ago = |seconds: u64| Instant::from_ms(now.as_ms() - seconds * 1_000);
    let adopted = rig.record().record.adopted.unwrap();
    leave(&rig, start(adopted.id), |record| {
        record.restart = Some(restart(RestartStage::Provisioning, ago(60)));
        record.adopted.as_mut().unwrap().since = ago(30);
    });
    let is_restarting = |rig: &Rig| rig.worker_of(1).is_restarting();

    rig.ask_of(1);
    rig.run(Millis::from_secs(10));
    assert!(is_restarting(&rig));
    rig.run(LEASE + LEASE);
    assert!(!is_restarting(&rig));
    is_taken_for_started(&rig);
}

/// A worker that is served, and whose policy fails while something is in flight.
fn with_failing_policy() -> Rig {
    let store = MemoryStore::new(true);
    let policies = Native::new(|input| match input.in_flight {
        InFlight::Nothing => Ok(sensible(input)),
        _ => Err("it fails".to_owned()),
    });
    let mut rig = Rig::over(store, World::new(1, BEGINS), policies);
    rig.add_host(incidents::fleet());
    settled(rig)
}

#[test]
fn an_instance_that_another_host_is_stopping_is_not_handed_out_by_policy_or_safe_default() {
    for mut rig in [settled(Rig::hosts(1)), with_failing_policy()] {
        rig.expect_served();
        // It announced the stop, and its outcome is unknown.
        let stop = Mutation::Stop {
            region: "us-east-1".into(),
            compute: Compute::Ec2,
            id: rig.record().record.adopted.unwrap().id,
            clear_pointer: Some(incidents::pointer()),
        };
        leave(&rig, stop, |record| record.phase = Phase::Ending);
        // A command has the record read.
        rig.give(Command::Resume);
        rig.run(SECOND);
        assert_eq!(rig.worker().route, None, "what was published is withdrawn");
        assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Stopping);
        rig.run(LEASE + LEASE);
        rig.expect_served();
        rig.assert_settled();
    }
}
