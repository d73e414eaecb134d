//! Pausing a worker: nothing is changed for it, on any host and in any life, until it is resumed.

use super::*;

#[test]
fn a_paused_worker_is_served_on_and_told_to_be_paused_when_its_instance_is_gone() {
    let mut several = serving();
    let command = pause("the disk is being copied");
    assert_eq!(
        operate(&mut several, 0, command),
        Ok(CommandOutcome::Paused)
    );
    several.run(MINUTE);
    let request = several.ask(0);
    several.run(SECOND);
    assert_served(several.answer(request), "i-bbbb");

    several.world.stop_elsewhere(&"i-bbbb".into());
    several.run(MINUTE);
    let request = several.ask(0);
    several.run(MINUTE);
    let not_yet = turned_away(several.answer(request));
    assert_eq!(not_yet.code, NotYetCode::Paused);
    assert!(
        not_yet.detail.contains("the disk is being copied"),
        "{not_yet:?}"
    );
    assert_eq!(several.launched(), ["i-bbbb"]);
    let status = several.hosts[0]
        .fleet()
        .status(&incidents::worker(), several.now)
        .unwrap();
    assert_eq!(status.condition, "paused");
}

#[test]
fn nothing_is_launched_adopted_or_pointed_at_for_a_paused_worker_until_it_is_resumed() {
    let mut several = Several::alone();
    operate(&mut several, 0, pause("")).unwrap();
    let request = several.ask(0);
    several.run(MINUTE);
    assert_eq!(
        turned_away(several.answer(request)).code,
        NotYetCode::Paused
    );
    assert!(several.launched().is_empty());

    // Neither what carries the tag nor what the pointer names is taken over.
    several
        .world
        .launch_elsewhere("i-bbbb", TAG, Boot::instant());
    several.world.place_pointer(&incidents::pointer(), "i-bbbb");
    let request = several.ask(0);
    several.run(MINUTE);
    assert_eq!(
        turned_away(several.answer(request)).code,
        NotYetCode::Paused
    );
    assert_eq!(several.record().record.adopted, None);
    let intents = several.hosts[0].journal().iter();
    let intents = intents.filter(|record| matches!(record.entry, Entry::Intent { .. }));
    assert_eq!(intents.count(), 0);

    assert_eq!(
        operate(&mut several, 0, Command::Resume),
        Ok(CommandOutcome::Resumed)
    );
    let request = several.ask(0);
    several.run(SECOND);
    assert_served(several.answer(request), "i-bbbb");
}

#[test]
fn the_next_resolve_after_a_resume_launches() {
    let mut several = Several::alone();
    operate(&mut several, 0, pause("")).unwrap();
    several.ask(0);
    several.run(MINUTE);
    operate(&mut several, 0, Command::Resume).unwrap();
    assert!(several.launched().is_empty(), "nobody has asked yet");
    several.ask(0);
    several.run(MINUTE);
    several.assert_settled();
}

#[test]
fn the_reap_policy_is_not_asked_about_a_paused_worker() {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut bench = Bench::with_world(world, Native::sensible());
    bench.ask_and_run(SECOND);
    told(&mut bench.host, bench.now, pause("")).unwrap();
    let demand = DemandReading::Requests {
        count: 0,
        window: Millis::from_secs(600),
        until: bench.now,
    };
    bench
        .host
        .demand(&mut bench.world, bench.now, &incidents::worker(), demand);
    let entries = bench.host.journal().len();
    bench.run(Millis::from_secs(1200));
    assert_eq!(bench.host.journal().len(), entries, "nothing was decided");
    assert_eq!(bench.count(MutationKind::Stop), 0);

    told(&mut bench.host, bench.now, Command::Resume).unwrap();
    bench.run(MINUTE);
    assert_eq!(bench.count(MutationKind::Stop), 1);
}

