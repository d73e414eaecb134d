//! Several hosts and several lives over one store: one launch, one adopted instance, whichever host
//! dies when.

use std::collections::BTreeMap;

use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::id::{Epoch, WorkerId};
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome};
use reeve_core::response::NotYetCode;
use reeve_core::spec::{LEASE, Wish, WorkerSpec};
use reeve_core::store::Unknown;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Asked, Boot, Fault, Trouble};

/// The first host has renewed its lease and heard an error; its next write, of a command, finds
/// that out.
fn renew_unheard(rig: &mut Rig) {
    rig.rewrite(|_| ());
    rig.give(Command::Resume);
}

#[test]
fn a_record_that_cannot_be_read_keeps_its_own_worker_only_from_being_served() {
    let mut spec = incidents::fleet();
    let one = incidents::worker_spec();
    let other = WorkerId::from("other");
    let of_other = WorkerSpec {
        tag_value: "other".to_owned(),
        pointer: "/other".into(),
        wish: Wish::Running,
        ..one
    };
    spec.workers.insert(other.clone(), of_other);
    let store = MemoryStore::new(false);
    let mut rig = Rig::over(store, World::new(1, BEGINS), Native::sensible());
    let fields = [("must-understand".to_owned(), serde_json::json!(["leash"]))];
    rig.rewrite(|record| record.unknown = Unknown::from(BTreeMap::from(fields)));
    rig.add_host(spec);
    let request = rig.ask();
    rig.run(MINUTE);
    let not_yet = rig.expect_not_yet_to(request);
    assert_eq!(not_yet.code, NotYetCode::StoreUnreachable);
    assert!(not_yet.detail.contains("`leash`"), "{not_yet:?}");
    let other = rig.core(0).worker(&other).unwrap();
    assert!(other.adopted.is_some());
    assert_eq!(rig.launched().len(), 1, "of the other worker");
}

#[test]
fn twenty_hosts_asked_at_once_launch_one_instance_and_all_serve_it() {
    let mut rig = Rig::hosts(20);
    for host in 0..20 {
        for _ in 0..5 {
            rig.ask_of(host);
        }
    }
    rig.run(Millis::from_secs(120));
    rig.assert_settled();
    let asked: Vec<_> = (0..20).map(|host| rig.ask_of(host)).collect();
    rig.run(SECOND);
    for request in asked {
        rig.expect_served_to(request);
    }
}

#[test]
fn a_host_that_dies_between_any_two_steps_leaves_one_instance() {
    // As many steps as a whole provisioning takes, and some beyond.
    for steps in 0..60 {
        let mut rig = Rig::alone();
        rig.ask();
        for _ in 0..steps {
            rig.step();
        }
        rig.restart();
        rig.ask();
        rig.run(Millis::from_secs(180));
        rig.ask();
        rig.run(Millis::from_secs(30));
        rig.assert_settled();
    }
}

#[test]
fn another_host_takes_over_from_a_dead_one_when_the_lease_is_stale() {
    for steps in 0..40 {
        let mut rig = Rig::hosts(2);
        rig.ask();
        for _ in 0..steps {
            rig.step();
        }
        rig.crash(0);
        let held = rig.record().record.lease.is_some();
        let died = rig.now();
        rig.ask_of(1);
        rig.run(SECOND);
        if held {
            let holder = rig.record().record.lease;
            assert_eq!(holder.unwrap().as_str(), "host-1.1", "after {steps} steps");
        }
        rig.run(LEASE + LEASE);
        rig.ask_of(1);
        rig.run(Millis::from_secs(120));
        rig.assert_settled();
        assert!(rig.now() > died);
    }
}

#[test]
fn a_host_that_starts_while_another_acts_waits_for_its_lease_like_any_other() {
    let mut rig = Rig::hosts(1);
    rig.ask();
    while rig.record().record.lease.is_none() {
        rig.step();
    }
    rig.pause(0, Millis::from_secs(600));
    let newcomer = rig.add_host(incidents::fleet());
    rig.ask_of(newcomer);
    rig.run(Millis::from_secs(25));
    let holder = rig.record().record.lease;
    assert_eq!(holder.unwrap().as_str(), "host-1.1");
    rig.crash(0);
    rig.run(LEASE);
    rig.ask_of(newcomer);
    rig.run(Millis::from_secs(120));
    rig.assert_settled();
}

