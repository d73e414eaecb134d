//! A person moves the worker to an instance (`adopt`).

use super::*;
use crate::rig::estate::{Estate, OLD};
use reeve_core::guard::Rule;
use reeve_core::id::RequestId;
use reeve_core::instance::{TAG_FLEET, TAG_WORKER};
use reeve_core::request::Request;

fn adopt(id: &str) -> Command {
    Command::Adopt {
        instance: id.into(),
        by: Some("anna".to_owned()),
    }
}

/// A rig that serves B, next to C with these tags.
fn next_to(tags: &[(&str, &str)]) -> Rig {
    let mut rig = serving();
    rig.world.launch_with("i-cccc", tags, Boot::instant());
    rig.run(SECOND);
    rig
}

fn commanded(rig: &Rig) -> Vec<String> {
    let entries = rig.journal(0).iter();
    let commands = entries.filter_map(|entry| match &entry.content {
        Content::Commanded(command) => Some(command.to_string()),
        _ => None,
    });
    commands.collect()
}

#[test]
fn the_worker_moves_and_the_pointer_and_the_route_follow() {
    let mut rig = next_to(&[TAG]);
    assert_eq!(rig.command(adopt("i-cccc")), Ok(CommandOutcome::Adopted));
    rig.run(SECOND);
    assert_eq!(rig.pointer(), Some("i-cccc"));
    let route = rig
        .worker()
        .route
        .clone()
        .expect("it is published by itself");
    assert_eq!(route.instance.as_str(), "i-cccc");
    assert_eq!(rig.expect_served().as_str(), "i-cccc");
    assert_eq!(rig.told(Step::InstanceAdoptedByHand).len(), 1);
    assert_eq!(commanded(&rig), ["adopt i-cccc (asked by anna)"]);
    assert_eq!(
        rig.command(adopt("i-cccc")),
        Ok(CommandOutcome::AlreadyAdopted)
    );
    // The instance before was launched elsewhere: it is named, and lives on.
    rig.run(HOUR);
    assert_eq!(rig.told(Step::OrphanSeen).len(), 1);
    assert_eq!(rig.up(), ["i-bbbb".into(), "i-cccc".into()]);
    rig.restart();
    assert_eq!(rig.expect_served().as_str(), "i-cccc", "the record has it");
}

#[test]
fn the_former_instance_that_reeve_launched_ends_as_an_orphan() {
    let mut rig = Rig::alone();
    rig.ask_and_run(MINUTE);
    let launched = rig.expect_served();
    rig.world.launch_with("i-cccc", &[TAG], Boot::instant());
    assert_eq!(rig.command(adopt("i-cccc")), Ok(CommandOutcome::Adopted));
    rig.run(MINUTE);
    assert!(rig.up().contains(&launched), "not before its grace");
    rig.run(Millis::from_secs(700));
    assert_eq!(rig.up(), ["i-cccc".into()]);
}

#[test]
fn an_instance_without_the_workers_tag_is_adopted_if_it_belongs_to_nothing_else() {
    let mut rig = next_to(&[]);
    assert_eq!(rig.command(adopt("i-cccc")), Ok(CommandOutcome::Adopted));
    rig.run(HOUR);
    assert_eq!(rig.expect_served().as_str(), "i-cccc");
    assert_eq!(rig.pointer(), Some("i-cccc"));
}

#[test]
fn what_belongs_to_something_else_is_refused() {
    let foreign = [TAG, (TAG_FLEET, "blue")];
    let tagged = [(TAG.0, "another")];
    let launched = [OURS, (TAG_WORKER, "another")];
    for (tags, code) in [
        (&foreign[..], RefusedCode::InstanceForeign),
        (&tagged, RefusedCode::InstanceOfAnotherWorker),
        (&launched, RefusedCode::InstanceOfAnotherWorker),
    ] {
        let mut rig = next_to(tags);
        assert_eq!(refusal(rig.command(adopt("i-cccc"))), code, "{tags:?}");
        rig.run(MINUTE);
        assert_eq!(rig.pointer(), Some("i-bbbb"), "{tags:?}");
        assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    }
}

#[test]
fn what_does_not_run_or_is_not_shown_is_refused() {
    let mut rig = next_to(&[TAG]);
    rig.world.place_as_stopped(&"i-cccc".into());
    let refused = rig.command(adopt("i-cccc")).expect_err("it is stopped");
    assert_eq!(refused.code, RefusedCode::InstanceNotLive);
    assert!(
        refused.text.contains("start it, and ask again"),
        "{refused}"
    );
    rig.world.reclaim(&"i-cccc".into());
    let gone = rig.command(adopt("i-cccc"));
    assert_eq!(refusal(gone), RefusedCode::InstanceNotLive);
    let unknown = rig.command(adopt("i-dddd"));
    assert_eq!(refusal(unknown), RefusedCode::InstanceNotVisible);
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
}

#[test]
fn a_superseded_instance_is_refused() {
    let mut estate = Estate::alone();
    estate.launch_old();
    estate.run_to(MINUTE);
    let refused = estate.rig.command(adopt(OLD));
    assert_eq!(refusal(refused), RefusedCode::InstanceSuperseded);
    estate.assert_home();
}

