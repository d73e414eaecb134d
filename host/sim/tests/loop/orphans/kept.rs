//! What is not ended: whatever is no orphan, and any orphan while a source is silent, stale or says
//! otherwise.

use crate::rig::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use reeve_core::guard::Rule;
use reeve_core::instance::InstanceState;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Asked, Trouble};

use super::{SEEN, before};
use crate::rig::estate::{Estate, FOUND, GRACE, HOME, OLD, SCAN, launch, spec};

/// Well after every grace in these stories.
const LONG: Millis = Millis::from_secs(4 * 3600);

fn unanswered(asked: impl IntoIterator<Item = Asked>) -> Trouble {
    Trouble {
        unanswered: asked.into_iter().collect(),
        ..Trouble::default()
    }
}

fn hidden(id: &str) -> Trouble {
    Trouble {
        hidden_from_scans: BTreeSet::from([id.into()]),
        ..Trouble::default()
    }
}

/// Scans go on showing what is now.
fn lagging(world: &World) -> Trouble {
    let now = world
        .instances()
        .map(|instance| (instance.id.clone(), instance.reading()));
    Trouble {
        lagging_in_scans: now.collect::<BTreeMap<_, _>>(),
        ..Trouble::default()
    }
}

#[test]
fn one_of_a_newer_generation_than_the_adopted_one_is_left_alone() {
    let mut estate = Estate::alone();
    launch(&mut estate.rig, "i-new", 4);
    estate.run_to(LONG);
    assert!(estate.is_up("i-new"));
    assert_eq!(estate.ended(), []);
    estate.assert_home();
}

#[test]
fn without_an_adopted_instance_that_lives_nothing_is_an_orphan() {
    let mut estate = Estate::alone().with_orphans();
    estate.rig.world.stop_elsewhere(&HOME.into()).unwrap();
    estate.run_to(LONG);
    assert!(estate.is_up(OLD) && estate.is_up(FOUND));
    assert_eq!(estate.ended(), []);
}

#[test]
fn while_the_store_is_away_an_orphan_is_kept() {
    for is_shared in [false, true] {
        let mut estate = Estate::over(MemoryStore::new(is_shared), spec()).with_orphans();
        estate.run_to(GRACE);
        estate.rig.store.fail(Some(outage()));
        estate.run_to(SEEN + GRACE + GRACE);
        assert!(estate.is_up(OLD) && estate.is_up(FOUND));
        estate.rig.store.fail(None);
        estate.rig.run(SCAN + SCAN + SECOND);
        assert!(!estate.is_up(OLD) && !estate.is_up(FOUND));
        estate.assert_home();
    }
}

#[test]
fn while_the_cloud_does_not_answer_a_look_an_orphan_is_kept() {
    for asked in [Asked::Pointer, Asked::Instance] {
        let mut estate = Estate::alone();
        estate.launch_old();
        estate.run_to(GRACE);
        estate.rig.world.set_trouble(unanswered([asked]));
        estate.run_to(SEEN + GRACE + GRACE);
        assert!(estate.is_up(OLD), "{asked:?}");
        assert_eq!(estate.ended(), [], "{asked:?}");
        estate.rig.world.set_trouble(Trouble::default());
        estate.rig.run(SCAN + SECOND);
        assert!(!estate.is_up(OLD), "{asked:?}");
    }
}

#[test]
fn after_an_outage_of_the_cloud_the_grace_begins_anew() {
    let mut estate = Estate::alone();
    estate.launch_old();
    estate.run_to(GRACE);
    estate.rig.world.set_trouble(unanswered(Asked::ALL));
    estate.run_to(GRACE + GRACE + SECOND);
    estate.rig.world.set_trouble(Trouble::default());
    let back = GRACE + GRACE + SCAN;
    estate.run_to(before(back + GRACE));
    assert!(estate.is_up(OLD));
    estate.run_to(back + GRACE + SECOND);
    assert!(!estate.is_up(OLD));
}

#[test]
fn one_scan_that_fails_does_not_begin_the_grace_anew() {
    let mut estate = Estate::alone();
    estate.launch_old();
    estate.run_to(before(GRACE));
    estate.rig.world.set_trouble(unanswered([Asked::Scan]));
    estate.run_to(GRACE + SECOND);
    estate.rig.world.set_trouble(Trouble::default());
    estate.run_to(SEEN + GRACE + SECOND);
    assert!(!estate.is_up(OLD));
}

#[test]
fn one_scan_that_lacks_the_orphan_or_the_adopted_one_begins_the_grace_anew() {
    for missing in [OLD, HOME] {
        let mut estate = Estate::alone();
        estate.launch_old();
        estate.run_to(before(GRACE));
        estate.rig.world.set_trouble(hidden(missing));
        estate.run_to(GRACE + SECOND);
        estate.rig.world.set_trouble(Trouble::default());
        estate.run_to(before(GRACE + SCAN + GRACE));
        assert!(estate.is_up(OLD), "without {missing}");
        estate.run_to(GRACE + SCAN + GRACE + SECOND);
        assert!(!estate.is_up(OLD), "without {missing}");
        estate.assert_home();
    }
}

#[test]
fn while_scans_lag_behind_the_look_by_id_has_a_say() {
    // The orphan went down by itself, or the worker's own instance did: then the orphan is the only
    // one.
    for down in [OLD, HOME] {
        let mut estate = Estate::alone();
        estate.launch_old();
        estate.run_to(GRACE);
        let trouble = lagging(&estate.rig.world);
        estate.rig.world.set_trouble(trouble);
        estate.rig.world.stop_elsewhere(&down.into()).unwrap();
        estate.run_to(LONG);
        assert_eq!(estate.state(down), InstanceState::Stopped);
        assert_eq!(estate.ended(), [], "{down} is down");
        assert_eq!(estate.vetoes(Rule::SourcesDisagree), 1, "told once");
    }
}

#[test]
fn a_dry_run_says_what_it_would_do_once_and_does_nothing() {
    let mut estate = Estate::alone().with_orphans();
    estate.rig.crash(0);
    let mut dry = spec();
    dry.dry_run = true;
    estate.rig.add_host(dry);
    estate.run_to(LONG);
    assert!(estate.is_up(OLD) && estate.is_up(FOUND));
    assert_eq!(estate.ended(), []);
    assert_eq!(estate.vetoes(Rule::DryRun), 2, "once for each");
    estate.assert_home();
}
