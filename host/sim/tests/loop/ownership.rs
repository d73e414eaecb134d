//! Whose an instance is: those of another fleet are left alone, those of no fleet are not ended
//! before they were adopted, and an adopted one that loses its tags is given up.

use crate::rig::prelude::*;
use reeve_core::cloud::MutationKind;
use reeve_core::guard::Rule;
use reeve_core::id::InstanceId;
use reeve_core::instance::{TAG_FLEET, TAG_GENERATION, TAG_WORKER};
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::spec::OrphanRule;

/// The grace of a lost tag.
const GRACE: Millis = Millis::from_secs(300);

/// A rig whose pool has this rule.
fn rig_with(rule: OrphanRule, world: World) -> Rig {
    let mut spec = incidents::fleet();
    for pool in spec.pools.values_mut() {
        pool.orphans = rule;
        pool.terminate_adopted = true;
    }
    Rig::with_fleet(spec, world, Native::sensible())
}

/// A world with an instance of another fleet that has the same worker's name and tag.
fn with_foreign() -> (World, InstanceId) {
    let mut world = World::new(1, BEGINS);
    let worker = incidents::worker().to_string();
    let marks = [
        (TAG_FLEET, "blue"),
        (TAG_WORKER, worker.as_str()),
        (TAG_GENERATION, "40"),
    ];
    let id = world.launch_tagged("i-blue", TAG, &marks);
    world.advance(BEGINS);
    (world, id)
}

fn vetoes(rig: &Rig) -> Vec<Rule> {
    let entries = rig.journal(0).iter();
    let vetoes = entries.filter_map(|entry| match &entry.content {
        Content::Vetoed(veto) => Some(veto.rule),
        _ => None,
    });
    vetoes.collect()
}

/// Callers ask once a minute for so many minutes; the instance of the last answer.
fn ask_for(rig: &mut Rig, minutes: u32) -> Option<InstanceId> {
    let mut served = None;
    for _ in 0..minutes {
        let request = rig.ask();
        rig.run(MINUTE);
        if let Some(reeve_core::response::Resolution::Served(route)) = rig.resolution(request) {
            served = Some(route.instance);
        }
    }
    served
}

#[test]
fn an_instance_of_another_fleet_is_never_touched_and_told_of_once() {
    for pointed in [false, true] {
        let (mut world, foreign) = with_foreign();
        if pointed {
            world.place_pointer(&incidents::pointer(), foreign.as_str());
        }
        let mut rig = rig_with(OrphanRule::EndUnclaimed, world);
        let own = ask_for(&mut rig, 5).expect("a caller is served");
        assert_eq!(vetoes(&rig), []);
        rig.read_no_demand();
        rig.run(HOUR);
        assert_ne!(own, foreign);
        let touched = |it: &reeve_core::cloud::Mutation| it.instance() == Some(&foreign);
        assert!(!rig.mutations().iter().any(touched));
        assert_eq!(
            rig.told(Step::InstanceForeign).len(),
            1,
            "pointed: {pointed}"
        );
        let fields = &rig.told(Step::InstanceForeign)[0].fields;
        assert!(fields.contains(&("fleet".to_owned(), "blue".to_owned())));
        assert_eq!(rig.count(MutationKind::Launch), 1);
        assert!(rig.up().contains(&foreign));
        // The other fleet's generation counts for nothing.
        assert!(rig.worker().generation.get() < 40);
    }
}

#[test]
fn an_unclaimed_instance_is_told_of_and_left_running_unless_the_pool_says_so() {
    for (rule, is_ended) in [
        (OrphanRule::EndOurs, false),
        (OrphanRule::EndUnclaimed, true),
        (OrphanRule::Leave, false),
    ] {
        let mut rig = rig_with(rule, running_b());
        ask_for(&mut rig, 1);
        let spare = rig.world.launch_tagged("i-spare", TAG, &[]);
        ask_for(&mut rig, 30);
        assert_eq!(!rig.up().contains(&spare), is_ended, "{rule:?}");
        let told = rig.told(Step::OrphanSeen);
        assert_eq!(told.len(), 1, "{rule:?}");
        assert_eq!(told[0].text.contains("left running"), !is_ended);
        assert_eq!(vetoes(&rig), [], "{rule:?}");
    }
}

#[test]
fn an_orphan_of_ours_lives_on_only_where_the_pool_leaves_it() {
    for (rule, is_ended) in [(OrphanRule::EndOurs, true), (OrphanRule::Leave, false)] {
        let mut rig = rig_with(rule, running_b());
        ask_for(&mut rig, 1);
        let old = rig.world.launch_tagged("i-old", TAG, &[OURS]);
        ask_for(&mut rig, 30);
        assert_eq!(!rig.up().contains(&old), is_ended, "{rule:?}");
    }
}

#[test]
fn an_adopted_instance_that_loses_its_tag_is_given_up_after_its_grace_and_replaced() {
    let mut rig = Rig::alone();
    let lost = ask_for(&mut rig, 2).expect("a caller is served");
    rig.world.retag(&lost, TAG.0, None);
    let still = ask_for(&mut rig, 4);
    assert_eq!(still.as_ref(), Some(&lost), "within {GRACE}");
    let next = ask_for(&mut rig, 6).expect("a caller is served");
    assert_ne!(next, lost);
    assert_eq!(rig.told(Step::TagLost).len(), 1);
    assert_eq!(rig.pointer(), Some(next.as_str()));
    rig.run(HOUR);
    assert!(rig.launched().contains(&lost.to_string()));
    let touched = |it: &reeve_core::cloud::Mutation| {
        it.instance() == Some(&lost) && it.kind() != MutationKind::WritePointer
    };
    assert!(!rig.mutations().iter().any(touched), "it is left as it is");
}

#[test]
fn an_adopted_instance_that_another_worker_or_fleet_gets_is_given_up_at_once() {
    for (key, value) in [(TAG.0, "another-worker"), (TAG_FLEET, "blue")] {
        let mut rig = Rig::alone();
        let lost = ask_for(&mut rig, 2).expect("a caller is served");
        rig.world.retag(&lost, key, Some(value));
        rig.run(MINUTE);
        let next = ask_for(&mut rig, 3).expect("a caller is served");
        assert_ne!(next, lost, "{key}");
        assert_eq!(rig.told(Step::TagLost).len(), 1, "{key}");
    }
}

#[test]
fn a_stopped_instance_that_another_fleet_gets_is_not_started() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    ask_for(&mut rig, 2);
    let id = InstanceId::from("i-aaaa");
    rig.world.stop_elsewhere(&id).unwrap();
    rig.run(MINUTE);
    rig.world.retag(&id, TAG_FLEET, Some("blue"));
    let next = ask_for(&mut rig, 5).expect("a caller is served");
    assert_ne!(next, id);
    assert_eq!(rig.count(MutationKind::Start), 1, "the one before");
}
