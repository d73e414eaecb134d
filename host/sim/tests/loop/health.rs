//! The health of a worker: what its signals conclude, and, above all, from what nothing is concluded (docs/incidents.md#self-fire, docs/incidents.md#frozen-activity).

mod held_off;
mod holding;
mod shared;
mod signals;

use crate::support::{BEGINS, Bench, Native};
use reeve_core::cloud::MutationKind;
use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::id::InstanceId;
use reeve_core::notice::{Notice, Step};
use reeve_core::operator::{Command, CommandOutcome};
use reeve_core::response::Resolution;
use reeve_core::restart::RestartStage;
use reeve_core::spec::FleetSpec;
use reeve_core::time::{Instant, Millis};
use reeve_core::worker::{HealthStatus, SignalStatus, WorkerStatus};
use reeve_sim::incidents;
use reeve_sim::world::{Ailment, World};

pub(crate) const SECOND: Millis = Millis::from_secs(1);
pub(crate) const MINUTE: Millis = Millis::from_secs(60);
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
pub(crate) fn well(health: HealthSpec) -> (Bench, InstanceId) {
    let (mut bench, id) = served(fleet(health));
    bench.run(MINUTE);
    assert_eq!(status(&bench).condition, "serving");
    (bench, id)
}

/// A worker that has just been served for the first time.
pub(crate) fn served(fleet: FleetSpec) -> (Bench, InstanceId) {
    let mut bench = Bench::with_fleet(fleet, World::new(1, BEGINS), Native::sensible());
    bench.ask();
    bench.run(MINUTE);
    let served = bench.ask_and_run(SECOND);
    assert!(matches!(served, Resolution::Served(_)), "{served:?}");
    let id = bench.up().pop().expect("one instance is up");
    (bench, id)
}

pub(crate) fn status(bench: &Bench) -> WorkerStatus {
    let status = bench.host.fleet().status(&incidents::worker(), bench.now);
    status.expect("the worker is configured")
}

pub(crate) fn health(bench: &Bench) -> HealthStatus {
    status(bench).health.expect("its pool looks after it")
}

/// What this signal says.
#[track_caller]
pub(crate) fn signal(bench: &Bench, name: &str) -> SignalStatus {
    let health = health(bench);
    let found = health.signals.iter().find(|signal| signal.signal == name);
    found.unwrap_or_else(|| panic!("{health:?}")).clone()
}

/// Runs until the signal was read so often, and no further.
pub(crate) fn until_read(bench: &mut Bench, name: &str, times: u32) {
    let read_at = |bench: &Bench| {
        let signals = health(bench).signals;
        let found = signals.iter().find(|signal| signal.signal == name);
        found.map(|signal| signal.at)
    };
    for _ in 0..times {
        let before = read_at(bench);
        while read_at(bench) == before {
            bench.run(Millis::new(10));
        }
    }
}

pub(crate) fn told(bench: &Bench, step: Step) -> Vec<Notice> {
    let notices = bench.host.notices().iter();
    notices
        .filter(|notice| notice.step == step)
        .cloned()
        .collect()
}

pub(crate) fn count(bench: &Bench, step: Step) -> usize {
    told(bench, step).len()
}

/// The causes of the restarts that were asked for.
pub(crate) fn asked(bench: &Bench) -> Vec<String> {
    use reeve_core::journal::Entry;
    let commands = bench.host.journal().iter();
    let causes = commands.filter_map(|record| match &record.entry {
        Entry::Commanded(Command::Restart(request)) => Some(request.cause.clone()),
        _ => None,
    });
    causes.collect()
}

pub(crate) fn stops(bench: &Bench) -> usize {
    bench.count(MutationKind::Stop)
}

#[test]
fn a_worker_that_hangs_is_told_of_restarted_once_and_told_of_again_when_it_is_well() {
    for (ailment, said) in [
        (Ailment::Hangs, "no answer within 2s"),
        (Ailment::Silent, "no answer within 2s"),
        (Ailment::Refuses, "refused"),
        (Ailment::Answers(500), "HTTP 500"),
    ] {
        let (mut bench, id) = well(http(RestartRule::Any));
        bench.world.ail(&id, Some(ailment));
        bench.run(HALF_HOUR);
        assert_eq!(asked(&bench), ["probe-failed"], "{ailment:?}");
        assert_eq!((stops(&bench), bench.count(MutationKind::Start)), (1, 1));
        let restart = status(&bench).restart.unwrap();
        assert_eq!(restart.stage, RestartStage::Done);
        let unhealthy = told(&bench, Step::WorkerUnhealthy);
        assert_eq!(unhealthy.len(), 1, "{ailment:?}");
        assert!(unhealthy[0].text.contains(said), "{}", unhealthy[0].text);
        assert_eq!(count(&bench, Step::WorkerRecovered), 1, "{ailment:?}");
        assert_eq!(status(&bench).condition, "serving");
        let (signal, health) = (signal(&bench, "http"), health(&bench));
        assert_eq!((signal.failures, health.restarts_in_row), (0, 0));
    }
}

#[test]
fn the_third_failure_in_a_row_concludes_and_the_second_does_not() {
    let (mut bench, id) = well(http(RestartRule::Any));
    let fail = |bench: &mut Bench, times: u32| {
        bench.world.ail(&id, Some(Ailment::Refuses));
        until_read(bench, "http", times);
        assert_eq!(signal(bench, "http").failures, times);
    };
    for _ in 0..4 {
        fail(&mut bench, 2);
        bench.world.ail(&id, None);
        until_read(&mut bench, "http", 1);
    }
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 0);
    assert_eq!(asked(&bench), Vec::<String>::new());
    fail(&mut bench, 2);
    assert_eq!(status(&bench).condition, "serving");
    until_read(&mut bench, "http", 1);
    // At the latest with the scan that shows that it was not stopped meanwhile.
    bench.run(Millis::from_secs(5));
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 1);
    assert_eq!(asked(&bench), ["probe-failed"]);
}

