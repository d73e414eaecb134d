//! Verdicts by which policies bring a worker up elsewhere or end it their way, each within the host's
//! limits: `replace`, `launch` with a capacity option, `abandon`, `defer`, `stop` and `end`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::rig::boxes::{delivered, said};
use crate::rig::prelude::*;
use reeve_core::boxes::Report;
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::LaunchSource;
use reeve_core::health::{Check, HealthSpec, Scheduled, StatusChecks};
use reeve_core::instance::InstanceState;
use reeve_core::notice::Step;
use reeve_core::operator::CommandOutcome;
use reeve_core::point::debounce::Choice;
use reeve_core::point::resolve::{Act, Action, Adopted, FailureKind, Input};
use reeve_core::point::{NoticeKind, Signal, reap, retry_ip};
use reeve_core::request::Request;
use reeve_core::spec::{FleetSpec, RestartBy};
use reeve_sim::world::{Boot, Fault};

const NO_ADDRESS: Boot = Boot {
    pending: SECOND,
    address_after: Millis::from_secs(1_000_000),
};

/// Sensible, but gives the first instance up.
fn replaces(is_due: impl Fn(&Input) -> bool + Send + Sync + 'static) -> Arc<Native> {
    let resolve = move |input: &Input| {
        Ok(match &input.adopted {
            Adopted::Instance(id) if is_due(input) => Action::Replace(id.clone()),
            _ => sensible(input),
        })
    };
    Arc::new(Native {
        resolve: Box::new(resolve),
        debounce: Some(Choice::Go(RestartBy::Replace)),
        ..Native::plain()
    })
}

#[test]
fn an_instance_that_callers_do_not_reach_is_replaced_as_by_a_restart() {
    let policies = replaces(|input| {
        let mut bad = input.bad_signals.iter();
        bad.any(|bad| bad.signal == Signal::Callers)
    });
    let mut rig = Rig::with_world(World::new(1, BEGINS), policies);
    rig.ask_and_run(MINUTE);
    let first = rig.expect_served();
    let instance = first.clone();
    rig.request(0, Request::Unreachable { instance });
    rig.run(SECOND);
    rig.ask();
    rig.run(Millis::from_secs(120));
    let second = rig.expect_served();
    assert_ne!(first, second);
    assert_eq!(rig.told(Step::RestartDone).len(), 1);
    assert!(rig.mutations().iter().any(|mutation| {
        mutation.kind() == MutationKind::Terminate && mutation.instance() == Some(&first)
    }));
}

#[test]
fn an_instance_that_aws_retires_is_replaced_before() {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.health = Some(HealthSpec {
            status_checks: true,
            ..HealthSpec::default()
        });
    }
    let is_retired = |input: &Input| {
        let mut notices = input.notices.iter();
        notices.any(|notice| notice.kind == NoticeKind::Retire)
    };
    let mut rig = Rig::with_fleet(fleet, World::new(1, BEGINS), replaces(is_retired));
    rig.ask_and_run(MINUTE);
    let first = rig.expect_served();
    let retired = Scheduled {
        kind: NoticeKind::Retire,
        at: BEGINS + HOUR,
    };
    let checks = StatusChecks {
        instance: Check::Ok,
        system: Check::Ok,
        scheduled: vec![retired],
    };
    rig.world.set_status_checks(&first, Some(checks));
    rig.run(Millis::from_secs(120));
    rig.ask();
    rig.run(Millis::from_secs(120));
    assert_ne!(rig.expect_served(), first);
}

#[test]
fn an_instance_whose_replacement_debounce_drops_is_served() {
    let Native { resolve, .. } = Arc::into_inner(replaces(|_| true)).unwrap();
    let policies = Arc::new(Native {
        resolve,
        debounce: Some(Choice::Drop),
        ..Native::plain()
    });
    let mut rig = Rig::with_world(World::new(1, BEGINS), policies);
    rig.ask_and_run(MINUTE);
    rig.ask_and_run(Millis::from_secs(10));
    let id = rig.up().remove(0);
    assert_eq!(rig.expect_served(), id);
    rig.run(HOUR);
    assert_eq!(rig.up(), [id]);
}

#[test]
fn an_instance_at_work_is_not_replaced() {
    let is_due = Arc::new(AtomicBool::new(false));
    let due = is_due.clone();
    let policies = replaces(move |_| due.load(Ordering::Relaxed));
    let mut rig = Rig::with_world(World::new(1, BEGINS), policies);
    rig.ask_and_run(MINUTE);
    rig.expect_served();
    rig.say_and_run(said(Report::Processed(1)));
    rig.say_and_run(delivered(3));
    is_due.store(true, Ordering::Relaxed);
    rig.run(MINUTE);
    rig.ask_and_run(MINUTE);
    assert_eq!(rig.count(MutationKind::Terminate), 0);
    assert!(!rig.told(Step::ProposalVetoed).is_empty());
}

#[test]
fn a_stopped_instance_is_passed_over_and_another_is_launched() {
    let resolve = |input: &Input| {
        let mut stopped = input.instances.iter();
        let stopped = stopped.find(|facts| facts.state == InstanceState::Stopped);
        Ok(match stopped {
            Some(facts) => Action::Replace(facts.id.clone()),
            None => sensible(input),
        })
    };
    let mut rig = Rig::with_world(stopped_a(), Native::new(resolve));
    rig.ask_and_run(MINUTE);
    rig.expect_served();
    assert_eq!(rig.count(MutationKind::Start), 0);
    assert_eq!(rig.count(MutationKind::Launch), 1);
}

