//! A dry run decides and answers as the real run would, up to what changes an instance, and writes
//! nothing.

use crate::rig::prelude::*;
use reeve_core::guard::Rule;
use reeve_core::id::Generation;
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::response::NotYetCode;
use reeve_core::spec::FleetSpec;
use reeve_core::store::{Adopted, How, Stored};
use reeve_sim::store::MemoryStore;
use reeve_sim::world::Boot;

use crate::rig::estate::launch;

fn dry() -> FleetSpec {
    FleetSpec {
        dry_run: true,
        ..incidents::fleet()
    }
}

/// The pointer names A, which is stopped, while B runs.
fn stale_pointer() -> World {
    let mut world = stopped_a();
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    world.advance(BEGINS);
    world
}

fn vetoes(rig: &Rig) -> Vec<Rule> {
    let entries = rig.journal(0).iter();
    let vetoes = entries.filter_map(|entry| match &entry.content {
        Content::Vetoed(veto) => Some(veto.rule),
        _ => None,
    });
    vetoes.collect()
}

#[track_caller]
fn assert_nothing_is_written(rig: &Rig) {
    assert_eq!(rig.record(), Stored::default());
    assert_eq!(rig.pointer(), Some("i-aaaa"));
}

#[test]
fn a_stale_pointer_is_answered_as_in_a_real_run() {
    let run = |fleet| {
        let mut rig = Rig::with_fleet(fleet, stale_pointer(), Native::sensible());
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(rig.expect_served().to_string());
            rig.run(MINUTE);
        }
        (answers, rig.told(Step::InstanceAdoptedByTag).len(), rig)
    };
    let (real_answers, real_adopted, real) = run(incidents::fleet());
    let (answers, adopted, rig) = run(dry());
    assert_eq!(answers, real_answers);
    assert_eq!(adopted, real_adopted);
    assert_eq!(real.pointer(), Some("i-bbbb"));
    assert_nothing_is_written(&rig);
    assert_eq!(vetoes(&rig), []);
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn a_start_is_refused_as_a_dry_run_and_not_proposed_without_end() {
    let mut rig = Rig::with_fleet(dry(), stopped_a(), Native::sensible());
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Vetoed);
    rig.run(Millis::from_secs(3_600));
    assert!(vetoes(&rig).iter().all(|rule| *rule == Rule::DryRun));
    assert!(vetoes(&rig).len() <= 2, "{:?}", vetoes(&rig));
    assert_nothing_is_written(&rig);
    assert!(rig.up().is_empty());
}

#[test]
fn an_unfinished_launch_of_a_former_life_stays_and_is_not_proposed_without_end() {
    let mut rig = Rig::alone();
    rig.ask();
    while rig.record().record.intent.is_none() {
        rig.step();
    }
    rig.crash(0);
    let left = rig.record();
    let mut next = Rig::over(rig.store.clone(), rig.world.clone(), Native::sensible());
    next.add_host(dry());
    next.ask();
    next.run(Millis::from_secs(3_600));
    assert_eq!(next.record(), left);
    assert!(vetoes(&next).len() < 150, "{}", vetoes(&next).len());
    assert!(next.up().is_empty());
}

#[test]
fn the_write_of_another_host_counts_more_than_the_shadow() {
    let store = MemoryStore::new(true);
    let mut rig = Rig::over(store, stale_pointer(), Native::sensible());
    rig.add_host(dry());
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    launch(&mut rig, "i-cccc", 7);
    let since = rig.now();
    rig.rewrite(|record| {
        record.generation = Generation::new(7);
        record.adopted = Some(Adopted {
            id: "i-cccc".into(),
            since,
            generation: Generation::new(7),
            how: How::Launched,
            unfinished_before: 0,
            launched_before: None,
            unknown: Default::default(),
        });
    });
    rig.place_pointer("i-cccc");
    rig.run(MINUTE + MINUTE);
    assert_eq!(rig.expect_served().as_str(), "i-cccc");
}
