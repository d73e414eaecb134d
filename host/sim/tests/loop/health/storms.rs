//! Many workers of a pool fail at once, which is no worker's own fault.

use crate::rig::prelude::*;
use reeve_core::health::RestartRule;
use reeve_core::id::{InstanceId, PointerName, WorkerId};
use reeve_core::notice::Step;
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
    let world = World::new(1, BEGINS);
    let mut rig = Rig::with_fleet(pool_of(workers), world, Native::sensible());
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
    let text = "5 of the pool's 5 watched workers fail at once";
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
fn two_of_five_are_no_storm() {
    let (mut rig, up) = well(5);
    set(&mut rig, &up[..2], Some(SoftwareFault::Hangs));
    rig.run(HALF_HOUR);
    assert_eq!(asked(&rig).len(), 2);
    assert_eq!(count(&rig, Step::StormHeld), 0);
}
