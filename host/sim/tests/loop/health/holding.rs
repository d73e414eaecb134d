//! Times in which nothing is concluded, and readings that belong to another time.

use crate::rig::prelude::*;
use reeve_core::cloud::{Query, Reading};
use reeve_core::compute::Compute;
use reeve_core::event::{Asker, Event, Timer, WorkerEvent, WorkerTimer};
use reeve_core::fleet::Fleet;
use reeve_core::health::{Check, Probed, RestartRule, StatusChecks};
use reeve_core::id::InstanceId;
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::restart::RestartStage;
use reeve_sim::world::{Boot, SoftwareFault};

use super::{
    ROUND, asked, count, health, http, refuses_from_the_boot_on, restart_by_person, signal, stops,
    until_read, well,
};

/// A probe of the instance has failed.
fn failed(id: &InstanceId, asked_at: Instant) -> Event {
    Event::of(
        incidents::worker(),
        WorkerEvent::Probed {
            instance: id.clone(),
            asked_at,
            result: Probed::Failed("the connection was refused".to_owned()),
        },
    )
}

/// The pool's status checks were read, and this instance's are impaired.
fn impaired(id: &InstanceId, asked_at: Instant) -> Event {
    let checks = StatusChecks {
        instance: Check::Impaired,
        system: Check::Ok,
        scheduled: Vec::new(),
    };
    Event::queried(
        Asker::Pool(incidents::pool()),
        Query::StatusChecks {
            region: "us-east-1".into(),
            ids: vec![id.clone()],
        },
        asked_at,
        Ok(Reading::StatusChecks([(id.clone(), checks)].into())),
    )
}

/// Puts the event to the host as it is now, and asserts that it has no effect at all.
#[track_caller]
fn comes_to_nothing(fleet: &mut Fleet, now: Instant, event: Event) {
    let worker = |fleet: &Fleet| format!("{:?}", fleet.worker(&incidents::worker()));
    let before = worker(fleet);
    let effects = fleet.step(now, event);
    assert_eq!(effects, []);
    assert_eq!(worker(fleet), before);
}

#[test]
fn a_thousand_failures_during_a_restart_change_nothing_and_ask_for_nothing() {
    let mut spec = http(RestartRule::Any);
    spec.status_checks = true;
    let (mut rig, id) = well(spec);
    restart_by_person(&mut rig);
    // From the first moment to the last: stopping, stopped, pending, running without an address.
    let mut failures = 0;
    while rig.status().restart.unwrap().stage != RestartStage::Done {
        let mut fleet = rig.core(0).clone();
        for back in 0..20 {
            let asked_at = Instant::from_ms(rig.now().as_ms() - back * 1_000);
            comes_to_nothing(&mut fleet, rig.now(), failed(&id, asked_at));
            failures += 1;
        }
        let held = health(&rig);
        assert_eq!((held.held, held.signals), (Some("restarting"), vec![]));
        rig.run(SECOND);
    }
    assert!(failures >= 1_000, "{failures}");
    assert_eq!(asked(&rig), ["operator"]);
    assert_eq!((stops(&rig), count(&rig, Step::WorkerUnhealthy)), (1, 0));
}

#[test]
fn no_instance_is_probed_while_a_restart_is_in_flight() {
    let (mut rig, id) = well(http(RestartRule::Any));
    restart_by_person(&mut rig);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    let mut fleet = rig.core(0).clone();
    let due = Event::from(Timer::Worker(incidents::worker(), WorkerTimer::Probe));
    let effects = fleet.step(rig.now(), due);
    // Only the next time is set.
    assert!(
        matches!(
            effects.as_slice(),
            [reeve_core::effect::Effect::Timer { .. }]
        ),
        "{effects:?}"
    );
}

