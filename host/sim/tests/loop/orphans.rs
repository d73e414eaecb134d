//! An instance that lives on next to the worker's instance: ended after its grace by the host's own
//! rule, once, and not while anything is unknown.

mod kept;
mod shared;

use crate::rig::estate::{Estate, FOUND, GRACE, HOME, OLD, SCAN, spec};
use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::guard::Rule;
use reeve_core::instance::InstanceState;
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::response::Resolution;
use reeve_core::store::{Phase, Refresh};
use reeve_sim::store::MemoryStore;
use reeve_sim::world::Fault;

/// When the first scan shows what was launched after the story began.
const SEEN: Millis = SCAN;

/// A millisecond earlier.
fn before(millis: Millis) -> Millis {
    Millis::new(millis.get() - 1)
}

#[test]
fn an_orphan_ends_at_the_first_scan_after_its_grace_and_not_before() {
    let mut estate = Estate::alone().with_orphans();
    estate.run_to(SEEN + SECOND);
    assert_eq!(estate.orphan_since(OLD), Some(BEGINS + SEEN));
    assert_eq!(estate.orphan_since(HOME), None);
    estate.run_to(before(SEEN + GRACE));
    assert!(estate.is_up(OLD) && estate.is_up(FOUND));
    assert_eq!(estate.ended(), []);
    // One at a time: the other one is looked at with the next scan.
    estate.run_to(SEEN + GRACE + SCAN + SECOND);
    assert!(!estate.is_up(OLD) && !estate.is_up(FOUND));
    estate.assert_home();
    assert_eq!(estate.orphan_since(OLD), None);
}

#[test]
fn a_grace_that_is_a_millisecond_longer_ends_a_scan_later() {
    let mut spec = spec();
    for pool in spec.pools.values_mut() {
        pool.limits.orphan_grace = GRACE + Millis::new(1);
    }
    let mut estate = Estate::over(MemoryStore::new(false), spec);
    estate.launch_old();
    estate.run_to(before(SEEN + GRACE + SCAN));
    assert!(estate.is_up(OLD));
    estate.run_to(SEEN + GRACE + SCAN + SECOND);
    assert!(!estate.is_up(OLD));
}

#[test]
fn what_reeve_launched_is_terminated_and_what_was_launched_by_hand_is_stopped() {
    let mut estate = Estate::alone().with_orphans();
    estate.run_to(SEEN + GRACE + Millis::from_secs(600));
    assert_eq!(estate.state(OLD), InstanceState::Terminated);
    assert_eq!(estate.state(FOUND), InstanceState::Stopped);
    let mut ended = estate.ended();
    ended.sort();
    let expected = [
        (MutationKind::Stop, FOUND.to_owned()),
        (MutationKind::Terminate, OLD.to_owned()),
    ];
    assert_eq!(ended, expected);
}

#[test]
fn the_journal_says_that_a_rule_of_the_host_decided_and_what_came_of_it() {
    let mut estate = Estate::alone();
    estate.launch_old();
    estate.run_to(SEEN + GRACE + SCAN);
    let journal = estate.rig.journal(0);
    let ruled = journal.iter().find_map(|entry| match &entry.content {
        Content::Ruled(ruling) => Some((entry.decision, ruling)),
        _ => None,
    });
    let (decision, ruling) = ruled.expect("a ruling");
    assert_eq!(ruling.reason.code, "orphan");
    assert_eq!(ruling.action, MutationKind::Terminate);
    assert_eq!(ruling.instance.as_str(), OLD);
    assert_eq!(ruling.generation.unwrap().get(), 2);
    assert_eq!(ruling.since, BEGINS + SEEN);
    assert_eq!(ruling.adopted.id.as_str(), HOME);
    let of_it: Vec<_> = journal
        .iter()
        .filter(|entry| entry.decision == decision)
        .map(|entry| &entry.content)
        .collect();
    let in_order = matches!(
        of_it[..],
        [
            Content::Ruled(_),
            Content::Intent { .. },
            Content::Outcome(Ok(_))
        ]
    );
    assert!(in_order, "{of_it:?}");
}