#[test]
fn another_workers_adopted_instance_is_refused() {
    let mut spec = incidents::fleet();
    let mut other = spec.workers[&incidents::worker()].clone();
    other.tag_value = "other".to_owned();
    other.pointer = "/other".into();
    spec.workers.insert("other".into(), other);
    let mut world = World::new(1, BEGINS);
    // No tag says whose it is; the other worker's pointer does.
    world.launch_with("i-cccc", &[], Boot::instant());
    world.place_pointer(&"/other".into(), "i-cccc");
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    let mut rig = Rig::with_fleet(spec, world, Native::sensible());
    let resolve = Request::Resolve { wait: None };
    rig.submit(0, &"other".into(), RequestId::new(9_000), resolve);
    rig.run(MINUTE);
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    let refused = rig.command(adopt("i-cccc"));
    assert_eq!(refusal(refused), RefusedCode::InstanceOfAnotherWorker);
    let vetoed = rig.journal(0).iter().any(|entry| {
        matches!(&entry.content, Content::Vetoed(veto) if veto.rule == Rule::AdoptedElsewhere)
    });
    assert!(vetoed);
}

#[test]
fn a_worker_that_is_paused_or_being_changed_does_not_move() {
    let mut rig = next_to(&[TAG]);
    rig.command(pause("hands off")).unwrap();
    let refused = rig.command(adopt("i-cccc"));
    assert_eq!(refusal(refused), RefusedCode::Paused);
    let mut world = World::new(1, BEGINS);
    for _ in 0..30 {
        world.add_fault(lost_reply());
    }
    let mut rig = Rig::with_world(world, Native::sensible());
    rig.ask_and_run(MINUTE);
    rig.world.launch_with("i-cccc", &[], Boot::instant());
    let refused = rig.command(adopt("i-cccc"));
    assert_eq!(refusal(refused), RefusedCode::MutationInFlight);
}

#[test]
fn an_unreadable_instance_is_refused_and_nothing_has_changed() {
    use reeve_sim::world::{Asked, Trouble};
    let mut rig = next_to(&[TAG]);
    let mut trouble = Trouble::default();
    trouble.unanswered.insert(Asked::Instance);
    rig.world.set_trouble(trouble);
    let refused = rig.command(adopt("i-cccc"));
    assert_eq!(refusal(refused), RefusedCode::CloudUnreachable);
    assert_eq!(rig.pointer(), Some("i-bbbb"));
}

/// A rig that serves B and has read the pointer, next to C, whose pool follows the pointer or not.
fn with_pointer(follow_pointer: bool, tags: &[(&str, &str)]) -> Rig {
    let mut spec = incidents::fleet();
    for pool in spec.pools.values_mut() {
        pool.follow_pointer = follow_pointer;
    }
    let mut rig = Rig::with_fleet(spec, running_b(), Native::sensible());
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    rig.run(MINUTE);
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    rig.world.launch_with("i-cccc", tags, Boot::instant());
    rig
}

fn point_to_c(rig: &mut Rig) {
    rig.world.place_pointer(&incidents::pointer(), "i-cccc");
    rig.run(MINUTE);
    rig.ask_and_run(SECOND);
    rig.run(MINUTE);
    rig.ask_and_run(SECOND);
}

#[test]
fn a_persons_pointer_write_is_told_and_written_back() {
    let mut rig = with_pointer(false, &[TAG]);
    for writes in 1..3 {
        point_to_c(&mut rig);
        assert_eq!(rig.pointer(), Some("i-bbbb"));
        assert_eq!(rig.expect_served().as_str(), "i-bbbb");
        let told = rig.told(Step::PointerMoved);
        assert_eq!(told.len(), writes);
        assert!(told[0].text.contains("reeve worker adopt"), "{told:?}");
    }
}

#[test]
fn a_pool_that_follows_the_pointer_moves_the_worker() {
    let mut rig = with_pointer(true, &[TAG]);
    point_to_c(&mut rig);
    assert_eq!(rig.pointer(), Some("i-cccc"));
    assert_eq!(rig.expect_served().as_str(), "i-cccc");
    assert_eq!(rig.told(Step::PointerMoved).len(), 1);
    assert_eq!(commanded(&rig).len(), 1);
    rig.world.place_pointer(&incidents::pointer(), "i-bbbb");
    rig.run(MINUTE);
    rig.ask_and_run(SECOND);
    rig.run(MINUTE);
    assert_eq!(rig.expect_served().as_str(), "i-bbbb", "and back");
}

#[test]
fn a_pointer_to_anything_else_is_not_followed() {
    let foreign = [TAG, (TAG_FLEET, "blue")];
    for tags in [&foreign[..], &[]] {
        let mut rig = with_pointer(true, tags);
        point_to_c(&mut rig);
        assert_eq!(rig.expect_served().as_str(), "i-bbbb", "{tags:?}");
        assert_eq!(rig.pointer(), Some("i-bbbb"), "{tags:?}");
        assert!(rig.told(Step::PointerMoved).is_empty());
    }
}

#[test]
fn a_pointer_to_a_stopped_instance_is_not_followed() {
    let mut rig = with_pointer(true, &[TAG]);
    rig.world.place_as_stopped(&"i-cccc".into());
    point_to_c(&mut rig);
    assert_eq!(rig.pointer(), Some("i-bbbb"));
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
}

#[test]
fn a_paused_worker_does_not_follow_its_pointer() {
    let mut rig = with_pointer(true, &[TAG]);
    rig.command(pause("hands off")).unwrap();
    point_to_c(&mut rig);
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
}

#[test]
fn hosts_that_share_a_store_agree_on_the_move() {
    let mut rig = Rig::hosts(2);
    rig.world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    rig.world.launch_elsewhere("i-cccc", TAG, Boot::instant());
    let told = rig.command_to(1, adopt("i-cccc"));
    assert_eq!(told, Ok(CommandOutcome::Adopted));
    rig.run(HOUR);
    assert_eq!(rig.expect_served().as_str(), "i-cccc", "of the first host");
    assert_eq!(rig.pointer(), Some("i-cccc"));
}