#[test]
fn a_reading_of_the_former_life_is_dropped_whenever_it_comes() {
    let mut spec = http(RestartRule::Any);
    spec.status_checks = true;
    let (mut rig, id) = well(spec);
    let before = rig.now();
    let asked_before = signal(&rig, "http").at;
    restart_by_person(&mut rig);
    while rig.status().restart.unwrap().stage != RestartStage::Done {
        rig.run(SECOND);
    }
    rig.run(MINUTE);
    let mut fleet = rig.core(0).clone();
    for asked_at in [asked_before, before] {
        comes_to_nothing(&mut fleet, rig.now(), failed(&id, asked_at));
        comes_to_nothing(&mut fleet, rig.now(), impaired(&id, asked_at));
    }
    // The same words about the present life are taken in.
    fleet.step(rig.now(), impaired(&id, rig.now()));
    let status = fleet.status(&incidents::worker(), rig.now()).unwrap();
    let signals = status.health.unwrap().signals;
    let checks = signals.iter().find(|it| it.signal == "status-checks");
    assert_eq!(checks.unwrap().reading.as_str(), "bad");
}

#[test]
fn an_instance_that_was_started_anew_between_two_looks_begins_anew() {
    let (mut rig, id) = well(http(RestartRule::Any));
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Refuses));
    until_read(&mut rig, "http", 2);
    let mut fleet = rig.core(0).clone();
    let worker = fleet.worker(&incidents::worker()).unwrap();
    let mut instance = worker.instances[&id].instance.clone();
    instance.launched_at = Some(rig.now());
    let read = Event::queried(
        Asker::Worker(incidents::worker()),
        Query::Instance {
            compute: Compute::Ec2,
            region: "us-east-1".into(),
            id,
        },
        rig.now(),
        Ok(Reading::Instance(instance)),
    );
    fleet.step(rig.now(), read);
    fleet.step(
        rig.now(),
        Event::from(Timer::Worker(incidents::worker(), WorkerTimer::Probe)),
    );
    let status = fleet.status(&incidents::worker(), rig.now()).unwrap();
    assert_eq!(status.health.unwrap().signals, []);
}

#[test]
fn an_answer_that_no_probe_waits_for_is_dropped() {
    let (rig, id) = well(http(RestartRule::Any));
    let mut fleet = rig.core(0).clone();
    comes_to_nothing(&mut fleet, rig.now(), failed(&id, rig.now()));
    comes_to_nothing(&mut fleet, rig.now(), failed(&"i-other".into(), rig.now()));
}

#[test]
fn an_instance_that_another_system_stopped_is_lost_and_not_unhealthy() {
    let (mut rig, id) = well(http(RestartRule::Any));
    rig.world.stop_elsewhere(&id).unwrap();
    rig.run(MINUTE);
    assert_eq!(count(&rig, Step::InstanceLost), 1);
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 0);
    assert_eq!(asked(&rig), Vec::<String>::new());
    assert_eq!(health(&rig).held, Some("no-address"));
}

#[test]
fn a_host_that_cannot_see_the_cloud_concludes_nothing_until_it_can() {
    use reeve_sim::world::{Asked, Trouble};
    let (mut rig, id) = well(http(RestartRule::Any));
    rig.run(Millis::from_secs(30));
    rig.world.set_trouble(Trouble {
        unanswered: Asked::ALL.into(),
        ..Trouble::default()
    });
    // So that the last good scan is older than the first failure.
    rig.run(Millis::from_secs(2));
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    rig.run(Millis::from_secs(600));
    assert!(signal(&rig, "http").failures > 30);
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 0);
    assert_eq!(asked(&rig), Vec::<String>::new());
    rig.world.set_trouble(Trouble::default());
    rig.run(MINUTE);
    assert_eq!(asked(&rig), ["probe-failed"]);
}

#[test]
fn what_is_seen_during_a_pause_is_shown_and_counts_for_nothing_after_it() {
    let (mut rig, id) = well(http(RestartRule::Any));
    let pause = Command::Pause { reason: None };
    rig.give(pause);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Answers(503)));
    rig.run(Millis::from_secs(600));
    let found = health(&rig);
    assert_eq!((found.held, found.unhealthy_since), (Some("paused"), None));
    let signal = &found.signals[0];
    assert_eq!((signal.reading.as_str(), signal.failures), ("bad", 0));
    assert!(signal.age_ms < 20_000, "{signal:?}");
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 0);
    rig.give(Command::Resume);
    rig.run(Millis::from_secs(25));
    assert_eq!(asked(&rig), Vec::<String>::new(), "a row of its own");
    rig.run(MINUTE);
    assert_eq!(asked(&rig), ["probe-failed"]);
}

