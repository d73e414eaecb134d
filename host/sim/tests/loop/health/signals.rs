//! Several signals: heartbeats, EC2's status checks, and the rule over them.

use reeve_core::health::{Check, HealthSpec, RestartRule, StatusChecks};
use reeve_core::id::{InstanceId, RequestId};
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::spec::FleetSpec;
use reeve_core::time::Millis;
use reeve_core::token::Token;
use reeve_sim::incidents;
use reeve_sim::world::{Ailment, Asked, Trouble};

use super::{MINUTE, asked, count, fleet, health, http, served, signal, status};
use crate::boxes::{fleet as fleet_with_boxes, heartbeat, register, registered};
use crate::support::Bench;

const IMPAIRED: StatusChecks = StatusChecks {
    instance: Check::Ok,
    system: Check::Impaired,
};

/// Status checks alone.
fn checks_alone(restart: RestartRule) -> FleetSpec {
    fleet(HealthSpec {
        status_checks: true,
        restart,
        ..HealthSpec::default()
    })
}

/// HTTP, heartbeats and status checks.
fn all_signals(restart: RestartRule) -> FleetSpec {
    let mut fleet = fleet_with_boxes();
    for pool in fleet.pools.values_mut() {
        pool.health = Some(HealthSpec {
            status_checks: true,
            ..http(restart)
        });
    }
    fleet
}

/// So much time in which the box speaks every half minute.
fn spoken(bench: &mut Bench, token: &Token, minutes: u32) {
    for _ in 0..2 * minutes {
        bench.say(heartbeat(token));
        bench.run(Millis::from_secs(30));
    }
}

/// All three say that all is well.
fn in_health(restart: RestartRule) -> (Bench, InstanceId, Token) {
    let (mut bench, id) = served(all_signals(restart));
    let token = registered(bench.say_and_run(register(&id, "first"))).token;
    spoken(&mut bench, &token, 4);
    for name in ["http", "heartbeat", "status-checks"] {
        let signal = signal(&bench, name);
        assert_eq!(signal.reading.as_str(), "good", "{signal:?}");
    }
    (bench, id, token)
}

#[test]
fn impaired_checks_are_bad_after_three_scans_and_initializing_ones_say_nothing() {
    let (mut bench, id) = served(checks_alone(RestartRule::Any));
    bench.run(Millis::from_secs(31));
    let first = signal(&bench, "status-checks");
    assert_eq!(first.reading.as_str(), "unavailable");
    assert!(first.text.contains("initializing"), "{first:?}");
    bench.run(Millis::from_secs(240));
    assert_eq!(signal(&bench, "status-checks").reading.as_str(), "good");
    bench.world.check(&id, Some(IMPAIRED));
    bench.run(Millis::from_secs(61));
    assert_eq!(asked(&bench), Vec::<String>::new());
    bench.run(Millis::from_secs(30));
    assert_eq!(asked(&bench), ["status-check-failed"]);
    let notices = super::told(&bench, Step::WorkerUnhealthy);
    assert!(
        notices[0].text.contains("system check impaired"),
        "{notices:?}"
    );
}

#[test]
fn checks_that_cannot_be_read_or_say_nothing_are_unavailable_and_never_conclude() {
    let nothing = [
        Check::InsufficientData,
        Check::NotApplicable,
        Check::Unknown,
    ];
    for check in nothing.map(Some).into_iter().chain([None]) {
        let (mut bench, id) = served(checks_alone(RestartRule::Any));
        bench.run(Millis::from_secs(300));
        match check {
            Some(check) => bench.world.check(
                &id,
                Some(StatusChecks {
                    instance: check,
                    system: check,
                }),
            ),
            None => bench.world.trouble(Trouble {
                unanswered: [Asked::StatusChecks].into(),
                ..Trouble::default()
            }),
        }
        bench.run(Millis::from_secs(1_800));
        let signal = signal(&bench, "status-checks");
        assert_eq!(signal.reading.as_str(), "unavailable", "{signal:?}");
        assert!(signal.age_ms < 40_000, "{signal:?}");
        assert_eq!(asked(&bench), Vec::<String>::new(), "{check:?}");
        assert_eq!(status(&bench).condition, "serving");
    }
}

