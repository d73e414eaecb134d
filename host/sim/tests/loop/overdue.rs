//! Boots, starts and stops that do not end: the host gives them up, asked or not (V1, V3).

use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::instance::InstanceState;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome};
use reeve_core::response::NotYetCode;
use reeve_core::spec::Limits;
use reeve_sim::world::{Asked, Boot, Fault, Trouble};

const NEVER: Millis = Millis::from_secs(1_000_000);
const PENDING: Boot = Boot {
    pending: NEVER,
    address_after: SECOND,
};
const NO_ADDRESS: Boot = Boot {
    pending: SECOND,
    address_after: NEVER,
};

fn minutes(count: u64) -> Millis {
    Millis::from_secs(60 * count)
}

/// A host that was asked once, and whose first instance boots so.
fn booting(boot: Boot) -> Rig {
    let mut world = World::new(1, BEGINS);
    world.set_next_boot(boot);
    let mut rig = Rig::with_world(world, Native::sensible());
    rig.ask();
    rig.run(Millis::from_secs(10));
    rig
}

/// The bound of this boot, and time for the readings that show it.
fn bound(boot: Boot) -> Millis {
    let limits = Limits::default();
    let bound = match boot == PENDING {
        true => limits.launch_timeout,
        false => limits.address_timeout,
    };
    bound + MINUTE
}

/// A host that keeps asking for the worker, whose instance A is stopped, until `length` is over.
fn asking(rig: &mut Rig, length: Millis, mut before: impl FnMut(&mut World)) {
    for _ in 0..length.get() / 10_000 {
        before(&mut rig.world);
        rig.ask();
        rig.run(Millis::from_secs(10));
    }
}

fn no_capacity(world: &mut World) {
    world.add_fault(Fault {
        kind: MutationKind::Start,
        carried_out: false,
        error: CloudErrorKind::NoCapacity,
        code: "InsufficientInstanceCapacity",
    });
}

fn falls_back(world: &mut World) {
    world.set_next_fall_back(Millis::from_secs(3));
}

#[test]
fn a_boot_without_an_end_is_ended_although_no_caller_asks() {
    for (boot, step) in [
        (PENDING, Step::LaunchTimedOut),
        (NO_ADDRESS, Step::AddressTimedOut),
    ] {
        let mut rig = booting(boot);
        let first = rig.up();
        rig.run(bound(boot));
        assert_eq!(rig.count(MutationKind::Terminate), 1);
        assert_eq!(rig.told(step).len(), 1);
        assert_eq!(rig.worker().unserved_in_row, 1, "it counts for cycling");
        rig.ask();
        rig.run(MINUTE);
        rig.expect_served();
        assert_ne!(rig.up(), first);
        assert_eq!(rig.up().len(), 1);
    }
}

#[test]
fn a_boot_within_its_bound_is_left_alone() {
    let limits = Limits::default();
    let mut rig = booting(Boot {
        pending: Millis::new(limits.launch_timeout.get() - 60_000),
        address_after: Millis::new(limits.address_timeout.get() - 60_000),
    });
    rig.run(limits.launch_timeout + limits.address_timeout);
    assert_eq!(rig.count(MutationKind::Terminate), 0);
    rig.ask();
    rig.run(SECOND);
    rig.expect_served();
}

#[test]
fn a_scan_that_shows_an_old_state_ends_nothing() {
    let mut rig = booting(Boot {
        pending: MINUTE,
        address_after: SECOND,
    });
    let id = rig.up()[0].clone();
    let reading = rig.world.instance(&id).unwrap().reading();
    assert_eq!(reading.state, InstanceState::Pending);
    let mut trouble = Trouble::default();
    trouble.lagging_in_scans.insert(id.clone(), reading);
    rig.world.set_trouble(trouble);
    rig.run(HOUR);
    assert_eq!(rig.up(), [id]);
    assert_eq!(rig.count(MutationKind::Terminate), 0);
}

#[test]
fn a_pause_keeps_an_overdue_instance_until_it_ends() {
    let mut rig = booting(PENDING);
    assert_eq!(rig.command(pause("")), Ok(CommandOutcome::Paused));
    rig.run(HOUR);
    assert_eq!(rig.count(MutationKind::Terminate), 0);
    assert!(rig.command(Command::Resume).is_ok());
    rig.run(MINUTE);
    assert_eq!(rig.count(MutationKind::Terminate), 1);
}

#[test]
fn two_hosts_end_an_overdue_instance_once() {
    let mut rig = Rig::hosts(2);
    rig.world.set_next_boot(PENDING);
    rig.ask();
    rig.run(bound(PENDING) + MINUTE);
    let ends = |host| {
        let notices = rig.notices(host).iter();
        let ends = notices.filter(|notice| notice.step == Step::LaunchTimedOut);
        ends.count()
    };
    assert!(ends(0) + ends(1) >= 1);
    assert!(rig.up().is_empty());
    assert!(rig.record().record.adopted.is_none());
}

#[test]
fn a_host_ends_an_overdue_instance_of_a_host_that_died() {
    let mut rig = Rig::hosts(2);
    rig.world.set_next_boot(PENDING);
    rig.ask();
    rig.run(Millis::from_secs(10));
    assert_eq!(rig.up().len(), 1);
    rig.crash(0);
    rig.run(bound(PENDING) + bound(PENDING));
    assert!(rig.up().is_empty());
}