/// Two templates; the first has no capacity.
fn two_templates() -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        let elsewhere = LaunchSource::LaunchTemplate("elsewhere".to_owned());
        pool.launch.push(elsewhere);
    }
    fleet
}

/// The first option that has not failed for want of capacity.
fn next_option(input: &Input) -> u32 {
    let is_full = |option: u32| {
        let mut rows = input.failures.iter();
        rows.any(|row| {
            row.act == Act::Launch
                && row.capacity_option == option
                && row.kind == FailureKind::NoCapacity
        })
    };
    let mut options = 0..input.capacity_options;
    options.find(|option| !is_full(*option)).unwrap_or_default()
}

#[test]
fn a_lack_of_capacity_holds_back_its_own_option_only() {
    let resolve = |input: &Input| {
        let mut calm = input.clone();
        calm.failures.clear();
        Ok(match sensible(&calm) {
            Action::Launch(_) => Action::Launch(next_option(input)),
            action => action,
        })
    };
    let world = World::new(1, BEGINS);
    let mut rig = Rig::with_fleet(two_templates(), world, Native::new(resolve));
    rig.world.add_fault(Fault {
        kind: MutationKind::Launch,
        carried_out: false,
        error: CloudErrorKind::NoCapacity,
        code: "InsufficientInstanceCapacity",
    });
    rig.ask_and_run(MINUTE);
    rig.expect_served();
    let templates: Vec<_> = rig
        .mutations()
        .iter()
        .filter_map(|mutation| match mutation {
            Mutation::Launch { source, .. } => source.template().map(str::to_owned),
            _ => None,
        })
        .collect();
    assert_eq!(templates, ["chat", "elsewhere"]);
}

#[test]
fn an_option_that_the_pool_does_not_have_is_vetoed() {
    let resolve = |input: &Input| {
        Ok(match sensible(input) {
            Action::Launch(_) => Action::Launch(7),
            action => action,
        })
    };
    let mut rig = Rig::with_world(World::new(1, BEGINS), Native::new(resolve));
    rig.ask_and_run(MINUTE);
    assert_eq!(rig.count(MutationKind::Launch), 0);
    assert!(!rig.told(Step::ProposalVetoed).is_empty());
}

#[test]
fn an_abandoned_instance_is_ended_after_a_minute_and_another_is_launched() {
    let mut world = World::new(1, BEGINS);
    world.set_next_boot(NO_ADDRESS);
    let policies = Arc::new(Native {
        retry_ip: Some(retry_ip::Next::Abandon),
        ..Native::plain()
    });
    let mut rig = Rig::with_world(world, policies);
    rig.ask_and_run(Millis::from_secs(50));
    assert_eq!(rig.count(MutationKind::Terminate), 0);
    for _ in 0..20 {
        rig.ask_and_run(Millis::from_secs(10));
    }
    rig.expect_served();
    assert_eq!(rig.count(MutationKind::Terminate), 1);
    assert_eq!(rig.told(Step::AddressTimedOut).len(), 1);
}

#[test]
fn a_restart_waits_for_its_window_although_none_came_before() {
    let window_ms = 3_600_000;
    let policies = Native::debouncing(Choice::Defer(window_ms));
    let mut rig = Rig::with_world(World::new(1, BEGINS), policies);
    rig.ask_and_run(MINUTE);
    rig.expect_served();
    let answer = rig.command(by_program("secret-changed"));
    assert_eq!(answer, Ok(CommandOutcome::RestartDeferred));
    rig.run(Millis::from_secs(3_500));
    assert_eq!(rig.count(MutationKind::Stop), 0);
    rig.restart();
    rig.run(Millis::from_secs(300));
    assert_eq!(rig.count(MutationKind::Stop), 1);
    assert_eq!(rig.told(Step::RestartDone).len(), 1);
}

/// B runs, was handed out once, and `reap` says this of it.
fn reaping(fleet: FleetSpec, choice: reap::Choice, drain_ms: u32) -> Rig {
    let policies = Arc::new(Native {
        reap: Some((choice, drain_ms)),
        ..Native::plain()
    });
    let mut rig = Rig::with_fleet(fleet, running_b(), policies);
    rig.ask_and_run(SECOND);
    rig
}

#[test]
fn a_policy_may_ask_for_a_longer_drain_and_not_for_a_shorter_one() {
    let drained = |drain_ms| {
        let mut rig = reaping(incidents::fleet(), reap::Choice::End, drain_ms);
        let mut begun = None;
        for second in 0..2_000_u64 {
            rig.run(SECOND);
            let is_draining = !rig.told(Step::InstanceDraining).is_empty();
            begun = begun.or(is_draining.then_some(second));
            if rig.count(MutationKind::Stop) == 1 {
                return begun.map(|begun| second - begun);
            }
        }
        None
    };
    assert_eq!(drained(300_000), Some(300));
    assert_eq!(drained(1), Some(30), "as long as the pool's `drain`");
}