#[test]
fn a_box_that_fell_silent_is_bad_after_three_heartbeats() {
    let mut fleet = fleet_with_boxes();
    for pool in fleet.pools.values_mut() {
        pool.health = Some(HealthSpec {
            restart: RestartRule::Any,
            ..HealthSpec::default()
        });
    }
    let (mut bench, id) = served(fleet);
    let token = registered(bench.say_and_run(register(&id, "first"))).token;
    spoken(&mut bench, &token, 4);
    assert_eq!(signal(&bench, "heartbeat").reading.as_str(), "good");
    // The last one came half a minute ago.
    bench.run(Millis::from_secs(59));
    assert_eq!(asked(&bench), Vec::<String>::new());
    bench.run(Millis::from_secs(50));
    assert_eq!(asked(&bench), ["heartbeat-lost"]);
}

#[test]
fn silence_while_the_door_is_full_is_none_and_counts_from_its_end() {
    let (mut bench, _, _) = in_health(RestartRule::Any);
    let worker = incidents::worker();
    for _ in 0..600 {
        bench.run(Millis::from_secs(1));
        bench.host.turn_box_away(bench.now, &worker);
    }
    let reading = signal(&bench, "heartbeat").reading;
    assert_eq!(reading.as_str(), "unavailable", "{:?}", health(&bench));
    bench.run(Millis::from_secs(85));
    assert_eq!(asked(&bench), Vec::<String>::new());
    bench.run(Millis::from_secs(60));
    assert_eq!(asked(&bench), ["heartbeat-lost"]);
}

#[test]
fn silence_during_a_pause_is_none_after_it() {
    let (mut bench, _, _) = in_health(RestartRule::Any);
    for (command, seconds, expected) in [
        (Command::Pause { reason: None }, 600, 0),
        (Command::Resume, 80, 0),
        (Command::Resume, 60, 1),
    ] {
        let (worker, request) = (incidents::worker(), RequestId::new(999));
        bench.host.operate(bench.now, &worker, request, command);
        bench.run(Millis::from_secs(seconds));
        assert_eq!(asked(&bench).len(), expected, "{:?}", health(&bench));
    }
}

#[test]
fn one_bad_signal_restarts_by_any_and_by_all_only_when_no_available_one_is_good() {
    for (rule, after_one, after_all) in [
        (RestartRule::Never, 0, 0),
        (RestartRule::Any, 1, 1),
        (RestartRule::All, 0, 1),
    ] {
        let (mut bench, id, token) = in_health(rule);
        bench.world.ail(&id, Some(Ailment::Hangs));
        spoken(&mut bench, &token, 2);
        assert_eq!(asked(&bench).len(), after_one, "{rule:?}");
        let is_told = rule != RestartRule::All;
        assert_eq!(count(&bench, Step::WorkerUnhealthy), usize::from(is_told));
        if rule == RestartRule::Any {
            continue;
        }
        bench.world.check(&id, Some(IMPAIRED));
        spoken(&mut bench, &token, 2);
        assert_eq!(asked(&bench).len(), 0, "it speaks: {rule:?}");
        bench.run(Millis::from_secs(180));
        assert_eq!(asked(&bench).len(), after_all, "{rule:?}");
        assert_eq!(count(&bench, Step::WorkerUnhealthy), 1);
    }
}

#[test]
fn a_signal_that_is_unavailable_does_not_stand_in_the_way_of_all() {
    let (mut bench, id, _) = in_health(RestartRule::All);
    bench.world.trouble(Trouble {
        unanswered: [Asked::StatusChecks].into(),
        ..Trouble::default()
    });
    bench.world.ail(&id, Some(Ailment::Hangs));
    bench.run(Millis::from_secs(180));
    assert_eq!(asked(&bench), ["probe-failed"]);
}

#[test]
fn each_signal_keeps_its_own_age() {
    let (mut bench, _, _) = in_health(RestartRule::Never);
    bench.world.keep_probes_back(Some("no file descriptor"));
    bench.run(MINUTE);
    let (http, checks) = (signal(&bench, "http"), signal(&bench, "status-checks"));
    assert_eq!(http.reading.as_str(), "unavailable");
    assert_eq!(checks.reading.as_str(), "good");
    assert!(http.age_ms < 17_000 && checks.age_ms < 31_000);
    assert!(
        checks.since < http.since,
        "good for longer than the other is away"
    );
    let since = bench.now.since(http.since).get();
    assert!((40_000..=61_000).contains(&since), "{since}");
}
