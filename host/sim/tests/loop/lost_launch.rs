//! A launch whose reply is lost and whose replay is refused: the instance is found by its tag, and
//! no other is launched.

use std::collections::BTreeMap;

use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::store::Unknown;
use reeve_sim::world::{Fault, Trouble};

fn fault(carried_out: bool, error: CloudErrorKind, code: &'static str) -> Fault {
    Fault {
        kind: MutationKind::Launch,
        carried_out,
        error,
        code,
    }
}

fn reply_lost() -> Fault {
    fault(true, CloudErrorKind::Transient, "RequestTimeout")
}

fn mismatch() -> Fault {
    fault(
        false,
        CloudErrorKind::Conflict,
        "IdempotentParameterMismatch",
    )
}

/// One launch was carried out unheard, and every replay is refused.
fn refused_replays() -> Rig {
    let mut rig = Rig::alone();
    rig.world.add_fault(reply_lost());
    for _ in 0..20 {
        rig.world.add_fault(mismatch());
    }
    rig
}

#[test]
fn a_replay_keeps_what_a_newer_host_wrote_into_the_intent() {
    let mut rig = Rig::alone();
    for _ in 0..20 {
        rig.world.add_fault(reply_lost());
    }
    rig.ask();
    while rig.record().record.intent.is_none() {
        rig.step();
    }
    rig.crash(0);
    let fields = [("newer".to_owned(), serde_json::json!(7))];
    let unknown = Unknown::from(BTreeMap::from(fields));
    rig.rewrite(|record| record.intent.as_mut().unwrap().unknown = unknown.clone());
    let before = rig.record().record.epoch;
    rig.begin(0);
    rig.ask();
    rig.run(Millis::from_secs(5));
    let record = rig.record().record;
    assert!(record.epoch > before, "it was sent again");
    assert_eq!(record.intent.unwrap().unknown, unknown);
}

fn hide_all(rig: &mut Rig) {
    let hidden = rig.world.instances().map(|it| it.id.clone()).collect();
    rig.world.set_trouble(Trouble {
        hidden_from_scans: hidden,
        ..Trouble::default()
    });
}

#[test]
fn a_refused_replay_finds_the_instance_of_the_first_try() {
    let mut rig = refused_replays();
    rig.ask();
    rig.run(MINUTE);
    let instances: Vec<_> = rig.world.instances().map(|it| it.id.clone()).collect();
    assert_eq!(instances.len(), 1);
    let known = rig.core(0).workers().next().unwrap();
    assert!(known.is_adopted(&instances[0]));
    assert_eq!(known.adopted.as_ref().unwrap().generation.get(), 1);
    assert!(!known.is_changing());
    assert_eq!(
        rig.count(MutationKind::Launch),
        2,
        "sent once more, not again and again"
    );
    assert_eq!(rig.pointer(), Some(instances[0].as_str()));
}

#[test]
fn scans_that_do_not_show_the_instance_yet_are_followed_by_others() {
    let mut rig = refused_replays();
    rig.ask();
    rig.run(SECOND);
    hide_all(&mut rig);
    rig.run(Millis::from_secs(50));
    assert_eq!(rig.world.instances().count(), 1);
    rig.world.set_trouble(Trouble::default());
    rig.run(MINUTE);
    let known = rig.core(0).workers().next().unwrap();
    assert!(known.adopted.is_some());
    assert_eq!(rig.world.instances().count(), 1);
}

#[test]
fn an_instance_that_has_come_and_gone_is_not_waited_for_for_ever() {
    let mut rig = refused_replays();
    rig.ask();
    rig.run(SECOND);
    let id = rig.world.instances().next().unwrap().id.clone();
    rig.world.reclaim(&id);
    hide_all(&mut rig);
    rig.run(Millis::from_secs(400));
    let known = rig.core(0).workers().next().unwrap();
    assert!(!known.is_changing(), "the attempt is given up");
}

#[test]
fn the_next_life_finds_the_instance_as_well() {
    let mut rig = Rig::alone();
    rig.world.add_fault(reply_lost());
    for _ in 0..20 {
        rig.world.add_fault(mismatch());
    }
    rig.ask();
    rig.run(SECOND);
    rig.restart();
    rig.run(MINUTE);
    assert_eq!(rig.launched().len(), 1);
    rig.assert_settled();
}
