//! The pointer is written by the lease's holder alone, like everything else: a slow write of it must not name what
//! another host has ended since (G3).

use crate::records::Several;
use reeve_core::cloud::MutationKind;
use reeve_core::id::{Generation, RequestId};
use reeve_core::instance::{TAG_GENERATION, TAG_WORKER};
use reeve_core::operator::{Command, RefusedCode};
use reeve_core::response::Resolution;
use reeve_core::spec::LEASE;
use reeve_core::time::Millis;
use reeve_sim::incidents;

const SECOND: Millis = Millis::from_secs(1);
const MINUTE: Millis = Millis::from_secs(60);

/// Two hosts and a settled worker, whose pointer somebody else has changed; the first host is about to mend it.
fn about_to_write() -> Several {
    let mut several = Several::new(2);
    several.ask(0);
    several.run(MINUTE + MINUTE);
    several.assert_settled();
    several
        .world
        .place_pointer(&incidents::pointer(), "i-elsewhere");
    several.ask(0);
    while several.record().record.intent.is_none() {
        several.step();
    }
    several
}

#[test]
fn whoever_writes_the_pointer_announces_it_and_holds_the_lease_until_it_is_written() {
    let mut several = about_to_write();
    let record = several.record().record;
    let announced = record.intent.map(|intent| intent.mutation.kind());
    assert_eq!(announced, Some(MutationKind::WritePointer));
    assert_eq!(record.lease.unwrap().as_str(), "host-0");
    several.run(SECOND);
    several.assert_settled();
}

#[test]
fn nothing_is_changed_by_another_host_while_the_pointer_is_being_written() {
    let mut several = about_to_write();
    // The other host has seen the write of the record.
    several.ask(1);
    several.step();
    let pause = Command::Pause { reason: None };
    let now = several.now;
    let other = &mut several.hosts[1];
    other.operate(now, &incidents::worker(), RequestId::new(999), pause);
    let [(_, told)] = other.take_reports().try_into().expect("one answer");
    assert_eq!(told.unwrap_err().code, RefusedCode::LeaseHeld);
    several.run(SECOND);
    several.assert_settled();
}

#[test]
fn a_pointer_write_that_a_dead_host_left_is_finished_by_another_whether_or_not_anybody_asks_again()
{
    let mut several = about_to_write();
    several.kill(0);
    // Answered from what the cloud says, long before the lease is stale.
    several.ask(0);
    several.run(LEASE + LEASE);
    several.assert_settled();
}

#[test]
fn a_pointer_to_an_instance_of_an_older_generation_keeps_nobody_from_being_served() {
    let mut several = Several::new(1);
    for lost in 0..2 {
        several.ask(0);
        several.run(MINUTE + MINUTE);
        let id = several.record().record.adopted.unwrap().id;
        several.world.reclaim(&id);
        several.run(MINUTE);
        assert_eq!(several.launched().len(), lost + 1);
    }
    let now = several.now;
    several.hosts[0].operate(
        now,
        &incidents::worker(),
        RequestId::new(999),
        Command::Forget,
    );
    several.run(SECOND);
    let of_old = [
        (TAG_WORKER, incidents::worker().to_string()),
        (TAG_GENERATION, "1".to_owned()),
    ];
    let of_old = of_old.each_ref().map(|(key, value)| (*key, value.as_str()));
    several
        .world
        .launch_tagged("i-old", incidents::TAG, &of_old);
    several.world.place_pointer(&incidents::pointer(), "i-old");
    several.ask(0);
    several.run(MINUTE + MINUTE);
    let served = several.ask(0);
    several.run(SECOND);
    match several.answer(served) {
        Some(Resolution::Served(route)) => assert_eq!(route.generation, Generation::new(3)),
        other => panic!("expected an address, got {other:?}"),
    }
}