#[test]
fn a_pending_instance_that_others_launched_is_left_to_people_and_told_once() {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, PENDING);
    let mut rig = Rig::with_world(world, Native::sensible());
    rig.ask();
    rig.run(HOUR);
    assert_eq!(
        rig.mutations().len(),
        1,
        "the pointer: {:?}",
        rig.mutations()
    );
    let vetoes = rig.told(Step::ProposalVetoed);
    let by_rule = vetoes
        .iter()
        .filter(|it| it.text.starts_with("launched-elsewhere"));
    assert_eq!(by_rule.count(), 1);
}

#[test]
fn starts_that_keep_failing_become_a_launch() {
    for fails in [no_capacity, falls_back] {
        let mut rig = Rig::with_world(stopped_a(), Native::sensible());
        asking(&mut rig, minutes(6), fails);
        assert_eq!(rig.told(Step::StartGivenUp).len(), 1);
        assert_eq!(rig.count(MutationKind::Start), 3);
        assert_eq!(rig.count(MutationKind::Launch), 1);
        rig.expect_served();
        assert_eq!(rig.up().len(), 1);
        assert_ne!(rig.up()[0].as_str(), "i-aaaa");
    }
}

#[test]
fn starts_that_fall_back_count_although_only_scans_show_it() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    let mut trouble = Trouble::default();
    trouble.unanswered.insert(Asked::Instance);
    rig.world.set_trouble(trouble);
    asking(&mut rig, minutes(6), falls_back);
    assert_eq!(rig.told(Step::StartGivenUp).len(), 1);
    assert_eq!(rig.count(MutationKind::Start), 3);
    assert_eq!(rig.count(MutationKind::Launch), 1);
}

#[test]
fn a_start_that_succeeds_clears_the_failures_before_it() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    let mut failures = 2;
    asking(&mut rig, minutes(4), |world| {
        if failures > 0 {
            no_capacity(world);
            failures -= 1;
        }
    });
    rig.expect_served();
    assert_eq!(rig.up()[0].as_str(), "i-aaaa");
    assert!(rig.worker().failed_starts.is_empty());
    assert!(rig.record().record.failed_starts.is_empty());
}

#[test]
fn starts_pause_for_longer_each_time_where_nothing_can_be_launched() {
    let mut spec = incidents::fleet();
    for pool in spec.pools.values_mut() {
        pool.launch.clear();
        pool.limits.worker_budget.starts = 1_000;
    }
    let mut rig = Rig::with_fleet(spec, stopped_a(), Native::sensible());
    asking(&mut rig, HOUR + HOUR, no_capacity);
    assert_eq!(rig.told(Step::StartGivenUp).len(), 1);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::NoCapacity);
    // Three within the first minute, then after 1, 2, 4, 8, 16 and 32 minutes, and an hour.
    let starts = rig.count(MutationKind::Start);
    assert!((8..=10).contains(&starts), "{starts}");
}

#[test]
fn a_given_up_start_is_tried_again_if_no_launch_succeeds() {
    let mut spec = incidents::fleet();
    for pool in spec.pools.values_mut() {
        pool.limits.worker_budget.launches = 1_000;
        pool.limits.worker_budget.starts = 1_000;
    }
    let mut rig = Rig::with_fleet(spec, stopped_a(), Native::sensible());
    let mut asked = 0;
    asking(&mut rig, minutes(20), |world| {
        asked += 1;
        if asked <= 5 {
            no_capacity(world);
        }
        world.add_fault(Fault {
            kind: MutationKind::Launch,
            carried_out: false,
            error: CloudErrorKind::Denied,
            code: "UnauthorizedOperation",
        });
    });
    rig.expect_served();
    assert_eq!(rig.up()[0].as_str(), "i-aaaa");
}

#[test]
fn a_stop_without_an_end_is_not_waited_for() {
    let mut rig = Rig::with_world(running_b(), Native::sensible());
    rig.ask();
    rig.run(MINUTE);
    rig.expect_served();
    rig.world.set_next_stop(NEVER);
    rig.world.stop_elsewhere(&"i-bbbb".into()).unwrap();
    rig.run(MINUTE);
    let bound = Limits::default().stopping_timeout;
    asking(&mut rig, bound + minutes(2), |_| {});
    rig.expect_served();
    assert_eq!(rig.told(Step::StopTimedOut).len(), 1);
    assert_eq!(rig.count(MutationKind::Launch), 1);
    assert_eq!(rig.count(MutationKind::Terminate), 0);
}

#[test]
fn starts_that_the_host_did_not_send_do_not_count_against_the_instance() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    let not_sent = |world: &mut World| {
        world.add_fault(Fault {
            kind: MutationKind::Start,
            carried_out: false,
            error: CloudErrorKind::NotSent,
            code: "JournalUnavailable",
        });
    };
    asking(&mut rig, minutes(10), not_sent);
    assert_eq!(rig.told(Step::StartGivenUp).len(), 0);
    assert_eq!(rig.count(MutationKind::Launch), 0);
}