#[test]
fn one_answer_does_not_make_an_unhealthy_worker_well_and_two_in_a_row_do() {
    let (mut bench, id) = well(http(RestartRule::Never));
    bench.world.ail(&id, Some(Ailment::Refuses));
    bench.run(MINUTE);
    assert_eq!(status(&bench).condition, "unhealthy");
    for _ in 0..3 {
        bench.world.ail(&id, None);
        until_read(&mut bench, "http", 1);
        bench.world.ail(&id, Some(Ailment::Refuses));
        until_read(&mut bench, "http", 1);
        assert_eq!(status(&bench).condition, "unhealthy");
    }
    bench.world.ail(&id, None);
    until_read(&mut bench, "http", 2);
    assert_eq!(status(&bench).condition, "serving");
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 1);
    assert_eq!(count(&bench, Step::WorkerRecovered), 1);
    assert_eq!(asked(&bench), Vec::<String>::new(), "never means never");
}

#[test]
fn what_could_not_be_tried_never_concludes() {
    let (mut bench, _) = well(http(RestartRule::Any));
    bench.world.keep_probes_back(Some("no file descriptor"));
    bench.run(HALF_HOUR);
    let signal = signal(&bench, "http");
    assert_eq!(
        (
            signal.reading.as_str(),
            signal.failures,
            signal.text.as_str()
        ),
        ("unavailable", 0, "no file descriptor")
    );
    assert!(signal.age_ms <= ROUND.get(), "{signal:?}");
    assert_eq!(status(&bench).condition, "serving");
    assert_eq!(asked(&bench), Vec::<String>::new());
}

/// A worker whose instance has just got its address and refuses, in the grace of its boot.
pub(crate) fn refuses_from_the_boot_on() -> (Bench, InstanceId) {
    let spec = fleet(http(RestartRule::Any));
    let mut bench = Bench::with_fleet(spec, World::new(1, BEGINS), Native::sensible());
    bench.ask();
    bench.run(SECOND);
    let id = bench.up().remove(0);
    bench.world.ail(&id, Some(Ailment::Refuses));
    while health(&bench).signals.is_empty() {
        bench.run(SECOND);
    }
    (bench, id)
}

#[test]
fn a_boot_has_its_grace_until_the_first_success() {
    let (mut bench, _) = refuses_from_the_boot_on();
    // The address came within the last round, and the grace of 5 minutes began with it.
    bench.run(Millis::new(300_000 - 2 * ROUND.get()));
    let found = signal(&bench, "http");
    assert_eq!((found.reading.as_str(), found.failures), ("bad", 0));
    bench.run(ROUND + ROUND);
    assert_eq!(asked(&bench), Vec::<String>::new(), "two may count by now");
    bench.run(MINUTE);
    assert_eq!(asked(&bench), ["probe-failed"]);

    let (mut bench, id) = served(fleet(http(RestartRule::Any)));
    until_read(&mut bench, "http", 1);
    bench.world.ail(&id, Some(Ailment::Refuses));
    bench.run(MINUTE);
    assert_eq!(asked(&bench), ["probe-failed"], "it was up already");
}

#[test]
fn a_request_that_is_dropped_is_repeated_with_the_window_and_not_with_every_probe() {
    let fleet = fleet(http(RestartRule::Any));
    let drop_all = Native::debouncing(reeve_core::point::debounce::Choice::Drop);
    let mut bench = Bench::with_fleet(fleet, World::new(1, BEGINS), drop_all);
    bench.ask();
    bench.run(Millis::from_secs(120));
    let id = bench.up().remove(0);
    bench.world.ail(&id, Some(Ailment::Hangs));
    bench.run(MINUTE);
    assert_eq!(asked(&bench).len(), 1);
    bench.run(HALF_HOUR);
    // Once a minute at the most, as it is seen at the next probe.
    let dropped = count(&bench, Step::RestartDropped);
    assert!((22..=31).contains(&dropped), "{dropped}");
    assert_eq!(asked(&bench).len(), dropped);
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 1);
    assert_eq!(stops(&bench), 0);
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
    let (mut bench, _) = served(fleet);
    let mut begun: Vec<Instant> = Vec::new();
    for _ in 0..4 * 3_600 {
        for id in bench.up() {
            bench.world.ail(&id, Some(Ailment::Refuses));
        }
        bench.run(SECOND);
        if count(&bench, Step::RestartBegun) > begun.len() {
            begun.push(bench.now);
        }
    }
    let pauses: Vec<u64> = begun
        .windows(2)
        .map(|two| two[1].since(two[0]).get() / 60_000)
        .collect();
    assert!(pauses.len() >= 6 && pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[0] <= 4 && pauses[5] >= 60, "{pauses:?}");
    assert_eq!(count(&bench, Step::WorkerRecovered), 0);
}

/// A person restarts the worker; waits until the restart is over.
pub(crate) fn restart_by_person(bench: &mut Bench) {
    use reeve_core::id::RequestId;
    use reeve_core::restart::{Initiator, RestartRequest};
    let request = RestartRequest {
        cause: "operator".to_owned(),
        initiator: Initiator::Person,
        text: None,
    };
    let (worker, id) = (incidents::worker(), RequestId::new(999));
    bench
        .host
        .operate(bench.now, &worker, id, Command::Restart(request));
    let mut reports = bench.host.take_reports();
    assert_eq!(reports.pop().unwrap().1, Ok(CommandOutcome::RestartBegun));
}
