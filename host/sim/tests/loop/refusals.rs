//! A refusal costs nothing (V2), and a caller hears the true reason and when to come back (V4).

use std::sync::Arc;

use crate::rig::policies::sensible;
use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::id::WorkerId;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome};
use reeve_core::request::Request;
use reeve_core::response::{NotYet, NotYetCode, Resolution};
use reeve_core::spec::FleetSpec;
use reeve_sim::world::{Asked, Fault, Trouble};

const TEN_SECONDS: Millis = Millis::from_secs(10);

/// A configuration that allows so many launches of a worker an hour.
fn launches_an_hour(launches: u32) -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.limits.worker_budget.launches = launches;
        pool.limits.worker_budget.window = HOUR;
    }
    fleet
}

/// A policy that does not wait after a failure, so that only the host's rules do.
fn hasty() -> Arc<Native> {
    Native::new(|input| {
        let mut input = input.clone();
        input.failures.clear();
        Ok(sensible(&input))
    })
}

/// A host without an instance, whose next launches end so.
fn refusing(error: CloudErrorKind, carried_out: bool, count: usize) -> Rig {
    let mut rig = Rig::with_fleet(launches_an_hour(1), World::new(1, BEGINS), hasty());
    for _ in 0..count {
        rig.world.add_fault(Fault {
            kind: MutationKind::Launch,
            carried_out,
            error,
            code: "TheCode",
        });
    }
    rig
}

fn not_yet(rig: &mut Rig) -> NotYet {
    match rig.ask_and_run(Millis::new(500)) {
        Resolution::NotYet(not_yet) => not_yet,
        served => panic!("{served:?}"),
    }
}

#[test]
fn refused_launches_spend_no_budget() {
    for error in [
        CloudErrorKind::NoCapacity,
        CloudErrorKind::Denied,
        CloudErrorKind::Throttled,
        CloudErrorKind::Permanent,
    ] {
        let mut rig = refusing(error, false, 6);
        for _ in 0..20 {
            rig.ask();
            rig.run(TEN_SECONDS);
        }
        rig.expect_served();
        assert_eq!(rig.count(MutationKind::Launch), 7, "{error}");
    }
}

#[test]
fn each_refused_launch_in_a_row_waits_twice_as_long() {
    let mut rig = refusing(CloudErrorKind::NoCapacity, false, 1_000);
    for _ in 0..600 {
        rig.ask();
        rig.run(SECOND);
    }
    // After 1, 3, 7, 15, 31 and 63 s, and then once a minute.
    let launches = rig.count(MutationKind::Launch);
    assert!((14..=17).contains(&launches), "{launches} in ten minutes");
}

#[test]
fn a_launch_that_was_perhaps_carried_out_keeps_its_share() {
    let mut rig = refusing(CloudErrorKind::Transient, true, 1);
    rig.ask();
    rig.run(MINUTE);
    let id = rig.expect_served();
    rig.world.reclaim(&id);
    rig.run(MINUTE);
    let not_yet = not_yet(&mut rig);
    assert_eq!(not_yet.code, NotYetCode::Vetoed, "{}", not_yet.detail);
    assert!(not_yet.detail.contains("1 launches"), "{}", not_yet.detail);
    let left = not_yet.retry_after;
    assert!(left > Millis::from_secs(3_400) && left < HOUR, "{left}");
}

#[test]
fn a_host_that_is_started_again_ten_times_launches_no_more() {
    let launches = |restarts: bool| {
        let mut rig = Rig::with_fleet(launches_an_hour(3), World::new(1, BEGINS), hasty());
        for _ in 0..11 {
            rig.ask();
            rig.run(MINUTE);
            for id in rig.up() {
                rig.world.reclaim(&id);
            }
            rig.run(MINUTE);
            if restarts {
                rig.restart();
            }
        }
        rig.count(MutationKind::Launch)
    };
    assert_eq!((launches(false), launches(true)), (3, 3));
}

#[test]
fn hosts_that_share_a_worker_share_its_budget() {
    let mut rig = Rig::hosts_of(2, &launches_an_hour(1));
    rig.ask_of(0);
    rig.run(MINUTE);
    for id in rig.up() {
        rig.world.reclaim(&id);
    }
    rig.run(MINUTE);
    rig.ask_of(1);
    rig.run(MINUTE);
    assert_eq!(rig.count(MutationKind::Launch), 1);
}

