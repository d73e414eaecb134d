use super::*;
use crate::facts::WorkerFacts;
use crate::guard::tests::{NOW, adopt, instance, worker};
use crate::model::id::Generation;
use crate::model::instance::{InstanceState, TAG_FLEET, TAG_GENERATION, TAG_WORKER};
use crate::model::time::Millis;

const ONE: &str = "i-one";

/// A reading of a running instance whose tag says this of its fleet.
fn of_fleet(fleet: Option<&str>) -> Instance {
    let mut reading = instance(ONE, InstanceState::Running);
    reading.tags.remove(TAG_FLEET);
    let tag = fleet.map(|fleet| (TAG_FLEET.to_owned(), fleet.to_owned()));
    reading.tags.extend(tag);
    reading
}

fn seen(readings: &[(Instance, u64)]) -> WorkerFacts {
    let mut worker = worker();
    for (reading, after_ms) in readings {
        worker.observe_instance(reading.clone(), NOW + Millis::new(*after_ms));
    }
    worker
}

#[test]
fn the_fleets_tag_says_whose_an_instance_is() {
    let worker = worker();
    let foreign = Owner::Foreign("other".to_owned());
    for (fleet, owner) in [
        (Some("test"), Owner::Ours),
        (Some("other"), foreign),
        (None, Owner::Unclaimed),
    ] {
        assert_eq!(worker.owner(&of_fleet(fleet)), owner);
    }
}

#[test]
fn the_instance_that_the_record_says_we_launched_is_ours_before_its_tags_are_shown() {
    let mut worker = seen(&[(of_fleet(None), 0)]);
    adopt(&mut worker, ONE);
    assert_eq!(worker.owner(&of_fleet(None)), Owner::Unclaimed, "found");
    worker.adopted.as_mut().unwrap().how = How::Launched;
    assert_eq!(worker.owner(&of_fleet(None)), Owner::Ours);
    let foreign = Owner::Foreign("other".to_owned());
    assert_eq!(worker.owner(&of_fleet(Some("other"))), foreign);
}

#[test]
fn an_instance_of_another_fleet_is_no_candidate_even_if_the_pointer_names_it() {
    for (fleet, is_candidate) in [(None, true), (Some("test"), true), (Some("other"), false)] {
        let mut worker = seen(&[(of_fleet(fleet), 0)]);
        worker.pointer = Some(Some(ONE.into()));
        assert_eq!(worker.candidates().len(), usize::from(is_candidate));
        assert_eq!(worker.owns(&ONE.into()), is_candidate);
    }
}

#[test]
fn another_fleets_generation_counts_for_nothing() {
    let mut foreign = of_fleet(Some("other"));
    for (key, value) in [(TAG_WORKER, "gpu"), (TAG_GENERATION, "9")] {
        foreign.tags.insert(key.to_owned(), value.to_owned());
    }
    let mut worker = worker();
    let before = worker.generation;
    worker.observe_scan(vec![foreign.clone()], NOW);
    assert_eq!(worker.generation, before);
    foreign.tags.insert(TAG_FLEET.to_owned(), "test".to_owned());
    worker.observe_scan(vec![foreign], NOW + Millis::new(1));
    assert_eq!(worker.generation, Generation::new(9));
}

#[test]
fn a_lost_tag_counts_after_its_grace_and_not_if_a_reading_shows_it_again() {
    let mut bare = of_fleet(Some("test"));
    bare.tags.remove("Name");
    let tagged = of_fleet(Some("test"));
    let grace = worker().pool.limits.not_visible_grace.get();
    for (readings, is_lost) in [
        (
            vec![
                (tagged.clone(), 0),
                (bare.clone(), 1),
                (bare.clone(), grace),
            ],
            false,
        ),
        (
            vec![
                (tagged.clone(), 0),
                (bare.clone(), 1),
                (bare.clone(), grace + 1),
            ],
            true,
        ),
        (
            vec![
                (tagged.clone(), 0),
                (bare.clone(), 1),
                (tagged.clone(), 2),
                (bare.clone(), grace + 1),
            ],
            false,
        ),
        // An instance that was adopted by the pointer never had the tag.
        (vec![(bare.clone(), 0), (bare.clone(), grace + 1)], false),
    ] {
        let mut worker = seen(&readings);
        adopt(&mut worker, ONE);
        assert_eq!(worker.adopted_outside().is_some(), is_lost, "{readings:?}");
        assert_eq!(worker.owns(&ONE.into()), !is_lost);
    }
}

#[test]
fn an_instance_that_names_another_worker_or_fleet_is_outside_at_once() {
    let mut of_another = of_fleet(Some("test"));
    of_another
        .tags
        .insert("Name".to_owned(), "chat-worker".to_owned());
    for reading in [of_another, of_fleet(Some("other"))] {
        let mut worker = seen(&[(of_fleet(Some("test")), 0), (reading, 1)]);
        adopt(&mut worker, ONE);
        assert!(worker.adopted_outside().is_some());
    }
}
