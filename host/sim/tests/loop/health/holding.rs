//! Times in which nothing is concluded, and readings that belong to another time.

use reeve_core::cloud::{Query, Reading};
use reeve_core::compute::Compute;
use reeve_core::event::{Asker, Event, Timer, WorkerEvent, WorkerTimer};
use reeve_core::fleet::Fleet;
use reeve_core::health::{Check, Probed, RestartRule, StatusChecks};
use reeve_core::id::{InstanceId, RequestId};
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::restart::RestartStage;
use reeve_core::time::{Instant, Millis};
use reeve_sim::incidents;
use reeve_sim::world::{Ailment, Boot};

use super::{
    MINUTE, ROUND, SECOND, asked, count, health, http, refuses_from_the_boot_on, restart_by_person,
    signal, status, stops, until_read, well,
};
use crate::support::Bench;

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

/// Puts the event to the host as it is now, and asserts that it comes to nothing at all.
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
    let (mut bench, id) = well(spec);
    restart_by_person(&mut bench);
    // From the first moment to the last: stopping, stopped, pending, running without an address.
    let mut failures = 0;
    while status(&bench).restart.unwrap().stage != RestartStage::Done {
        let mut fleet = bench.host.fleet().clone();
        for back in 0..20 {
            let asked_at = Instant::from_ms(bench.now.as_ms() - back * 1_000);
            comes_to_nothing(&mut fleet, bench.now, failed(&id, asked_at));
            failures += 1;
        }
        let held = health(&bench);
        assert_eq!((held.held, held.signals), (Some("restarting"), vec![]));
        bench.run(SECOND);
    }
    assert!(failures >= 1_000, "{failures}");
    assert_eq!(asked(&bench), ["operator"]);
    assert_eq!(
        (stops(&bench), count(&bench, Step::WorkerUnhealthy)),
        (1, 0)
    );
}

#[test]
fn nobody_is_probed_while_a_restart_is_in_flight() {
    let (mut bench, id) = well(http(RestartRule::Any));
    restart_by_person(&mut bench);
    bench.world.ail(&id, Some(Ailment::Hangs));
    let mut fleet = bench.host.fleet().clone();
    let due = Event::from(Timer::Worker(incidents::worker(), WorkerTimer::Probe));
    let effects = fleet.step(bench.now, due);
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
    let (mut bench, id) = well(spec);
    let before = bench.now;
    let asked_before = signal(&bench, "http").at;
    restart_by_person(&mut bench);
    while status(&bench).restart.unwrap().stage != RestartStage::Done {
        bench.run(SECOND);
    }
    bench.run(MINUTE);
    let mut fleet = bench.host.fleet().clone();
    for asked_at in [asked_before, before] {
        comes_to_nothing(&mut fleet, bench.now, failed(&id, asked_at));
        comes_to_nothing(&mut fleet, bench.now, impaired(&id, asked_at));
    }
    // The same words about the present life are taken in.
    fleet.step(bench.now, impaired(&id, bench.now));
    let status = fleet.status(&incidents::worker(), bench.now).unwrap();
    let signals = status.health.unwrap().signals;
    let checks = signals.iter().find(|it| it.signal == "status-checks");
    assert_eq!(checks.unwrap().reading.as_str(), "bad");
}

#[test]
fn an_instance_that_was_started_anew_between_two_looks_begins_anew() {
    let (mut bench, id) = well(http(RestartRule::Any));
    bench.world.ail(&id, Some(Ailment::Refuses));
    until_read(&mut bench, "http", 2);
    let mut fleet = bench.host.fleet().clone();
    let worker = fleet.worker(&incidents::worker()).unwrap();
    let mut instance = worker.instances[&id].instance.clone();
    instance.launched_at = Some(bench.now);
    let read = Event::queried(
        Asker::Worker(incidents::worker()),
        Query::Instance {
            compute: Compute::Ec2,
            region: "us-east-1".into(),
            id,
        },
        bench.now,
        Ok(Reading::Instance(instance)),
    );
    fleet.step(bench.now, read);
    fleet.step(
        bench.now,
        Event::from(Timer::Worker(incidents::worker(), WorkerTimer::Probe)),
    );
    let status = fleet.status(&incidents::worker(), bench.now).unwrap();
    assert_eq!(status.health.unwrap().signals, []);
}

#[test]
fn an_answer_nobody_waits_for_is_dropped() {
    let (bench, id) = well(http(RestartRule::Any));
    let mut fleet = bench.host.fleet().clone();
    comes_to_nothing(&mut fleet, bench.now, failed(&id, bench.now));
    comes_to_nothing(&mut fleet, bench.now, failed(&"i-other".into(), bench.now));
}

#[test]
fn an_instance_that_somebody_stopped_is_lost_and_not_unhealthy() {
    let (mut bench, id) = well(http(RestartRule::Any));
    bench.world.stop_elsewhere(&id);
    bench.run(MINUTE);
    assert_eq!(count(&bench, Step::InstanceLost), 1);
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 0);
    assert_eq!(asked(&bench), Vec::<String>::new());
    assert_eq!(health(&bench).held, Some("no-address"));
}