#[test]
fn a_write_without_a_response_is_found_out_without_a_caller() {
    let mut rig = Rig::alone();
    rig.ask();
    rig.run(Millis::from_secs(120));
    rig.assert_settled();
    rig.store.lose_replies(Some(outage()));
    let pause = Command::Pause { reason: None };
    rig.give(pause);
    rig.run(SECOND);
    rig.store.lose_replies(None);
    assert!(rig.record().record.paused.is_some());
    rig.run(MINUTE);
    assert!(rig.worker().paused.is_some());
}

#[test]
fn the_next_life_replays_a_launch_whose_response_was_lost_by_its_token() {
    let mut rig = Rig::alone();
    rig.world.add_fault(Fault {
        kind: MutationKind::Launch,
        carried_out: true,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    });
    rig.ask();
    rig.run(SECOND);
    assert_eq!(rig.launched().len(), 1);
    assert!(rig.record().record.intent.is_some());
    rig.restart();
    rig.run(MINUTE);
    rig.ask();
    rig.run(MINUTE);
    rig.assert_settled();
    assert_eq!(rig.record().record.generation.get(), 1);
}

#[test]
fn a_host_that_slept_through_its_lease_finds_out_before_it_changes_anything() {
    let mut rig = Rig::hosts(2);
    rig.ask();
    // Until the first host has sent its launch and waits for the reply.
    while rig.launched().is_empty() {
        rig.step();
    }
    rig.pause(0, LEASE + LEASE + LEASE + MINUTE);
    rig.ask_of(1);
    rig.run(LEASE + LEASE + LEASE);
    rig.ask_of(1);
    rig.run(Millis::from_secs(59));
    rig.assert_settled();
    let epoch = rig.record().record.epoch;
    // It wakes: its reply, its timers and its renewals are long due.
    rig.run(SECOND);
    rig.ask();
    rig.run(MINUTE);
    rig.assert_settled();
    assert!(rig.record().record.epoch >= epoch);
}

#[test]
fn while_the_store_is_away_known_addresses_are_served_and_nothing_is_launched() {
    let mut rig = Rig::hosts(1);
    rig.world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    rig.expect_served();

    rig.store.fail(Some(outage()));
    rig.run(MINUTE);
    rig.expect_served();

    rig.world.stop_elsewhere(&"i-bbbb".into()).unwrap();
    rig.run(MINUTE);
    assert_eq!(
        rig.expect_not_yet(Millis::from_secs(10)),
        NotYetCode::StoreUnreachable
    );
    assert_eq!(rig.launched(), ["i-bbbb"]);

    rig.store.fail(None);
    rig.run(MINUTE);
    let again = rig.ask();
    rig.run(MINUTE);
    let later = rig.ask();
    rig.run(SECOND);
    assert!(rig.resolution(again).is_some());
    rig.expect_served_to(later);
}

#[test]
fn a_store_that_is_away_is_not_asked_more_often_after_many_callers() {
    let mut rig = Rig::hosts(1);
    rig.store.fail(Some(outage()));
    rig.restart();
    for _ in 0..60 {
        rig.ask();
        rig.run(SECOND);
    }
    let before = rig.told(Step::StoreCallFailed).len();
    for _ in 0..10 {
        rig.run(MINUTE);
    }
    // One series of tries, a minute apart, and the passes for a worker that is wanted.
    let tries = rig.told(Step::StoreCallFailed).len() - before;
    assert!((5..=40).contains(&tries), "{tries}");
}

#[test]
fn epochs_only_rise_and_every_intent_carries_the_one_it_was_committed_with() {
    let mut rig = Rig::alone();
    for round in 0..3 {
        rig.ask();
        rig.run(MINUTE);
        for id in rig.launched() {
            rig.world.stop_elsewhere(&id.as_str().into()).unwrap();
        }
        rig.run(MINUTE);
        if round == 1 {
            rig.restart();
        }
    }
    let epochs: Vec<Epoch> = {
        let entries = rig.journal(0).iter().map(|entry| &entry.content);
        let intents = entries.filter_map(|entry| match entry {
            Content::Intent { epoch, .. } => Some(*epoch),
            _ => None,
        });
        intents.collect()
    };
    assert!(!epochs.is_empty());
    assert!(epochs.is_sorted(), "{epochs:?}");
    assert!(rig.record().record.epoch >= *epochs.last().unwrap());
}

