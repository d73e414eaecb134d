//! What a host announced and did not live to end, or could not write the end of.

use reeve_core::cloud::Mutation;
use reeve_core::compute::Compute;
use reeve_core::facts::How;
use reeve_core::id::{DecisionId, InstanceId, RequestId};
use reeve_core::notice::{Notice, Step};
use reeve_core::operator::Command;
use reeve_core::point::Reason;
use reeve_core::point::reap::Choice;
use reeve_core::response::{NotYetCode, Resolution};
use reeve_core::restart::{Initiator, Restart, RestartRequest, RestartStage};
use reeve_core::spec::LEASE;
use reeve_core::store::{Draining, Intent, Phase, WorkerRecord};
use reeve_core::time::{Instant, Millis};
use reeve_sim::incidents::{self, TAG};
use reeve_sim::world::{Asked, Trouble};

use crate::records::{Several, outage};

const SECOND: Millis = Millis::from_secs(1);

/// The worker's instance is stopped, and the first host is about to start it: the start is announced.
fn starting(hosts: usize) -> Several {
    let mut several = Several::new(hosts);
    several.world.place_stopped("i-aaaa", TAG);
    // All of them see that it is stopped.
    several.run(SECOND);
    several.ask(0);
    while several.record().record.intent.is_none() {
        several.step();
    }
    several
}

#[track_caller]
fn is_taken_for_started(several: &Several) {
    let record = several.record().record;
    let adopted = record.adopted.unwrap();
    assert_eq!(adopted.how, How::Started);
    assert_eq!(adopted.generation, record.generation);
    assert_eq!(record.phase, Phase::Running);
}

fn recovered(notice: &&Notice) -> bool {
    notice.step == Step::IntentRecovered
}

#[test]
fn the_start_of_a_host_that_died_is_believed_before_any_reading_of_the_instance() {
    let mut several = starting(2);
    several.kill(0);
    // The other one has only the reading of before the start.
    several.world.trouble(Trouble {
        unanswered: Asked::ALL.into(),
        ..Trouble::default()
    });
    several.ask(0);
    several.run(LEASE + LEASE);
    is_taken_for_started(&several);
    several.world.trouble(Trouble::default());
    several.run(LEASE + LEASE);
    several.ask(0);
    several.run(Millis::from_secs(120));
    several.assert_settled();
}

#[test]
fn a_start_whose_outcome_could_not_be_written_is_not_forgotten_by_the_host_that_made_it() {
    let mut several = starting(1);
    several.store.fail(Some(outage()));
    several.run(SECOND);
    several.store.fail(None);
    assert!(several.record().record.intent.is_some());
    several.run(Millis::from_secs(5));
    is_taken_for_started(&several);
    several.run(Millis::from_secs(120));
    several.assert_settled();
}

#[test]
fn a_start_that_was_announced_unheard_was_not_sent_and_is_made_at_once() {
    let mut several = Several::new(1);
    several.world.place_stopped("i-aaaa", TAG);
    several.run(SECOND);
    several.store.lose_replies(Some(outage()));
    several.ask(0);
    while several.record().record.intent.is_none() {
        several.step();
    }
    several.run(Millis::new(100));
    several.store.lose_replies(None);
    several.run(Millis::from_secs(5));
    let notices = several.hosts[0].notices();
    let left = notices.iter().find(recovered).unwrap();
    assert!(
        left.text
            .ends_with("the next readings show what the provider did"),
        "{left:?}"
    );
    several.ask(0);
    several.run(SECOND);
    is_taken_for_started(&several);
}

/// The first host has launched the worker's instance, and has nothing left to do.
#[track_caller]
fn settled(mut several: Several) -> Several {
    several.ask(0);
    several.run(Millis::from_secs(120));
    several.assert_settled();
    several
}

/// Whoever the record says to hold the lease was in the middle of this mutation, and is no more.
fn leave(several: &Several, mutation: Mutation, change: impl FnOnce(&mut WorkerRecord)) {
    several.rewrite(|record| {
        change(record);
        record.lease = Some("gone".into());
        record.intent = Some(Intent {
            mutation,
            generation: record.generation,
            epoch: record.epoch,
            decision: DecisionId::new(8),
            since: several.now,
        });
    });
}

