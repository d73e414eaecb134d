//! Pausing a worker: nothing is changed for it, on any host and in any life, until it is resumed.

use super::*;
use crate::rig::prelude::*;

#[test]
fn a_paused_worker_is_served_until_its_instance_is_gone() {
    let mut rig = serving();
    let command = pause("the disk is being copied");
    assert_eq!(rig.command(command), Ok(CommandOutcome::Paused));
    rig.run(MINUTE);
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");

    rig.world.stop_elsewhere(&"i-bbbb".into()).unwrap();
    rig.run(MINUTE);
    let request = rig.ask();
    rig.run(MINUTE);
    let not_yet = rig.expect_not_yet_to(request);
    assert_eq!(not_yet.code, NotYetCode::Paused);
    assert!(
        not_yet.detail.contains("the disk is being copied"),
        "{not_yet:?}"
    );
    assert_eq!(rig.launched(), ["i-bbbb"]);
    let status = rig.core(0).status(&incidents::worker(), rig.now()).unwrap();
    assert_eq!(status.condition, "paused");
}

#[test]
fn a_paused_worker_is_not_launched_adopted_or_pointed_at_until_resumed() {
    let mut rig = Rig::alone();
    rig.command(pause("")).unwrap();
    assert_eq!(rig.expect_not_yet(MINUTE), NotYetCode::Paused);
    assert!(rig.launched().is_empty());

    // Neither what carries the tag nor what the pointer names is taken over.
    rig.world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    rig.world.place_pointer(&incidents::pointer(), "i-bbbb");
    assert_eq!(rig.expect_not_yet(MINUTE), NotYetCode::Paused);
    assert_eq!(rig.record().record.adopted, None);
    let intents = rig.journal(0).iter();
    let intents = intents.filter(|entry| matches!(entry.content, Content::Intent { .. }));
    assert_eq!(intents.count(), 0);

    assert_eq!(rig.command(Command::Resume), Ok(CommandOutcome::Resumed));
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
}

#[test]
fn the_next_resolve_after_a_resume_launches() {
    let mut rig = Rig::alone();
    rig.command(pause("")).unwrap();
    rig.ask();
    rig.run(MINUTE);
    rig.command(Command::Resume).unwrap();
    assert!(rig.launched().is_empty(), "no caller has asked yet");
    rig.ask();
    rig.run(MINUTE);
    rig.assert_settled();
}

#[test]
fn the_reap_policy_is_not_asked_about_a_paused_worker() {
    let mut rig = Rig::with_world(running_b(), Native::sensible());
    rig.ask_and_run(SECOND);
    rig.command(pause("")).unwrap();
    rig.read_no_demand();
    let decided = |rig: &Rig| {
        let entries = rig.journal(0).iter();
        let decided = entries.filter(|entry| matches!(entry.content, Content::Decided(_)));
        decided.count()
    };
    let before = decided(&rig);
    rig.run(Millis::from_secs(1200));
    assert_eq!(decided(&rig), before, "nothing was decided");
    assert_eq!(rig.count(MutationKind::Stop), 0);

    rig.command(Command::Resume).unwrap();
    rig.run(MINUTE);
    assert_eq!(rig.count(MutationKind::Stop), 1);
}

#[test]
fn a_pause_holds_in_the_next_life_and_on_the_other_host() {
    let mut rig = Rig::hosts(2);
    rig.command(pause("moving house")).unwrap();
    rig.restart();
    for host in [0, 1] {
        let request = rig.ask_of(host);
        rig.run(MINUTE);
        let not_yet = rig.expect_not_yet_to(request);
        assert_eq!(not_yet.code, NotYetCode::Paused, "host {host}");
        assert!(not_yet.detail.contains("moving house"), "{not_yet:?}");
    }
    assert!(rig.launched().is_empty());
    let paused = rig.record().record.paused.unwrap();
    assert_eq!(paused.by.as_str(), "host-1.1");
    assert_eq!(paused.since, BEGINS);

    assert_eq!(rig.command(Command::Resume), Ok(CommandOutcome::Resumed));
    rig.ask_of(1);
    rig.run(MINUTE);
    rig.assert_settled();
}

#[test]
fn a_host_that_has_not_heard_of_the_pause_changes_nothing_all_the_same() {
    let mut rig = Rig::hosts(2);
    // The other host is in the middle of a pass, and has read the record already.
    rig.ask_of(1);
    rig.command(pause("")).unwrap();
    rig.run(MINUTE);
    assert!(rig.launched().is_empty());
}

#[test]
fn a_second_pause_changes_only_the_reason_and_a_pause_without_one_nothing() {
    let mut rig = Rig::alone();
    rig.command(pause("first")).unwrap();
    let first = rig.record();
    rig.run(MINUTE);
    for reason in ["", "first"] {
        let told = rig.command(pause(reason));
        assert_eq!(told, Ok(CommandOutcome::AlreadyPaused));
    }
    assert_eq!(rig.record(), first, "nothing was written");
    let told = rig.command(pause("second"));
    assert_eq!(told, Ok(CommandOutcome::ReasonChanged));
    let paused = rig.record().record.paused.unwrap();
    assert_eq!(paused.reason.as_deref(), Some("second"));
    assert_eq!(paused.since, first.record.paused.unwrap().since);
}

#[test]
fn resuming_what_is_not_paused_is_a_success_that_writes_nothing() {
    let mut rig = Rig::hosts(1);
    let told = rig.command(Command::Resume);
    assert_eq!(told, Ok(CommandOutcome::NotPaused));
    assert_eq!(rig.record().version.get(), 0);
}

#[test]
fn a_launch_sent_before_the_pause_ends_and_its_outcome_is_written() {
    let mut rig = Rig::alone();
    rig.ask();
    while rig.launched().is_empty() {
        rig.step();
    }
    rig.command(pause("")).unwrap();
    rig.run(MINUTE);
    let record = rig.record().record;
    let launched = rig.launched();
    let adopted = record.adopted.map(|adopted| adopted.id.to_string());
    assert_eq!(adopted.as_ref(), launched.first());
    assert_eq!((record.intent, record.lease), (None, None));
    assert!(record.paused.is_some());
    assert_eq!(rig.world.pointer(&incidents::pointer()), None);
    assert_eq!(rig.expect_served().as_str(), launched[0]);

    rig.command(Command::Resume).unwrap();
    rig.run(MINUTE);
    rig.ask();
    rig.run(MINUTE);
    rig.assert_settled();
}

#[test]
fn an_unanswered_launch_is_sent_again_when_the_worker_is_resumed() {
    for restart in [false, true] {
        let mut rig = Rig::alone();
        rig.world.add_fault(lost_reply());
        rig.ask();
        while rig.record().record.intent.is_none() {
            rig.step();
        }
        rig.run(Millis::new(300));
        rig.command(pause("")).unwrap();
        if restart {
            rig.restart();
        }
        rig.run(MINUTE);
        assert_eq!(rig.expect_not_yet(MINUTE), NotYetCode::Paused);
        assert!(rig.launched().is_empty(), "restart: {restart}");

        rig.command(Command::Resume).unwrap();
        rig.run(MINUTE);
        rig.ask();
        rig.run(MINUTE);
        rig.assert_settled();
        assert_eq!(rig.record().record.generation.get(), 1);
    }
}