#[test]
fn a_launch_whose_announcement_is_in_doubt_counts_for_the_other_workers_of_its_pool() {
    let mut fleet = incidents::fleet();
    let other = WorkerId::from("other");
    let mut spec = fleet.workers[&incidents::worker()].clone();
    (spec.tag_value, spec.pointer) = ("other".to_owned(), "/other".into());
    fleet.workers.insert(other.clone(), spec);
    for pool in fleet.pools.values_mut() {
        pool.limits.pool_budget.launches = 1;
    }
    let mut rig = Rig::with_fleet(fleet, World::new(1, BEGINS), hasty());
    rig.store.lose_replies(Some(outage()));
    rig.ask();
    while !rig.worker().record.in_doubt {
        rig.step();
    }
    rig.store.lose_replies(None);
    rig.request_of(0, &other, Request::Resolve { wait: None });
    rig.run(MINUTE);
    // The record announces the launch, so the host makes it up.
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn forget_is_no_way_around_the_budget() {
    let mut rig = Rig::with_fleet(launches_an_hour(1), World::new(1, BEGINS), hasty());
    rig.ask();
    rig.run(MINUTE);
    let id = rig.expect_served();
    rig.world.reclaim(&id);
    rig.run(MINUTE);
    assert_eq!(rig.command(Command::Forget), Ok(CommandOutcome::Forgotten));
    rig.restart();
    rig.ask();
    rig.run(MINUTE);
    assert_eq!(rig.count(MutationKind::Launch), 1);
}

#[test]
fn a_caller_hears_the_refusal_and_when_the_next_try_is() {
    for (error, code) in [
        (CloudErrorKind::NoCapacity, NotYetCode::NoCapacity),
        (CloudErrorKind::Denied, NotYetCode::Denied),
        (CloudErrorKind::Throttled, NotYetCode::Throttled),
    ] {
        let mut rig = refusing(error, false, 5);
        for _ in 0..10 {
            rig.ask();
            rig.run(SECOND);
        }
        // The fourth refusal came 7 s after the first; the next try follows 8 s later.
        let not_yet = not_yet(&mut rig);
        assert_eq!(not_yet.code, code, "{}", not_yet.detail);
        assert!(not_yet.detail.contains("TheCode"), "{}", not_yet.detail);
        let left = not_yet.retry_after;
        assert!(
            left > SECOND && left <= Millis::from_secs(8),
            "{error}: {left}"
        );
    }
}

#[test]
fn a_caller_whose_wait_ends_hears_what_is_left_of_the_pause() {
    let mut rig = refusing(CloudErrorKind::NoCapacity, false, 1_000);
    for _ in 0..200 {
        rig.ask();
        rig.run(SECOND);
    }
    let opens_in = not_yet(&mut rig).retry_after;
    let wait = Some(TEN_SECONDS);
    let patient = rig.request(0, Request::Resolve { wait });
    rig.run(TEN_SECONDS + SECOND);
    let told = rig.expect_not_yet_to(patient);
    assert_eq!(told.code, NotYetCode::NoCapacity);
    let expected = opens_in.get() - 10_500;
    let left = told.retry_after.get();
    assert!(left.abs_diff(expected) <= 1_000, "{left} of {expected}");
}

#[test]
fn a_throttled_pool_is_not_asked_once_per_caller() {
    for asked in [Asked::Pointer, Asked::Instance, Asked::Scan] {
        let mut rig = Rig::with_world(running_b(), Native::sensible());
        let mut trouble = Trouble::default();
        trouble.throttled.insert(asked);
        rig.world.set_trouble(trouble);
        for _ in 0..600 {
            rig.ask();
            rig.run(Millis::new(100));
        }
        // After 1, 3, 7, 15, 31 and 63 s.
        let questions = rig.told(Step::CloudCallFailed).len();
        assert!((1..=8).contains(&questions), "{asked:?}: {questions}");
        rig.world.set_trouble(Trouble::default());
        rig.run(MINUTE);
        rig.expect_served();
    }
}
