//! Many workers of a pool fail at once, which is no worker's own fault.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::rig::command;
use crate::rig::prelude::*;
use reeve_core::event::{Event, Timer, WorkerTimer};
use reeve_core::fleet::Fleet;
use reeve_core::health::RestartRule;
use reeve_core::id::{InstanceId, PointerName, RequestId, WorkerId};
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::point::debounce::Choice;
use reeve_core::spec::{FleetSpec, Wish};
use reeve_sim::world::SoftwareFault;

use super::{HALF_HOUR, asked, count, fleet, http};

/// So many workers of one pool that run without a caller.
fn pool_of(count: usize) -> FleetSpec {
    let mut spec = fleet(http(RestartRule::Any));
    let one = incidents::worker_spec();
    spec.workers = (0..count)
        .map(|number| {
            let mut worker = one.clone();
            worker.wish = Wish::Running;
            worker.tag_value = format!("worker-{number}");
            worker.pointer = PointerName::new(format!("/worker-{number}"));
            (WorkerId::new(format!("worker-{number}")), worker)
        })
        .collect();
    spec
}

/// The pool, with all its workers well.
fn well(workers: usize) -> (Rig, Vec<InstanceId>) {
    well_with(workers, Native::sensible())
}

/// The same, with these policies.
fn well_with(workers: usize, policies: Arc<Native>) -> (Rig, Vec<InstanceId>) {
    let world = World::new(1, BEGINS);
    let mut rig = Rig::with_fleet(pool_of(workers), world, policies);
    rig.run(Millis::from_secs(900));
    let up = rig.up();
    assert_eq!(up.len(), workers);
    (rig, up)
}

fn set(rig: &mut Rig, ids: &[InstanceId], fault: Option<SoftwareFault>) {
    for id in ids {
        rig.world.set_software_fault(id, fault);
    }
}

#[test]
fn a_network_that_fails_for_all_restarts_no_worker_and_is_told_once() {
    let (mut rig, up) = well(5);
    set(&mut rig, &up, Some(SoftwareFault::Silent));
    rig.run(HALF_HOUR);
    assert_eq!(asked(&rig), Vec::<String>::new());
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 5);
    let told = rig.told(Step::StormHeld);
    assert_eq!(told.len(), 1);
    let text =
        "5 of the pool's 5 watched workers fail, and more than 40 % began to fail within 300s";
    assert!(told[0].text.starts_with(text), "{}", told[0].text);
    let status = rig.core(0).status(&"worker-0".into(), rig.now()).unwrap();
    let held_off = status.health.unwrap().restart_held_off.unwrap();
    assert!(held_off.starts_with(text), "{held_off}");

    set(&mut rig, &up, None);
    rig.run(HALF_HOUR);
    assert_eq!(asked(&rig), Vec::<String>::new());
    assert_eq!(rig.up(), up);
}

#[test]
fn restarts_go_on_by_themselves_when_fewer_fail() {
    let (mut rig, up) = well(5);
    set(&mut rig, &up, Some(SoftwareFault::Silent));
    rig.run(HALF_HOUR);
    set(&mut rig, &up[1..], None);
    rig.run(HALF_HOUR);
    assert_eq!(asked(&rig), ["probe-failed"], "of the one that still fails");
    set(&mut rig, &up, Some(SoftwareFault::Silent));
    rig.run(HALF_HOUR);
    assert_eq!(count(&rig, Step::StormHeld), 2, "it is another storm");
}

#[test]
fn workers_that_fail_since_another_day_hold_no_restart() {
    let (mut rig, up) = well_with(5, Native::debouncing(Choice::Drop));
    for id in &up[..3] {
        set(
            &mut rig,
            std::slice::from_ref(id),
            Some(SoftwareFault::Hangs),
        );
        rig.run(HALF_HOUR);
    }
    let dropped = rig.told(Step::RestartDropped).into_iter();
    let workers: BTreeSet<_> = dropped.map(|notice| &notice.worker).collect();
    assert_eq!(workers.len(), 3, "each asks for its restart");
    assert_eq!(count(&rig, Step::StormHeld), 0);
}

#[test]
fn a_forgotten_worker_is_part_of_no_storm() {
    let (mut rig, up) = well(5);
    set(&mut rig, &up[..3], Some(SoftwareFault::Silent));
    rig.run(Millis::from_secs(120));
    assert_eq!((asked(&rig).len(), count(&rig, Step::StormHeld)), (0, 1));
    let failing: Vec<_> = ids_held_off(rig.core(0), rig.now());
    let [first, second, _] = failing.as_slice() else {
        panic!("{failing:?}");
    };
    let forget = command(Command::Forget);
    rig.submit(0, first, RequestId::default().next(), forget);
    while rig.core(0).worker(first).unwrap().adopted.is_some() {
        rig.step();
    }
    let mut fleet = rig.core(0).clone();
    let due = Timer::Worker(second.clone(), WorkerTimer::Probe);
    fleet.step(rig.now(), Event::from(due));
    assert!(!ids_held_off(&fleet, rig.now()).contains(second));
}

/// The workers of which a storm holds the restart.
fn ids_held_off(fleet: &Fleet, now: Instant) -> Vec<WorkerId> {
    let is_held = |id: &WorkerId| fleet.status(id, now)?.health?.restart_held_off;
    let ids = fleet.workers().map(|worker| worker.id.clone());
    ids.filter(|id| is_held(id).is_some()).collect()
}

#[test]
fn two_of_five_are_no_storm() {
    let (mut rig, up) = well(5);
    set(&mut rig, &up[..2], Some(SoftwareFault::Hangs));
    rig.run(HALF_HOUR);
    assert_eq!(asked(&rig).len(), 2);
    assert_eq!(count(&rig, Step::StormHeld), 0);
}
