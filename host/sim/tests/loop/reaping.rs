//! Ending instances: what is stopped, what is kept, and what the pointer says afterwards.

use crate::rig::boxes::{delivered, heartbeat, launched, register, registered, report};
use crate::rig::prelude::*;
use reeve_core::boxes::{Receipt, Report, ReportOutcome};
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::instance::InstanceState;
use reeve_core::notice::Step;
use reeve_core::request::Request;
use reeve_core::response::{LookOutcome, Resolution};
use reeve_core::spec::Limits;
use reeve_core::store::{Former, Phase, Refresh, Refreshed};
use reeve_sim::world::{Boot, Fault};

/// A rig on which B runs and was handed out once, and the metric says that no caller wants it.
fn unwanted_b() -> Rig {
    let mut rig = Rig::with_world(running_b(), Native::sensible());
    rig.ask_and_run(SECOND);
    rig.read_no_demand();
    rig
}

#[test]
fn stopping_what_the_pointer_names_clears_it_in_the_same_action() {
    let mut rig = unwanted_b();
    rig.run(Millis::from_secs(700));
    assert_eq!(rig.count(MutationKind::Stop), 1);
    assert_eq!(rig.pointer(), Some("none"));
    let text = &rig.told(Step::InstanceEnding)[0].text;
    assert!(text.contains("last handed out"), "{text}");
}

#[test]
fn an_instance_in_use_is_kept_whatever_the_policy_says() {
    let mut rig = unwanted_b();
    for _ in 0..20 {
        rig.ask_and_run(MINUTE);
    }
    assert_eq!(rig.count(MutationKind::Stop), 0);
    assert!(!rig.told(Step::ProposalVetoed).is_empty());
}

#[test]
fn a_worker_whose_instances_come_and_go_unserved_is_told_to_be_cycling() {
    let mut rig = Rig::alone();
    rig.read_no_demand();
    for number in 0..3 {
        let id = format!("i-{number}");
        rig.world.launch_tagged(&id, TAG, &[OURS]);
        // It may boot for ten minutes, and one in ten minutes is the pace.
        rig.run(Millis::from_secs(660));
    }
    assert_eq!(rig.count(MutationKind::Stop), 3);
    assert_eq!(rig.told(Step::WorkerCycling).len(), 1);
}

/// Runs until B is being drained, to the millisecond.
fn draining_b() -> Rig {
    let mut rig = unwanted_b();
    // Nothing is reaped before `idle_min`.
    rig.run(Millis::from_secs(590));
    while rig.told(Step::InstanceDraining).is_empty() {
        rig.run(Millis::new(100));
        assert!(rig.now().since(BEGINS) < Millis::from_secs(1_200));
    }
    rig
}

#[test]
fn an_idle_instance_is_marked_and_no_longer_handed_out_before_it_is_stopped() {
    let mut rig = draining_b();
    let worker = rig.worker();
    assert_eq!(worker.route, None);
    assert!(worker.draining.is_some());
    assert_eq!(rig.pointer(), Some("i-bbbb"));
    rig.run(Millis::from_secs(29));
    assert_eq!(rig.count(MutationKind::Stop), 0);
    rig.run(Millis::from_secs(2));
    assert_eq!(rig.count(MutationKind::Stop), 1);
    assert_eq!(rig.pointer(), Some("none"));
    assert_eq!(rig.told(Step::InstanceEnding).len(), 1);
}

#[test]
fn a_box_hears_when_its_instance_ends_and_keeps_it_by_being_busy() {
    let (mut rig, id) = launched();
    rig.read_no_demand();
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    let ending_in = |rig: &mut Rig| match rig.say_and_run(heartbeat(&token)) {
        Receipt::Accepted(accepted) => accepted.ending_in,
        other => panic!("{other:?}"),
    };
    assert_eq!(ending_in(&mut rig), None);
    while rig.told(Step::InstanceDraining).is_empty() {
        rig.run(Millis::from_secs(1));
    }
    let first = ending_in(&mut rig).expect("it drains");
    rig.run(Millis::from_secs(10));
    let second = ending_in(&mut rig).expect("it drains");
    assert!(
        first <= Millis::from_secs(30) && second < first,
        "{first}, {second}"
    );
    rig.say_and_run(report(&token, Report::Busy(HOUR)));
    rig.run(MINUTE);
    assert_eq!(ending_in(&mut rig), None);
    assert_eq!(rig.count(MutationKind::Stop), 0);
}

#[test]
fn activity_at_any_moment_between_the_decision_and_the_stop_keeps_the_instance() {
    for ms in (0..29_500).step_by(500) {
        let mut rig = draining_b();
        rig.run(Millis::new(ms));
        rig.say(delivered(1));
        rig.run(Millis::from_secs(300));
        assert_eq!(rig.count(MutationKind::Stop), 0, "after {ms} ms");
        assert_eq!(rig.told(Step::InstanceRevived).len(), 1, "after {ms} ms");
        assert_eq!(rig.up().len(), 1);
    }
}

#[test]
fn a_delivery_around_the_stop_is_kept_or_told_that_it_came_too_late() {
    for ms in 29_700..30_100 {
        let mut rig = draining_b();
        rig.run(Millis::new(ms));
        let request = rig.say(delivered(1));
        rig.run(Millis::from_secs(300));
        let reply = rig.receipt(request).expect("a reply");
        let Receipt::Accepted(accepted) = reply else {
            panic!("{reply:?}");
        };
        let stopped = rig.count(MutationKind::Stop) == 1;
        let too_late = accepted.outcome == ReportOutcome::NotRunning;
        assert_eq!(stopped, too_late, "after {ms} ms");
    }
}

