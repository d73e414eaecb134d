//! A wish is kept (V6): a worker that is wanted is brought up although no caller waits.

use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::operator::Command;
use reeve_core::response::Resolution;
use reeve_core::spec::Wish;
use reeve_sim::world::Fault;

/// A rig whose worker is wanted running.
fn wanted(world: World) -> Rig {
    let mut spec = incidents::fleet();
    for worker in spec.workers.values_mut() {
        worker.wish = Wish::Running;
    }
    Rig::with_fleet(spec, world, Native::sensible())
}

fn refuse_a_launch(rig: &mut Rig) {
    rig.world.add_fault(Fault {
        kind: MutationKind::Launch,
        error: CloudErrorKind::NoCapacity,
        code: "InsufficientInstanceCapacity",
        carried_out: false,
    });
}

#[test]
fn a_worker_wanted_running_comes_up_without_a_caller() {
    let mut rig = wanted(World::new(1, BEGINS));
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.up().len(), 1);
    rig.run(HOUR);
    assert_eq!(rig.count(MutationKind::Launch), 1);
}

#[test]
fn a_worker_wanted_running_comes_back_after_a_reclaim_and_a_refused_launch() {
    let mut rig = wanted(running_b());
    rig.run(MINUTE);
    assert_eq!(rig.count(MutationKind::Launch), 0, "it runs already");
    refuse_a_launch(&mut rig);
    rig.world.reclaim(&"i-bbbb".into());
    rig.run(Millis::from_secs(600));
    assert_eq!(rig.up().len(), 1);
    assert_ne!(rig.up(), ["i-bbbb".into()]);
}

#[test]
fn a_worker_wanted_running_is_not_reaped() {
    let mut rig = wanted(running_b());
    rig.ask_and_run(SECOND);
    rig.read_no_demand();
    rig.run(HOUR);
    assert_eq!(rig.count(MutationKind::Stop), 0);
    assert_eq!(rig.up(), ["i-bbbb".into()]);
}

#[test]
fn a_pause_holds_a_wish_until_it_ends() {
    let mut rig = wanted(running_b());
    rig.run(MINUTE);
    rig.command(pause("maintenance")).unwrap();
    rig.run(SECOND);
    rig.world.reclaim(&"i-bbbb".into());
    rig.run(HOUR);
    assert_eq!(rig.up(), []);
    rig.command(Command::Resume).unwrap();
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn a_launch_that_was_refused_is_tried_again_after_its_caller_has_left() {
    let mut rig = Rig::alone();
    refuse_a_launch(&mut rig);
    let answer = rig.ask_and_run(SECOND);
    assert!(matches!(answer, Resolution::NotYet(_)), "{answer:?}");
    rig.run(Millis::from_secs(300));
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn a_worker_is_wanted_no_longer_than_its_last_caller_would_keep_it() {
    let mut rig = Rig::alone();
    for _ in 0..200 {
        refuse_a_launch(&mut rig);
    }
    rig.ask_and_run(SECOND);
    let idle_min = reeve_core::spec::Limits::default().idle_min;
    rig.run(idle_min + MINUTE);
    let tried = rig.count(MutationKind::Launch);
    assert!(tried > 1, "{tried}");
    rig.run(HOUR);
    assert_eq!(rig.count(MutationKind::Launch), tried);
}