#[test]
fn a_reading_from_before_another_hosts_start_never_counts() {
    let mut rig = Rig::hosts(2);
    rig.world.place_stopped("i-aaaa", TAG);
    // Both see at their start that it is stopped; the second one does not look again.
    rig.run(SECOND);
    rig.ask();
    rig.run(Millis::from_secs(3));
    assert_eq!(rig.record().record.intent, None);
    let adopted = rig.record().record.adopted.unwrap();
    assert_eq!(adopted.id.as_str(), "i-aaaa");

    rig.world.set_trouble(Trouble {
        unanswered: Asked::ALL.into(),
        ..Trouble::default()
    });
    for _ in 0..6 {
        rig.run(Millis::from_secs(15));
        let asked = rig.ask_of(1);
        rig.run(SECOND);
        assert_eq!(rig.expect_not_yet_to(asked).code, NotYetCode::Starting);
    }
    rig.world.set_trouble(Trouble::default());
    rig.run(Millis::from_secs(30));
    rig.ask_of(1);
    rig.run(SECOND);
    rig.assert_settled();
}

#[test]
fn a_host_does_not_wait_forever_for_its_own_intent_in_a_newer_record() {
    let mut rig = Rig::hosts(1);
    rig.world.place_stopped("i-aaaa", TAG);
    rig.ask();
    while rig.record().record.intent.is_none() {
        rig.step();
    }
    renew_unheard(&mut rig);
    rig.run(Millis::from_secs(90));
    assert_eq!(rig.expect_served().as_str(), "i-aaaa");
    rig.assert_settled();
}

#[test]
fn a_host_waits_for_its_launch_though_a_write_was_heard_as_an_error() {
    let mut rig = Rig::hosts(1);
    rig.ask();
    while rig.record().record.intent.is_none() {
        rig.step();
    }
    renew_unheard(&mut rig);
    rig.run(Millis::from_secs(90));
    assert!(rig.told(Step::IntentRecovered).is_empty());
    assert_eq!(rig.count(MutationKind::Launch), 1);
    assert_eq!(rig.launched().len(), 1);
}

#[test]
fn a_host_keeps_the_fields_that_a_newer_one_wrote() {
    let mut rig = Rig::with_world(running_b(), Native::sensible());
    rig.ask_and_run(SECOND);
    rig.expect_served();
    rig.crash(0);
    rig.rewrite(|record| {
        let mut newer = serde_json::to_value(&*record).unwrap();
        newer["spare"] = serde_json::json!(["i-cccc"]);
        newer["adopted"]["zone"] = "b".into();
        *record = serde_json::from_value(newer).unwrap();
    });
    rig.begin(0);
    let paused = rig.command(Command::Pause { reason: None });
    assert_eq!(paused, Ok(CommandOutcome::Paused));
    let written = serde_json::to_value(rig.record().record).unwrap();
    assert_eq!(written["spare"], serde_json::json!(["i-cccc"]));
    assert_eq!(written["adopted"]["zone"], "b");
    assert_eq!(written["must-understand"], serde_json::json!(["paused"]));
}

/// The ids of the decisions that a policy made, by this host.
fn decision_ids(rig: &Rig, host: usize) -> Vec<u64> {
    let entries = rig.journal(host).iter();
    let decided = entries.filter(|entry| matches!(entry.content, Content::Decided(_)));
    decided.map(|entry| entry.decision.get()).collect()
}

#[test]
fn no_two_lives_of_any_host_give_one_id_to_two_decisions() {
    let mut rig = Rig::hosts(2);
    for _ in 0..3 {
        for host in 0..2 {
            rig.ask_of(host);
            rig.run(MINUTE);
        }
        // The journal of the life before may lack its last entries.
        rig.restart();
    }
    let mut all = decision_ids(&rig, 0);
    all.extend(decision_ids(&rig, 1));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert!(count > 6, "{count}");
    assert_eq!(all.len(), count);
}

#[test]
fn a_host_whose_store_is_away_decides_with_the_ids_after_its_journal() {
    let mut rig = Rig::alone();
    rig.ask();
    rig.run(MINUTE);
    let before = decision_ids(&rig, 0);
    rig.crash(0);
    rig.store.fail(Some(outage()));
    rig.begin(0);
    rig.ask();
    rig.run(MINUTE);
    rig.store.fail(None);
    rig.run(MINUTE);
    rig.ask();
    rig.run(MINUTE);
    let mut all = decision_ids(&rig, 0);
    assert!(all.len() > before.len() && all.is_sorted(), "{all:?}");
    all.dedup();
    assert_eq!(all.len(), decision_ids(&rig, 0).len());
}