#[test]
fn a_caller_that_asks_during_a_drain_gets_the_instance() {
    let mut rig = draining_b();
    rig.run(Millis::from_secs(20));
    rig.expect_served();
    rig.run(Millis::from_secs(300));
    assert_eq!(rig.count(MutationKind::Stop), 0);
}

#[test]
fn a_doubt_during_a_drain_has_the_instance_read_and_makes_no_route() {
    let mut rig = draining_b();
    let instance = "i-bbbb".into();
    let request = rig.request(0, Request::Unreachable { instance });
    assert_eq!(rig.looked(request), LookOutcome::Looking);
    rig.run(SECOND);
    assert_eq!(rig.worker().route, None);
    rig.run(Millis::from_secs(30));
    assert_eq!(rig.count(MutationKind::Stop), 1);
}

#[test]
fn a_caller_of_another_host_keeps_it_too_and_one_that_died_leaves_it_up() {
    for caller_asks in [true, false] {
        let mut rig = Rig::hosts(2);
        rig.ask();
        rig.run(Millis::from_secs(120));
        let mut waited = 0;
        while rig.record().record.draining.is_none() {
            rig.read_no_demand();
            rig.run(Millis::from_secs(10));
            waited += 10;
            assert!(waited < 2_000);
        }
        if caller_asks {
            let request = rig.ask_of(1);
            rig.run(SECOND);
            rig.expect_served_to(request);
        } else {
            rig.crash(0);
        }
        rig.run(Millis::from_secs(240));
        let up = rig.world.instances().filter(|it| it.state.is_live());
        assert_eq!(up.count(), 1, "a caller asks: {caller_asks}");
    }
}

#[test]
fn a_caller_of_another_host_keeps_an_instance_whose_end_failed() {
    let mut rig = Rig::hosts(1);
    rig.ask();
    rig.run(Millis::from_secs(120));
    rig.world.add_fault(Fault {
        kind: MutationKind::Stop,
        error: CloudErrorKind::Denied,
        code: "UnauthorizedOperation",
        carried_out: false,
    });
    let worker = incidents::worker();
    let no_demand_for = |rig: &mut Rig, length: Millis| {
        let end = rig.now() + length;
        while rig.now() < end && rig.record().record.phase == Phase::Running {
            rig.read_no_demand();
            rig.step();
        }
    };
    no_demand_for(&mut rig, Millis::from_secs(2_000));
    assert_eq!(rig.record().record.phase, Phase::Ending);
    // Its route was published before the end was announced, so it has not read of it.
    let at = rig.now();
    let refreshed = rig.store.refresh_now(&worker, Refresh::HandedOut { at });
    assert_eq!(refreshed, Ok(Refreshed::Written));
    while rig.record().record.phase == Phase::Ending {
        rig.step();
    }
    no_demand_for(&mut rig, Limits::default().idle_min);
    assert_eq!(rig.record().record.phase, Phase::Running);
    assert!(rig.now() >= at + Limits::default().idle_min);
    no_demand_for(&mut rig, Millis::from_secs(2_000));
    assert_eq!(rig.record().record.phase, Phase::Ending, "unused again");
}

#[test]
fn a_caller_without_an_address_counts_as_demand() {
    let mut world = World::new(1, BEGINS);
    let boot = Boot {
        pending: Millis::ZERO,
        address_after: Millis::from_secs(100_000),
    };
    world.launch_elsewhere("i-bbbb", TAG, boot);
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut spec = incidents::fleet();
    for pool in spec.pools.values_mut() {
        pool.limits.address_timeout = Millis::from_secs(100_000);
    }
    let mut rig = Rig::with_fleet(spec, world, Native::sensible());
    for _ in 0..20 {
        let answer = rig.ask_and_run(MINUTE);
        assert!(matches!(answer, Resolution::NotYet(_)), "{answer:?}");
        rig.read_no_demand();
    }
    assert_eq!(rig.count(MutationKind::Stop), 0);
    rig.run(Millis::from_secs(700));
    assert_eq!(
        rig.count(MutationKind::Stop),
        1,
        "when no caller asks any more"
    );
}

#[test]
fn ending_a_forgotten_instance_clears_the_pointer_that_names_it() {
    // The last one it adopted; or one before, after which it could not write the pointer any more.
    for former in ["i-aaaa", "i-later"] {
        let mut rig = Rig::hosts(1);
        rig.world.add_fault(Fault {
            kind: MutationKind::Launch,
            error: CloudErrorKind::NoCapacity,
            code: "InsufficientInstanceCapacity",
            carried_out: false,
        });
        // This one has read an empty pointer, and does not read it again.
        rig.ask();
        rig.run(SECOND);
        rig.world.launch_tagged("i-aaaa", TAG, &[OURS]);
        rig.world.place_pointer(&incidents::pointer(), "i-aaaa");
        rig.rewrite(|record| {
            record.generation = record.generation.next();
            record.former = Some(Former {
                id: former.into(),
                generation: record.generation,
                unknown: Default::default(),
            });
        });
        rig.read_no_demand();
        rig.run(Millis::from_secs(900));
        let state = rig.world.instance(&"i-aaaa".into()).unwrap().state;
        assert_eq!(state, InstanceState::Stopped);
        let pointer = rig.world.pointer(&incidents::pointer());
        assert_eq!(pointer, Some("none"), "{former} was adopted last");
    }
}
