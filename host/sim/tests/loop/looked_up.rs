//! V5: an instance that only scans have shown is read by its id before its first hand-out.

use crate::rig::prelude::*;
use reeve_core::cloud::MutationKind;
use reeve_core::id::InstanceId;
use reeve_core::response::NotYetCode;
use reeve_sim::world::{Asked, Boot, Trouble};

/// A world in which A runs, and a host that has seen nothing of it.
fn cold_start() -> (Rig, InstanceId) {
    let mut world = World::new(1, BEGINS);
    let id = world.launch_elsewhere("i-aaaa", TAG, Boot::instant());
    world.advance(BEGINS);
    (Rig::with_world(world, Native::sensible()), id)
}

/// Look-ups by id get no answer, or do again.
fn look_ups_are_down(rig: &mut Rig, down: bool) {
    let asked = [Asked::Instance].into_iter().filter(|_| down);
    rig.world.set_trouble(Trouble {
        unanswered: asked.collect(),
        ..Trouble::default()
    });
}

#[test]
fn what_a_lagging_scan_shows_is_neither_adopted_nor_handed_out() {
    let (mut rig, id) = cold_start();
    let lagging = rig.world.instance(&id).unwrap().reading();
    rig.world.reclaim(&id);
    rig.world.set_trouble(Trouble {
        lagging_in_scans: [(id.clone(), lagging)].into(),
        ..Trouble::default()
    });
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Launching);
    rig.run(MINUTE);
    assert_ne!(rig.expect_served(), id);
    assert_eq!(rig.count(MutationKind::Launch), 1);
    assert_eq!(rig.record().record.generation.get(), 1, "adopted once");
}

#[test]
fn an_instance_that_runs_is_found_by_tag_and_served_in_one_pass() {
    let (mut rig, id) = cold_start();
    assert_eq!(rig.expect_served(), id);
}

#[test]
fn failed_look_ups_hold_the_first_hand_out_up_for_half_a_minute() {
    let (mut rig, id) = cold_start();
    look_ups_are_down(&mut rig, true);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::CloudUnreachable);
    rig.run(Millis::from_secs(20));
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::CloudUnreachable);
    let adopted = rig.record().record.adopted.map(|adopted| adopted.id);
    assert_eq!(adopted.as_ref(), Some(&id), "an adoption needs no look-up");
    rig.run(MINUTE);
    assert_eq!(rig.expect_served(), id);
    assert_eq!(rig.count(MutationKind::Launch), 0);
}

#[test]
fn failed_look_ups_keep_no_instance_out_that_was_looked_up_before() {
    let (mut rig, id) = cold_start();
    assert_eq!(rig.expect_served(), id);
    look_ups_are_down(&mut rig, true);
    rig.run(MINUTE);
    assert_eq!(rig.expect_served(), id);
}