fn start(id: InstanceId) -> Mutation {
    Mutation::Start {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id,
    }
}

#[test]
fn a_start_that_was_left_behind_takes_the_place_of_no_adopted_instance_that_is_up() {
    let mut several = settled(Several::new(1));
    leave(&several, start("i-other".into()), |_| ());
    several.ask(0);
    several.run(LEASE + LEASE);
    several.assert_settled();
}

#[test]
fn what_an_earlier_life_left_is_ended_though_the_next_one_begins_with_a_write_of_its_own() {
    let mut several = settled(Several::alone());
    several.kill(0);
    // It drained the worker's instance, and was stopping an orphan when it died.
    let stop = Mutation::Stop {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id: "i-orphan".into(),
        clear_pointer: None,
    };
    let since = several.now;
    leave(&several, stop, |record| {
        record.draining = Some(Draining {
            instance: record.adopted.clone().unwrap().id,
            since,
            decision: DecisionId::new(7),
            choice: Choice::Stop,
            reason: Reason::new("idle", "nobody has used it"),
        });
    });

    several.join("second-life");
    several.run(SECOND);
    assert_eq!(several.record().record.draining, None);
    several.assert_settled();
}

#[test]
fn a_restart_is_not_over_while_the_start_that_belongs_to_it_is_left_behind() {
    let mut several = settled(Several::new(2));
    several.kill(0);
    // It had been brought up for the restart before, and went down once more.
    let now = several.now;
    let ago = |seconds: u64| Instant::from_ms(now.as_ms() - seconds * 1_000);
    let adopted = several.record().record.adopted.unwrap();
    leave(&several, start(adopted.id), |record| {
        record.restart = Some(Restart {
            request: RestartRequest {
                cause: "deploy".to_owned(),
                initiator: Initiator::Person,
                text: None,
            },
            started_at: ago(60),
            stage: RestartStage::Provisioning,
            instance: None,
            deferred: None,
        });
        record.adopted.as_mut().unwrap().since = ago(30);
    });
    let is_restarting = |several: &Several| {
        let known = several.hosts[0].fleet().worker(&incidents::worker());
        known.unwrap().is_restarting()
    };

    several.ask(0);
    several.run(Millis::from_secs(10));
    assert!(is_restarting(&several));
    several.run(LEASE + LEASE);
    assert!(!is_restarting(&several));
    is_taken_for_started(&several);
}

#[test]
fn what_another_host_is_about_to_stop_is_handed_out_no_more_until_it_is_known_to_stay() {
    let mut several = settled(Several::new(1));
    let served = several.ask(0);
    several.run(SECOND);
    assert!(matches!(
        several.answer(served),
        Some(Resolution::Served(_))
    ));
    // It announced the stop, and nobody knows what became of it.
    let stop = Mutation::Stop {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id: several.record().record.adopted.unwrap().id,
        clear_pointer: Some(incidents::pointer()),
    };
    leave(&several, stop, |record| record.phase = Phase::Ending);
    // A command has the record read.
    let (now, request) = (several.now, RequestId::new(999));
    several.hosts[0].operate(now, &incidents::worker(), request, Command::Resume);
    several.run(SECOND);
    let worker = several.hosts[0].fleet().worker(&incidents::worker());
    assert_eq!(
        worker.unwrap().route,
        None,
        "what was published is withdrawn"
    );
    let asked = several.ask(0);
    several.run(SECOND);
    match several.answer(asked) {
        Some(Resolution::NotYet(not_yet)) => assert_eq!(not_yet.code, NotYetCode::Stopping),
        other => panic!("expected to be told that it stops, got {other:?}"),
    }
    several.run(LEASE + LEASE);
    let later = several.ask(0);
    several.run(SECOND);
    assert!(matches!(several.answer(later), Some(Resolution::Served(_))));
    several.assert_settled();
}
