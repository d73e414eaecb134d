//! The health of a worker: what its signals conclude, and, above all, from what nothing is
//! concluded (docs/incidents.md#self-fire, docs/incidents.md#frozen-activity).

mod held_off;
mod holding;
mod shared;
mod signals;
mod storms;

use crate::rig::prelude::*;
use reeve_core::cloud::MutationKind;
use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::id::InstanceId;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome};
use reeve_core::restart::RestartStage;
use reeve_core::spec::FleetSpec;
use reeve_core::worker::{HealthStatus, SignalStatus};
use reeve_sim::world::SoftwareFault;

/// The longest time between two probes: a tenth more than 15 s.
pub(crate) const ROUND: Millis = Millis::new(16_500);
const HALF_HOUR: Millis = Millis::from_secs(1_800);

/// Asked over HTTP every 15 s, and restarted by this rule.
pub(crate) fn http(restart: RestartRule) -> HealthSpec {
    HealthSpec {
        probe: Some(ProbeSpec {
            kind: ProbeKind::Http {
                path: "/health".to_owned(),
                statuses: Vec::new(),
            },
            port: None,
            timeout: Millis::from_secs(2),
        }),
        restart,
        ..HealthSpec::default()
    }
}

/// The incidents' system, with this look at its health.
pub(crate) fn fleet(health: HealthSpec) -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.health = Some(health.clone());
    }
    fleet
}

/// A worker that is served and was found well.
pub(crate) fn well(health: HealthSpec) -> (Rig, InstanceId) {
    let (mut rig, id) = served(fleet(health));
    rig.run(MINUTE);
    assert_eq!(rig.status().condition, "serving");
    (rig, id)
}

/// A worker that has just been served for the first time.
pub(crate) fn served(fleet: FleetSpec) -> (Rig, InstanceId) {
    let mut rig = Rig::with_fleet(fleet, World::new(1, BEGINS), Native::sensible());
    rig.ask();
    rig.run(MINUTE);
    rig.expect_served();
    let id = rig.up().pop().expect("one instance is up");
    (rig, id)
}

pub(crate) fn health(rig: &Rig) -> HealthStatus {
    rig.status().health.expect("its pool looks after it")
}

/// What this signal says.
#[track_caller]
pub(crate) fn signal(rig: &Rig, name: &str) -> SignalStatus {
    let health = health(rig);
    let found = health.signals.iter().find(|signal| signal.signal == name);
    found.unwrap_or_else(|| panic!("{health:?}")).clone()
}

/// Runs until the signal was read so often, and no further.
pub(crate) fn until_read(rig: &mut Rig, name: &str, times: u32) {
    let read_at = |rig: &Rig| {
        let signals = health(rig).signals;
        let found = signals.iter().find(|signal| signal.signal == name);
        found.map(|signal| signal.at)
    };
    for _ in 0..times {
        let before = read_at(rig);
        while read_at(rig) == before {
            rig.run(Millis::new(10));
        }
    }
}

pub(crate) fn count(rig: &Rig, step: Step) -> usize {
    rig.told(step).len()
}

/// The causes of the restarts that were asked for.
pub(crate) fn asked(rig: &Rig) -> Vec<String> {
    use reeve_core::journal::Content;
    let commands = rig.journal(0).iter();
    let causes = commands.filter_map(|entry| match &entry.content {
        Content::Commanded(Command::Restart(request)) => Some(request.cause.clone()),
        _ => None,
    });
    causes.collect()
}

pub(crate) fn stops(rig: &Rig) -> usize {
    rig.count(MutationKind::Stop)
}

#[test]
fn a_worker_that_hangs_is_restarted_once_and_recovers() {
    for (fault, said) in [
        (SoftwareFault::Hangs, "no answer within 2s"),
        (SoftwareFault::Silent, "no answer within 2s"),
        (SoftwareFault::Refuses, "refused"),
        (SoftwareFault::Answers(500), "HTTP 500"),
    ] {
        let (mut rig, id) = well(http(RestartRule::Any));
        rig.world.set_software_fault(&id, Some(fault));
        rig.run(HALF_HOUR);
        assert_eq!(asked(&rig), ["probe-failed"], "{fault:?}");
        assert_eq!((stops(&rig), rig.count(MutationKind::Start)), (1, 1));
        let restart = rig.status().restart.unwrap();
        assert_eq!(restart.stage, RestartStage::Done);
        let unhealthy = rig.told(Step::WorkerUnhealthy);
        assert_eq!(unhealthy.len(), 1, "{fault:?}");
        assert!(unhealthy[0].text.contains(said), "{}", unhealthy[0].text);
        assert_eq!(count(&rig, Step::WorkerRecovered), 1, "{fault:?}");
        assert_eq!(rig.status().condition, "serving");
        let (signal, health) = (signal(&rig, "http"), health(&rig));
        assert_eq!((signal.failures, health.restarts_in_row), (0, 0));
    }
}

#[test]
fn the_third_failure_in_a_row_concludes_and_the_second_does_not() {
    let (mut rig, id) = well(http(RestartRule::Any));
    let fail = |rig: &mut Rig, times: u32| {
        rig.world
            .set_software_fault(&id, Some(SoftwareFault::Refuses));
        until_read(rig, "http", times);
        assert_eq!(signal(rig, "http").failures, times);
    };
    for _ in 0..4 {
        fail(&mut rig, 2);
        rig.world.set_software_fault(&id, None);
        until_read(&mut rig, "http", 1);
    }
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 0);
    assert_eq!(asked(&rig), Vec::<String>::new());
    fail(&mut rig, 2);
    assert_eq!(rig.status().condition, "serving");
    until_read(&mut rig, "http", 1);
    // At the latest with the scan that shows that it was not stopped in between.
    rig.run(Millis::from_secs(5));
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 1);
    assert_eq!(asked(&rig), ["probe-failed"]);
}