#[test]
fn a_host_that_cannot_see_the_cloud_concludes_nothing_until_it_can() {
    use reeve_sim::world::{Asked, Trouble};
    let (mut bench, id) = well(http(RestartRule::Any));
    bench.run(Millis::from_secs(30));
    bench.world.trouble(Trouble {
        unanswered: Asked::ALL.into(),
        ..Trouble::default()
    });
    // So that the last good scan is older than the first failure.
    bench.run(Millis::from_secs(2));
    bench.world.ail(&id, Some(Ailment::Hangs));
    bench.run(Millis::from_secs(600));
    assert!(signal(&bench, "http").failures > 30);
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 0);
    assert_eq!(asked(&bench), Vec::<String>::new());
    bench.world.trouble(Trouble::default());
    bench.run(MINUTE);
    assert_eq!(asked(&bench), ["probe-failed"]);
}

fn operate(bench: &mut Bench, command: Command) {
    let (worker, request) = (incidents::worker(), RequestId::new(999));
    bench.host.operate(bench.now, &worker, request, command);
    bench.host.take_reports();
}

#[test]
fn what_is_seen_during_a_pause_is_shown_and_counts_for_nothing_after_it() {
    let (mut bench, id) = well(http(RestartRule::Any));
    let pause = Command::Pause { reason: None };
    operate(&mut bench, pause);
    bench.world.ail(&id, Some(Ailment::Answers(503)));
    bench.run(Millis::from_secs(600));
    let found = health(&bench);
    assert_eq!((found.held, found.unhealthy_since), (Some("paused"), None));
    let signal = &found.signals[0];
    assert_eq!((signal.reading.as_str(), signal.failures), ("bad", 0));
    assert!(signal.age_ms < 20_000, "{signal:?}");
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 0);
    operate(&mut bench, Command::Resume);
    bench.run(Millis::from_secs(25));
    assert_eq!(asked(&bench), Vec::<String>::new(), "a row of its own");
    bench.run(MINUTE);
    assert_eq!(asked(&bench), ["probe-failed"]);
}

#[test]
fn what_was_wrong_during_a_pause_only_is_never_told_even_where_one_failure_is_enough() {
    let mut spec = http(RestartRule::Any);
    spec.unhealthy_after = 1;
    let (mut bench, id) = well(spec);
    // The pause ends before a probe as well as before a scan.
    for round in 0..10 {
        operate(&mut bench, Command::Pause { reason: None });
        bench.world.ail(&id, Some(Ailment::Answers(503)));
        bench.run(Millis::new(60_000 + 3_700 * round));
        bench.world.ail(&id, None);
        operate(&mut bench, Command::Resume);
        bench.run(MINUTE);
    }
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 0);
}

/// What a probe that is sent at `sent` and fails at `fails` makes of the row, in a copy of the fleet.
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
    let (bench, id) = refuses_from_the_boot_on();
    let fleet = bench.host.fleet();
    let worker = fleet.worker(&incidents::worker()).unwrap();
    let adopted_since = worker.adopted.as_ref().unwrap().since;
    // The address comes seconds after the adoption, and the grace begins with it.
    let after = |seconds| adopted_since + Millis::from_secs(seconds);
    let row = |sent| row_of_failure(fleet, &id, sent, after(420));
    assert!(after(299) > bench.now);
    assert_eq!((row(after(299)), row(after(330))), (0, 1));
}

/// When the worker's health is looked at next, and a probe sent.
fn next_look(bench: &Bench) -> Instant {
    let mut waits = status(bench).waits.into_iter();
    let wait = waits.find(|wait| wait.what.contains("health"));
    wait.unwrap().until.expect("a timer ends it")
}

#[test]
fn a_failure_of_the_pause_proves_nothing_though_the_pause_is_over_when_the_host_hears_of_it() {
    let (mut bench, id) = well(http(RestartRule::Any));
    operate(&mut bench, Command::Pause { reason: None });
    bench.world.ail(&id, Some(Ailment::Hangs));
    let sent = next_look(&bench);
    bench.run(sent.since(bench.now) + Millis::new(10));
    operate(&mut bench, Command::Resume);
    bench.run(Millis::from_secs(3));
    let found = signal(&bench, "http");
    assert_eq!((found.reading.as_str(), found.at), ("bad", sent));
    assert_eq!(found.failures, 0);
    bench.run(ROUND + SECOND);
    assert_eq!(signal(&bench, "http").failures, 1, "this one does");
}

#[test]
fn an_instance_without_an_address_is_not_asked() {
    let (mut bench, id) = well(http(RestartRule::Any));
    bench.world.stop_elsewhere(&id);
    bench.run(Millis::from_secs(120));
    bench.world.next_boot(Boot {
        pending: SECOND,
        address_after: Millis::from_secs(3_000),
    });
    bench.ask();
    bench.run(Millis::from_secs(1_800));
    assert_eq!(health(&bench).held, Some("no-address"));
    assert_eq!(health(&bench).signals, []);
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 0);
}
