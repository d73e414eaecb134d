//! The pointer is written by the lease's holder alone, like everything else: a slow write of it
//! must not name what another host has ended since (G3).

use crate::rig::prelude::*;
use reeve_core::cloud::MutationKind;
use reeve_core::id::Generation;
use reeve_core::instance::{TAG_GENERATION, TAG_WORKER};
use reeve_core::notice::Step;
use reeve_core::operator::{Command, RefusedCode};
use reeve_core::point::resolve::{Action, Adopted, Input, Pointer};
use reeve_core::response::{NotYetCode, Resolution};
use reeve_core::spec::LEASE;
use reeve_sim::world::{Asked, Trouble};

/// Two hosts and a settled worker, whose pointer another program has changed; the first host is
/// about to mend it.
fn about_to_write() -> Rig {
    let mut rig = Rig::hosts(2);
    rig.ask();
    rig.run(MINUTE + MINUTE);
    rig.assert_settled();
    rig.world
        .place_pointer(&incidents::pointer(), "i-elsewhere");
    rig.ask();
    while rig.record().record.intent.is_none() {
        rig.step();
    }
    rig
}

#[test]
fn a_host_announces_a_pointer_write_and_holds_the_lease_until_it_is_done() {
    let mut rig = about_to_write();
    let record = rig.record().record;
    let announced = record.intent.map(|intent| intent.mutation.kind());
    assert_eq!(announced, Some(MutationKind::WritePointer));
    assert_eq!(record.lease.unwrap().as_str(), "host-1.1");
    rig.run(SECOND);
    rig.assert_settled();
}

#[test]
fn nothing_is_changed_by_another_host_while_the_pointer_is_being_written() {
    let mut rig = about_to_write();
    // The other host has seen the write of the record.
    rig.ask_of(1);
    rig.step();
    let pause = Command::Pause { reason: None };
    let told = rig.command_to(1, pause);
    assert_eq!(told.unwrap_err().code, RefusedCode::LeaseHeld);
    rig.run(SECOND);
    rig.assert_settled();
}

#[test]
fn another_host_finishes_the_pointer_write_of_a_dead_one() {
    let mut rig = about_to_write();
    rig.crash(0);
    // Answered from what the cloud says, long before the lease is stale.
    rig.ask_of(1);
    rig.run(LEASE + LEASE);
    rig.assert_settled();
}

#[test]
fn a_pointer_to_an_older_generation_does_not_block_a_resolve() {
    let mut rig = Rig::hosts(1);
    for lost in 0..2 {
        rig.ask();
        rig.run(MINUTE + MINUTE);
        let id = rig.record().record.adopted.unwrap().id;
        rig.world.reclaim(&id);
        rig.run(MINUTE);
        assert_eq!(rig.launched().len(), lost + 1);
    }
    rig.give(Command::Forget);
    rig.run(SECOND);
    let of_old = [
        (TAG_WORKER, incidents::worker().to_string()),
        (TAG_GENERATION, "1".to_owned()),
    ];
    let of_old = of_old.each_ref().map(|(key, value)| (*key, value.as_str()));
    rig.world.launch_tagged("i-old", incidents::TAG, &of_old);
    rig.world.place_pointer(&incidents::pointer(), "i-old");
    rig.ask();
    rig.run(MINUTE + MINUTE);
    let served = rig.ask();
    rig.run(SECOND);
    match rig.resolution(served) {
        Some(Resolution::Served(route)) => assert_eq!(route.generation, Generation::new(3)),
        other => panic!("expected an address, got {other:?}"),
    }
}

#[test]
fn a_pointer_that_cannot_be_read_holds_a_launch_up_for_a_minute() {
    let waits_for_it = |input: &Input| match (&input.adopted, &input.pointer) {
        (Adopted::None, Pointer::Unknown) => Ok(Action::Wait(2_000)),
        _ => Ok(sensible(input)),
    };
    let mut rig = Rig::new(Native::new(waits_for_it));
    let pointers = Trouble {
        unanswered: [Asked::Pointer].into(),
        ..Trouble::default()
    };
    rig.world.set_trouble(pointers);
    let asks_for = |rig: &mut Rig, seconds: u64| {
        for _ in 0..seconds {
            rig.ask();
            rig.run(SECOND);
        }
        (
            rig.count(MutationKind::Launch),
            rig.told(Step::PointerUnread).len(),
        )
    };
    let before = asks_for(&mut rig, 10);
    rig.run(MINUTE);
    assert_eq!((before, asks_for(&mut rig, 30)), ((0, 0), (1, 1)));
    rig.expect_served();
    rig.world.set_trouble(Trouble::default());
    rig.run(MINUTE);
    rig.expect_served();
    rig.assert_settled();
}

#[test]
fn an_adopted_instance_that_ended_while_no_host_was_up_is_replaced_at_once() {
    let mut rig = Rig::alone();
    rig.ask();
    rig.run(MINUTE + MINUTE);
    let gone = rig.expect_served();
    rig.crash(0);
    rig.world.reclaim(&gone);
    // EC2 shows an ended instance for an hour.
    rig.run(HOUR + HOUR);
    rig.begin(0);
    rig.run(SECOND);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Launching);
    rig.run(MINUTE);
    assert_ne!(rig.expect_served(), gone);
}