#[test]
fn one_answer_does_not_make_an_unhealthy_worker_well_and_two_in_a_row_do() {
    let (mut rig, id) = well(http(RestartRule::Never));
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Refuses));
    rig.run(MINUTE);
    assert_eq!(rig.status().condition, "unhealthy");
    for _ in 0..3 {
        rig.world.set_software_fault(&id, None);
        until_read(&mut rig, "http", 1);
        rig.world
            .set_software_fault(&id, Some(SoftwareFault::Refuses));
        until_read(&mut rig, "http", 1);
        assert_eq!(rig.status().condition, "unhealthy");
    }
    rig.world.set_software_fault(&id, None);
    until_read(&mut rig, "http", 2);
    assert_eq!(rig.status().condition, "serving");
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 1);
    assert_eq!(count(&rig, Step::WorkerRecovered), 1);
    assert_eq!(asked(&rig), Vec::<String>::new(), "never means never");
}

#[test]
fn what_could_not_be_tried_never_concludes() {
    let (mut rig, _) = well(http(RestartRule::Any));
    rig.world.block_probes(Some("no file descriptor"));
    rig.run(HALF_HOUR);
    let signal = signal(&rig, "http");
    assert_eq!(
        (
            signal.reading.as_str(),
            signal.failures,
            signal.text.as_str()
        ),
        ("unavailable", 0, "no file descriptor")
    );
    assert!(signal.age_ms <= ROUND.get(), "{signal:?}");
    assert_eq!(rig.status().condition, "serving");
    assert_eq!(asked(&rig), Vec::<String>::new());
}

/// A worker whose instance has just got its address and refuses, in the grace of its boot.
pub(crate) fn refuses_from_the_boot_on() -> (Rig, InstanceId) {
    let spec = fleet(http(RestartRule::Any));
    let mut rig = Rig::with_fleet(spec, World::new(1, BEGINS), Native::sensible());
    rig.ask();
    rig.run(SECOND);
    let id = rig.up().remove(0);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Refuses));
    while health(&rig).signals.is_empty() {
        rig.run(SECOND);
    }
    (rig, id)
}

#[test]
fn a_boot_has_its_grace_until_the_first_success() {
    let (mut rig, _) = refuses_from_the_boot_on();
    // The address came within the last round, and the grace of 5 minutes began with it.
    rig.run(Millis::new(300_000 - 2 * ROUND.get()));
    let found = signal(&rig, "http");
    assert_eq!((found.reading.as_str(), found.failures), ("bad", 0));
    rig.run(ROUND + ROUND);
    assert_eq!(asked(&rig), Vec::<String>::new(), "two may count by now");
    rig.run(MINUTE);
    assert_eq!(asked(&rig), ["probe-failed"]);

    let (mut rig, id) = served(fleet(http(RestartRule::Any)));
    until_read(&mut rig, "http", 1);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Refuses));
    rig.run(MINUTE);
    assert_eq!(asked(&rig), ["probe-failed"], "it was up already");
}

#[test]
fn a_dropped_request_is_repeated_with_the_window_not_with_every_probe() {
    let fleet = fleet(http(RestartRule::Any));
    let drop_all = Native::debouncing(reeve_core::point::debounce::Choice::Drop);
    let mut rig = Rig::with_fleet(fleet, World::new(1, BEGINS), drop_all);
    rig.ask();
    rig.run(Millis::from_secs(120));
    let id = rig.up().remove(0);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    rig.run(MINUTE);
    assert_eq!(asked(&rig).len(), 1);
    rig.run(HALF_HOUR);
    // Once a minute at the most, as it is seen at the next probe.
    let dropped = count(&rig, Step::RestartDropped);
    assert!((22..=31).contains(&dropped), "{dropped}");
    assert_eq!(asked(&rig).len(), dropped);
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 1);
    assert_eq!(stops(&rig), 0);
}

#[test]
fn a_restart_that_does_not_help_is_asked_for_later_and_later() {
    let mut fleet = fleet(http(RestartRule::Any));
    for pool in fleet.pools.values_mut() {
        let health = pool.health.as_mut().unwrap();
        health.boot_grace = Millis::ZERO;
        // So that nothing but the pause is in the way.
        pool.limits.worker_budget.stops = 100;
        pool.limits.worker_budget.starts = 100;
    }
    let (mut rig, _) = served(fleet);
    let mut begun: Vec<Instant> = Vec::new();
    for _ in 0..4 * 3_600 {
        for id in rig.up() {
            rig.world
                .set_software_fault(&id, Some(SoftwareFault::Refuses));
        }
        rig.run(SECOND);
        if count(&rig, Step::RestartBegun) > begun.len() {
            begun.push(rig.now());
        }
    }
    let pauses: Vec<u64> = begun
        .windows(2)
        .map(|two| two[1].since(two[0]).get() / 60_000)
        .collect();
    assert!(pauses.len() >= 6 && pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[0] <= 4 && pauses[5] >= 60, "{pauses:?}");
    assert_eq!(count(&rig, Step::WorkerRecovered), 0);
}

/// A person restarts the worker.
pub(crate) fn restart_by_person(rig: &mut Rig) {
    let response = rig.command(by_person());
    assert_eq!(response, Ok(CommandOutcome::RestartBegun));
}