#[test]
fn an_orphan_is_announced_when_it_is_seen_and_when_it_is_ended() {
    let mut estate = Estate::alone();
    estate.find();
    estate.run_to(SEEN + GRACE + Millis::from_secs(300));
    let notices = estate.rig.notices(0);
    let told = |step: Step| {
        let mut of_step = notices.iter().filter(move |notice| notice.step == step);
        let first = of_step.next().expect("a notice").clone();
        assert!(of_step.next().is_none(), "told once");
        first
    };
    let seen = told(Step::OrphanSeen);
    assert!(seen.text.contains("stop follows"), "{}", seen.text);
    let ended = told(Step::InstanceEnding);
    assert!(ended.text.contains("never handed out"), "{}", ended.text);
    let field = |key: &str| {
        let mut fields = ended.fields.iter();
        fields.find(|(it, _)| it == key).map(|(_, it)| it.clone())
    };
    let since = (BEGINS + SEEN).as_ms().to_string();
    assert_eq!(field("instance_id").as_deref(), Some(FOUND));
    assert_eq!(field("reason").as_deref(), Some("orphan"));
    assert_eq!(field("action").as_deref(), Some("stop"));
    assert_eq!(field("generation").as_deref(), Some("unknown"));
    assert_eq!(field("orphan_since"), Some(since));
}

#[test]
fn a_pointer_to_the_orphan_is_repaired_before_the_orphan_ends() {
    let mut estate = Estate::alone();
    estate.launch_old();
    estate.rig.world.place_pointer(&incidents::pointer(), OLD);
    estate.run_to(SEEN + GRACE + SECOND);
    assert!(estate.is_up(OLD), "the pointer is put right first");
    estate.assert_home();
    estate.run_to(SEEN + GRACE + SCAN + SECOND);
    assert!(!estate.is_up(OLD));
    estate.assert_home();
}

#[test]
fn while_an_orphan_is_being_ended_the_worker_is_served_and_counts_as_running() {
    let mut estate = Estate::alone();
    estate.launch_old();
    while estate.rig.record().record.intent.is_none() {
        estate.rig.step();
        assert!(estate.rig.now() < BEGINS + SEEN + GRACE + SCAN);
    }
    assert_eq!(estate.rig.record().record.phase, Phase::Running);
    let request = estate.rig.ask();
    estate.rig.run(SECOND);
    assert!(matches!(
        estate.rig.resolution(request),
        Some(Resolution::Served(route)) if route.instance.as_str() == HOME
    ));
}

#[test]
fn the_worker_being_in_use_does_not_keep_the_orphan_alive() {
    let mut estate = Estate::alone();
    estate.launch_old();
    for minute in 1..=11 {
        let at = estate.rig.now();
        let delivered = Refresh::Delivered { at, count: 1 };
        estate
            .rig
            .store
            .refresh_now(&incidents::worker(), delivered)
            .unwrap();
        estate.rig.ask();
        estate.run_to(Millis::from_secs(60 * minute));
    }
    assert!(!estate.is_up(OLD));
    estate.assert_home();
}

#[test]
fn when_the_budget_is_spent_the_orphan_waits_and_ends_later() {
    let window = HOUR;
    let mut spec = spec();
    for pool in spec.pools.values_mut() {
        pool.limits.worker_budget.stops = 1;
    }
    let mut estate = Estate::over(MemoryStore::new(false), spec).with_orphans();
    // The first one ends some calls after the scan; the other when that has left the window.
    estate.run_to(SEEN + GRACE + SCAN + SECOND);
    assert_eq!(estate.ended().len(), 1);
    estate.run_to(SEEN + GRACE + window);
    assert_eq!(estate.ended().len(), 1);
    assert_eq!(estate.vetoes(Rule::BudgetSpent), 1, "told once");
    estate.run_to(SEEN + GRACE + window + SCAN + SECOND);
    assert_eq!(estate.ended().len(), 2);
    estate.assert_home();
}

#[test]
fn an_end_that_failed_is_tried_again_after_another_grace() {
    let mut estate = Estate::alone();
    estate.find();
    estate.rig.world.add_fault(Fault {
        kind: MutationKind::Stop,
        carried_out: false,
        error: CloudErrorKind::Denied,
        code: "UnauthorizedOperation",
    });
    estate.run_to(SEEN + GRACE + SECOND);
    assert_eq!(estate.ended().len(), 1);
    assert!(estate.is_up(FOUND));
    // The next scan begins the grace anew.
    estate.run_to(before(SEEN + GRACE + SCAN + GRACE));
    assert_eq!(estate.ended().len(), 1);
    estate.run_to(SEEN + GRACE + SCAN + GRACE + SECOND);
    assert!(!estate.is_up(FOUND));
    assert_eq!(estate.ended().len(), 2);
}

#[test]
fn a_host_restarted_in_the_middle_begins_the_grace_anew() {
    let mut estate = Estate::alone();
    estate.launch_old();
    let restart = Millis::from_secs(400);
    estate.run_to(restart);
    estate.rig.restart();
    estate.run_to(before(restart + GRACE));
    assert!(estate.is_up(OLD));
    estate.run_to(restart + GRACE + SECOND);
    assert!(!estate.is_up(OLD));
    estate.assert_home();
}
