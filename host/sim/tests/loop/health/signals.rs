//! Several signals: heartbeats, EC2's status checks, and the rule over them.

use crate::rig::boxes::*;
use crate::rig::prelude::*;
use reeve_core::event::WorkerEvent;
use reeve_core::health::{Check, HealthSpec, RestartRule, StatusChecks};
use reeve_core::id::InstanceId;
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::spec::FleetSpec;
use reeve_core::token::Token;
use reeve_sim::world::{Asked, SoftwareFault, Trouble};

use super::{asked, count, fleet, health, http, served, signal};

const IMPAIRED: StatusChecks = StatusChecks {
    instance: Check::Ok,
    system: Check::Impaired,
    scheduled: Vec::new(),
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
fn spoken(rig: &mut Rig, token: &Token, minutes: u32) {
    for _ in 0..2 * minutes {
        rig.say(heartbeat(token));
        rig.run(Millis::from_secs(30));
    }
}

/// All three say that all is well.
fn in_health(restart: RestartRule) -> (Rig, InstanceId, Token) {
    let (mut rig, id) = served(all_signals(restart));
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    spoken(&mut rig, &token, 4);
    for name in ["http", "heartbeat", "status-checks"] {
        let signal = signal(&rig, name);
        assert_eq!(signal.reading.as_str(), "good", "{signal:?}");
    }
    (rig, id, token)
}

#[test]
fn impaired_checks_are_bad_after_three_scans_and_initializing_ones_say_nothing() {
    let (mut rig, id) = served(checks_alone(RestartRule::Any));
    rig.run(Millis::from_secs(31));
    let first = signal(&rig, "status-checks");
    assert_eq!(first.reading.as_str(), "unavailable");
    assert!(first.text.contains("initializing"), "{first:?}");
    rig.run(Millis::from_secs(240));
    assert_eq!(signal(&rig, "status-checks").reading.as_str(), "good");
    rig.world.set_status_checks(&id, Some(IMPAIRED));
    rig.run(Millis::from_secs(61));
    assert_eq!(asked(&rig), Vec::<String>::new());
    rig.run(Millis::from_secs(30));
    assert_eq!(asked(&rig), ["status-check-failed"]);
    let notices = rig.told(Step::WorkerUnhealthy);
    assert!(
        notices[0].text.contains("system check impaired"),
        "{notices:?}"
    );
}

#[test]
fn checks_without_a_usable_reading_are_unavailable_and_never_conclude() {
    let nothing = [
        Check::InsufficientData,
        Check::NotApplicable,
        Check::Unknown,
    ];
    for check in nothing.map(Some).into_iter().chain([None]) {
        let (mut rig, id) = served(checks_alone(RestartRule::Any));
        rig.run(Millis::from_secs(300));
        match check {
            Some(check) => rig.world.set_status_checks(
                &id,
                Some(StatusChecks {
                    instance: check,
                    system: check,
                    scheduled: Vec::new(),
                }),
            ),
            None => rig.world.set_trouble(Trouble {
                unanswered: [Asked::StatusChecks].into(),
                ..Trouble::default()
            }),
        }
        rig.run(Millis::from_secs(1_800));
        let signal = signal(&rig, "status-checks");
        assert_eq!(signal.reading.as_str(), "unavailable", "{signal:?}");
        assert!(signal.age_ms < 40_000, "{signal:?}");
        assert_eq!(asked(&rig), Vec::<String>::new(), "{check:?}");
        assert_eq!(rig.status().condition, "serving");
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
    let (mut rig, id) = served(fleet);
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    spoken(&mut rig, &token, 4);
    assert_eq!(signal(&rig, "heartbeat").reading.as_str(), "good");
    // The last one came half a minute ago.
    rig.run(Millis::from_secs(59));
    assert_eq!(asked(&rig), Vec::<String>::new());
    rig.run(Millis::from_secs(50));
    assert_eq!(asked(&rig), ["heartbeat-lost"]);
}

#[test]
fn silence_while_the_door_is_full_is_none_and_counts_from_its_end() {
    let (mut rig, _, _) = in_health(RestartRule::Any);
    let worker = incidents::worker();
    for _ in 0..600 {
        rig.run(SECOND);
        rig.tell(0, &worker, WorkerEvent::BoxTurnedAway);
    }
    let reading = signal(&rig, "heartbeat").reading;
    assert_eq!(reading.as_str(), "unavailable", "{:?}", health(&rig));
    rig.run(Millis::from_secs(85));
    assert_eq!(asked(&rig), Vec::<String>::new());
    rig.run(MINUTE);
    assert_eq!(asked(&rig), ["heartbeat-lost"]);
}

#[test]
fn silence_during_a_pause_is_none_after_it() {
    let (mut rig, _, _) = in_health(RestartRule::Any);
    for (command, seconds, expected) in [
        (Command::Pause { reason: None }, 600, 0),
        (Command::Resume, 80, 0),
        (Command::Resume, 60, 1),
    ] {
        rig.give(command);
        rig.run(Millis::from_secs(seconds));
        assert_eq!(asked(&rig).len(), expected, "{:?}", health(&rig));
    }
}

#[test]
fn one_bad_signal_restarts_by_any_and_by_all_only_without_a_good_one() {
    for (rule, after_one, after_all) in [
        (RestartRule::Never, 0, 0),
        (RestartRule::Any, 1, 1),
        (RestartRule::All, 0, 1),
    ] {
        let (mut rig, id, token) = in_health(rule);
        rig.world
            .set_software_fault(&id, Some(SoftwareFault::Hangs));
        spoken(&mut rig, &token, 2);
        assert_eq!(asked(&rig).len(), after_one, "{rule:?}");
        let is_told = rule != RestartRule::All;
        assert_eq!(count(&rig, Step::WorkerUnhealthy), usize::from(is_told));
        if rule == RestartRule::Any {
            continue;
        }
        rig.world.set_status_checks(&id, Some(IMPAIRED));
        spoken(&mut rig, &token, 2);
        assert_eq!(asked(&rig).len(), 0, "it speaks: {rule:?}");
        rig.run(Millis::from_secs(180));
        assert_eq!(asked(&rig).len(), after_all, "{rule:?}");
        assert_eq!(count(&rig, Step::WorkerUnhealthy), 1);
    }
}

#[test]
fn a_signal_that_is_unavailable_does_not_stand_in_the_way_of_all() {
    let (mut rig, id, _) = in_health(RestartRule::All);
    rig.world.set_trouble(Trouble {
        unanswered: [Asked::StatusChecks].into(),
        ..Trouble::default()
    });
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    rig.run(Millis::from_secs(180));
    assert_eq!(asked(&rig), ["probe-failed"]);
}

#[test]
fn each_signal_keeps_its_own_age() {
    let (mut rig, _, _) = in_health(RestartRule::Never);
    rig.world.block_probes(Some("no file descriptor"));
    rig.run(MINUTE);
    let (http, checks) = (signal(&rig, "http"), signal(&rig, "status-checks"));
    assert_eq!(http.reading.as_str(), "unavailable");
    assert_eq!(checks.reading.as_str(), "good");
    assert!(http.age_ms < 17_000 && checks.age_ms < 31_000);
    assert!(
        checks.since < http.since,
        "good for longer than the other is away"
    );
    let since = rig.now().since(http.since).get();
    assert!((40_000..=61_000).contains(&since), "{since}");
}