#[test]
fn a_failure_during_a_pause_only_is_never_told_even_if_one_is_enough() {
    let mut spec = http(RestartRule::Any);
    spec.unhealthy_after = 1;
    let (mut rig, id) = well(spec);
    // The pause ends before a probe as well as before a scan.
    for round in 0..10 {
        rig.give(Command::Pause { reason: None });
        rig.world
            .set_software_fault(&id, Some(SoftwareFault::Answers(503)));
        rig.run(Millis::new(60_000 + 3_700 * round));
        rig.world.set_software_fault(&id, None);
        rig.give(Command::Resume);
        rig.run(MINUTE);
    }
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 0);
}

/// What a probe that is sent at `sent` and fails at `fails` makes of the row, in a copy of the
/// fleet.
fn row_of_failure(fleet: &Fleet, id: &InstanceId, sent: Instant, fails: Instant) -> u32 {
    let (mut fleet, worker) = (fleet.clone(), incidents::worker());
    fleet.step(
        sent,
        Event::from(Timer::Worker(worker.clone(), WorkerTimer::Probe)),
    );
    fleet.step(fails, failed(id, sent));
    let health = fleet.status(&worker, fails).unwrap().health.unwrap();
    let probed = health.signals.iter().find(|it| it.signal == "http");
    let probed = probed.expect("the answer was taken in");
    assert_eq!((probed.reading.as_str(), probed.at), ("bad", sent));
    probed.failures
}

#[test]
fn a_failure_of_the_boot_proves_nothing_however_late_the_host_hears_of_it() {
    let (rig, id) = refuses_from_the_boot_on();
    let fleet = rig.core(0);
    let worker = fleet.worker(&incidents::worker()).unwrap();
    let adopted_since = worker.adopted.as_ref().unwrap().since;
    // The address comes seconds after the adoption, and the grace begins with it.
    let after = |seconds| adopted_since + Millis::from_secs(seconds);
    let row = |sent| row_of_failure(fleet, &id, sent, after(420));
    assert!(after(299) > rig.now());
    assert_eq!((row(after(299)), row(after(330))), (0, 1));
}

/// When the worker's health is looked at next, and a probe sent.
fn next_look(rig: &Rig) -> Instant {
    let mut waits = rig.status().waits.into_iter();
    let wait = waits.find(|wait| wait.what.contains("health"));
    wait.unwrap().until.expect("a timer ends it")
}

#[test]
fn a_failure_of_the_pause_proves_nothing_though_it_is_heard_after_it() {
    let (mut rig, id) = well(http(RestartRule::Any));
    rig.give(Command::Pause { reason: None });
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    let sent = next_look(&rig);
    rig.run(sent.since(rig.now()) + Millis::new(10));
    rig.give(Command::Resume);
    rig.run(Millis::from_secs(3));
    let found = signal(&rig, "http");
    assert_eq!((found.reading.as_str(), found.at), ("bad", sent));
    assert_eq!(found.failures, 0);
    rig.run(ROUND + SECOND);
    assert_eq!(signal(&rig, "http").failures, 1, "this one does");
}

#[test]
fn an_instance_without_an_address_is_not_asked() {
    let (mut rig, id) = well(http(RestartRule::Any));
    rig.world.stop_elsewhere(&id).unwrap();
    rig.run(Millis::from_secs(120));
    rig.world.set_next_boot(Boot {
        pending: SECOND,
        address_after: Millis::from_secs(3_000),
    });
    rig.ask();
    rig.run(Millis::from_secs(240));
    assert_eq!(health(&rig).held, Some("no-address"));
    assert_eq!(health(&rig).signals, []);
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 0);
}