#[test]
fn a_pause_holds_in_the_next_life_and_on_the_other_host() {
    let mut several = Several::new(2);
    operate(&mut several, 0, pause("moving house")).unwrap();
    several.kill(0);
    several.join("second-life");
    for host in [0, 1] {
        let request = several.ask(host);
        several.run(MINUTE);
        let not_yet = turned_away(several.answer(request));
        assert_eq!(not_yet.code, NotYetCode::Paused, "host {host}");
        assert!(not_yet.detail.contains("moving house"), "{not_yet:?}");
    }
    assert!(several.launched().is_empty());
    let paused = several.record().record.paused.unwrap();
    assert_eq!(paused.by.as_str(), "host-0");
    assert_eq!(paused.since, BEGINS);

    assert_eq!(
        operate(&mut several, 0, Command::Resume),
        Ok(CommandOutcome::Resumed)
    );
    several.ask(1);
    several.run(MINUTE);
    several.assert_settled();
}

#[test]
fn a_host_that_has_not_heard_of_the_pause_changes_nothing_all_the_same() {
    let mut several = Several::new(2);
    // The other host is in the middle of a pass, and has read the record already.
    several.ask(1);
    operate(&mut several, 0, pause("")).unwrap();
    several.run(MINUTE);
    assert!(several.launched().is_empty());
}

#[test]
fn a_second_pause_changes_only_the_reason_and_a_pause_without_one_nothing() {
    let mut several = Several::alone();
    operate(&mut several, 0, pause("first")).unwrap();
    let first = several.record();
    several.run(MINUTE);
    for reason in ["", "first"] {
        let told = operate(&mut several, 0, pause(reason));
        assert_eq!(told, Ok(CommandOutcome::AlreadyPaused));
    }
    assert_eq!(several.record(), first, "nothing was written");
    let told = operate(&mut several, 0, pause("second"));
    assert_eq!(told, Ok(CommandOutcome::ReasonChanged));
    let paused = several.record().record.paused.unwrap();
    assert_eq!(paused.reason.as_deref(), Some("second"));
    assert_eq!(paused.since, first.record.paused.unwrap().since);
}

#[test]
fn resuming_what_is_not_paused_is_a_success_that_writes_nothing() {
    let mut several = Several::new(1);
    let told = operate(&mut several, 0, Command::Resume);
    assert_eq!(told, Ok(CommandOutcome::NotPaused));
    assert_eq!(several.record().version.get(), 0);
}

#[test]
fn a_launch_that_was_sent_before_the_pause_comes_to_its_end_and_its_outcome_is_written() {
    let mut several = Several::alone();
    several.ask(0);
    while several.launched().is_empty() {
        several.step();
    }
    operate(&mut several, 0, pause("")).unwrap();
    several.run(MINUTE);
    let record = several.record().record;
    let launched = several.launched();
    let adopted = record.adopted.map(|adopted| adopted.id.to_string());
    assert_eq!(adopted.as_ref(), launched.first());
    assert_eq!((record.intent, record.lease), (None, None));
    assert!(record.paused.is_some());
    assert_eq!(several.world.pointer(&incidents::pointer()), None);
    let request = several.ask(0);
    several.run(SECOND);
    assert_served(several.answer(request), &launched[0]);

    operate(&mut several, 0, Command::Resume).unwrap();
    several.run(MINUTE);
    several.ask(0);
    several.run(MINUTE);
    several.assert_settled();
}

#[test]
fn an_unanswered_launch_is_sent_again_when_the_worker_is_resumed_and_not_before() {
    for restart in [false, true] {
        let mut several = Several::alone();
        several.world.fault(lost_reply());
        several.ask(0);
        while several.record().record.intent.is_none() {
            several.step();
        }
        several.run(Millis::new(300));
        operate(&mut several, 0, pause("")).unwrap();
        if restart {
            several.kill(0);
            several.join("second-life");
        }
        several.run(MINUTE);
        let request = several.ask(0);
        several.run(MINUTE);
        assert_eq!(
            turned_away(several.answer(request)).code,
            NotYetCode::Paused
        );
        assert!(several.launched().is_empty(), "restart: {restart}");

        operate(&mut several, 0, Command::Resume).unwrap();
        several.run(MINUTE);
        several.ask(0);
        several.run(MINUTE);
        several.assert_settled();
        assert_eq!(several.record().record.generation.get(), 1);
    }
}
