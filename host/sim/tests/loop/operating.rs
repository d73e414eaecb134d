//! Operators pause, resume and forget a worker: on one host, through a restart, and on all hosts that share
//! the store.

use crate::records::{Several, outage};
use crate::support::{BEGINS, Bench, Native};
use reeve_core::answer::{Answer, NotYet, NotYetCode};
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::Compute;
use reeve_core::fleet::Recovered;
use reeve_core::id::RequestId;
use reeve_core::instance::InstanceState;
use reeve_core::journal::Entry;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, Operated, Refused, RefusedCode};
use reeve_core::store::{Adopted, How, Write};
use reeve_core::time::Millis;
use reeve_core::worker::DemandReading;
use reeve_sim::host::Host;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::reeve::Reeve;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, Fault, World};

const SECOND: Millis = Millis::from_secs(1);
const MINUTE: Millis = Millis::from_secs(60);

type Told = Result<Operated, Refused>;

fn pause(reason: &str) -> Command {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Command::Pause { reason }
}

/// Gives a command to this host of several and expects to be told at once: the store answers at once.
#[track_caller]
fn operate(several: &mut Several, host: usize, command: Command) -> Told {
    told(&mut several.hosts[host], several.now, command)
}

#[track_caller]
fn told(host: &mut Reeve, now: reeve_core::time::Instant, command: Command) -> Told {
    host.operate(now, &incidents::worker(), RequestId::new(999), command);
    let [(request, told)] = host.take_reports().try_into().expect("one answer");
    assert_eq!(request, RequestId::new(999));
    told
}

#[track_caller]
fn refusal(told: Told) -> RefusedCode {
    told.expect_err("a refusal").code
}

#[track_caller]
fn turned_away(answer: Option<Answer>) -> NotYet {
    match answer {
        Some(Answer::NotYet(not_yet)) => not_yet,
        other => panic!("expected no address, got {other:?}"),
    }
}

#[track_caller]
fn assert_served(answer: Option<Answer>, id: &str) {
    match answer {
        Some(Answer::Served(route)) => assert_eq!(route.instance.as_str(), id),
        other => panic!("expected {id}, got {other:?}"),
    }
}

/// A host with a store of its own, and an instance that it serves.
fn serving() -> Several {
    let mut several = Several::alone();
    several
        .world
        .launch_elsewhere("i-bbbb", TAG, Boot::instant());
    let request = several.ask(0);
    several.run(SECOND);
    assert_served(several.answer(request), "i-bbbb");
    several
}

fn tokens(host: &Reeve) -> Vec<String> {
    let launches = host
        .journal()
        .iter()
        .filter_map(|record| match &record.entry {
            Entry::Intent {
                mutation: Mutation::Launch { token, .. },
                ..
            } => Some(token.to_string()),
            _ => None,
        });
    launches.collect()
}

#[test]
fn a_paused_worker_is_served_on_and_told_to_be_paused_when_its_instance_is_gone() {
    let mut several = serving();
    let command = pause("the disk is being copied");
    assert_eq!(operate(&mut several, 0, command), Ok(Operated::Paused));
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
        Ok(Operated::Resumed)
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
        Ok(Operated::Resumed)
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
        assert_eq!(told, Ok(Operated::AlreadyPaused));
    }
    assert_eq!(several.record(), first, "nothing was written");
    let told = operate(&mut several, 0, pause("second"));
    assert_eq!(told, Ok(Operated::ReasonChanged));
    let paused = several.record().record.paused.unwrap();
    assert_eq!(paused.reason.as_deref(), Some("second"));
    assert_eq!(paused.since, first.record.paused.unwrap().since);
}

#[test]
fn resuming_what_is_not_paused_is_a_success_that_writes_nothing() {
    let mut several = Several::new(1);
    let told = operate(&mut several, 0, Command::Resume);
    assert_eq!(told, Ok(Operated::NotPaused));
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

fn lost_reply() -> Fault {
    Fault {
        kind: MutationKind::Launch,
        carried_out: false,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    }
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

#[test]
fn a_worker_whose_record_another_host_is_writing_for_is_not_touched() {
    let mut several = Several::new(2);
    several.ask(0);
    while several.record().record.lease.is_none() {
        several.step();
    }
    for command in [pause(""), Command::Forget] {
        let refused = operate(&mut several, 1, command).unwrap_err();
        assert_eq!(refused.code, RefusedCode::LeaseHeld);
        assert!(refused.text.contains("host-0"), "{refused}");
    }
    assert_eq!(
        refusal(operate(&mut several, 0, Command::Forget)),
        RefusedCode::MutationInFlight
    );
    several.run(MINUTE);
    several.assert_settled();
}

#[test]
fn without_the_store_a_command_is_refused_and_works_when_it_is_back() {
    for shared in [true, false] {
        let mut several = match shared {
            true => Several::new(1),
            false => Several::alone(),
        };
        several.store.fail(Some(outage()));
        let refused = operate(&mut several, 0, pause("")).unwrap_err();
        assert_eq!(refused.code, RefusedCode::StoreUnreachable);
        several.store.fail(None);
        assert_eq!(operate(&mut several, 0, pause("")), Ok(Operated::Paused));
        assert!(several.record().record.paused.is_some());
    }
}

#[test]
fn a_host_that_changes_nothing_does_not_pause_either() {
    let mut spec = incidents::fleet();
    spec.dry_run = true;
    let mut host = Reeve::new(spec, Native::sensible());
    host.start(&mut World::new(1, BEGINS), BEGINS);
    for command in [pause(""), Command::Resume, Command::Forget] {
        let refused = refusal(told(&mut host, BEGINS, command));
        assert_eq!(refused, RefusedCode::DryRun);
    }
}

/// Lets another host's write come first.
fn overtake(store: &MemoryStore, reason: &str) {
    let worker = incidents::worker();
    let stored = store.read_now(&worker).unwrap().unwrap_or_default();
    let mut record = stored.record;
    record.adopted = Some(Adopted {
        id: reason.into(),
        generation: record.generation,
        since: BEGINS,
        how: How::Found,
        unfinished_before: 0,
    });
    let write = Write {
        worker,
        expected: stored.version,
        record,
        if_idle: None,
    };
    store.commit_now(&write).unwrap();
}

#[test]
fn a_write_that_is_lost_to_another_host_is_tried_once_more_on_what_that_host_wrote() {
    // A host that believes the store to be its own does not read first, and so loses its write.
    let mut several = Several::alone();
    overtake(&several.store, "i-theirs");
    assert_eq!(operate(&mut several, 0, pause("")), Ok(Operated::Paused));
    let record = several.record();
    assert_eq!(record.version.get(), 2);
    assert!(record.record.paused.is_some());
    let adopted = record.record.adopted.map(|adopted| adopted.id.to_string());
    assert_eq!(adopted.as_deref(), Some("i-theirs"));
}

#[test]
fn a_forgotten_worker_is_found_again_by_its_tag_and_epoch_and_generation_go_on() {
    let mut several = Several::new(1);
    several.ask(0);
    several.run(MINUTE);
    several.assert_settled();
    let launched = several.launched();
    let before = several.record().record;
    assert_eq!(
        operate(&mut several, 0, Command::Forget),
        Ok(Operated::Forgotten)
    );
    let forgotten = several.record().record;
    assert_eq!((forgotten.adopted, forgotten.last_error), (None, None));
    assert_eq!(forgotten.generation, before.generation);
    assert!(forgotten.epoch > before.epoch);
    let mutations = several.hosts[0].journal().len();

    let request = several.ask(0);
    several.run(SECOND);
    assert_served(several.answer(request), &launched[0]);
    let after = several.record().record;
    assert!(after.epoch > forgotten.epoch);
    assert_eq!(after.generation, before.generation);
    assert_eq!(several.launched(), launched, "nothing was changed for it");
    assert!(several.hosts[0].journal().len() > mutations);
    assert_eq!(tokens(&several.hosts[0]).len(), 1);
}

#[test]
fn the_next_launch_of_a_forgotten_worker_has_a_token_of_its_own() {
    let mut several = Several::new(2);
    several.ask(0);
    several.run(MINUTE);
    several.assert_settled();
    for id in several.launched() {
        let gone = Mutation::Terminate {
            region: "".into(),
            compute: Compute::Ec2,
            id: id.as_str().into(),
            clear_pointer: None,
        };
        several.world.apply(&gone).unwrap();
    }
    operate(&mut several, 1, Command::Forget).unwrap();
    // Until the cloud shows no tag any more that tells the generation.
    several.run(Millis::from_secs(7200));
    let [first] = tokens(&several.hosts[0]).try_into().unwrap();
    several.kill(1);
    several.kill(0);
    several.join("later-life");
    several.ask(0);
    several.run(MINUTE);
    let [second] = tokens(&several.hosts[0]).try_into().unwrap();
    assert_ne!(first, second);
    let record = several.record().record;
    assert_eq!(record.generation.get(), 2);
    assert!(record.adopted.is_some());
}

#[test]
fn forgetting_takes_the_last_failure_away_and_leaves_the_pause() {
    let mut several = Several::alone();
    several.world.fault(Fault {
        error: CloudErrorKind::NoCapacity,
        code: "InsufficientInstanceCapacity",
        ..lost_reply()
    });
    several.ask(0);
    several.run(SECOND);
    assert!(several.record().record.last_error.is_some());
    operate(&mut several, 0, pause("why")).unwrap();
    operate(&mut several, 0, Command::Forget).unwrap();
    let record = several.record().record;
    assert_eq!(record.last_error, None);
    assert_eq!(record.paused.unwrap().reason.as_deref(), Some("why"));
    assert_eq!(record.generation.get(), 1);
    let worker = incidents::worker();
    let worker = several.hosts[0].fleet().worker(&worker).unwrap();
    assert_eq!(worker.last_failure, None);
    assert!(worker.paused.is_some());
}

#[test]
fn a_forgotten_instance_that_was_handed_out_a_moment_ago_is_not_reaped_as_never_used() {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut bench = Bench::with_world(world, Native::sensible());
    bench.ask_and_run(SECOND);
    told(&mut bench.host, bench.now, Command::Forget).unwrap();
    let demand = DemandReading::Requests {
        count: 0,
        window: Millis::from_secs(600),
        until: bench.now,
    };
    bench
        .host
        .demand(&mut bench.world, bench.now, &incidents::worker(), demand);
    bench.run(MINUTE);
    assert_eq!(bench.count(MutationKind::Stop), 0);
    let state = bench.world.instances().next().unwrap().state;
    assert_eq!(state, InstanceState::Running);
}

#[test]
fn a_caller_who_waits_for_an_address_while_the_worker_is_forgotten_gets_it_all_the_same() {
    let mut bench = Bench::new(Native::sensible());
    let boot = Boot {
        pending: Millis::ZERO,
        address_after: Millis::new(1_500),
    };
    bench.world.launch_elsewhere("i-bbbb", TAG, boot);
    let request = bench.ask();
    // Adopted, the pointer written, and between two looks.
    bench.run(SECOND);
    told(&mut bench.host, bench.now, Command::Forget).unwrap();
    bench.run(Millis::from_secs(2));
    assert_served(bench.answer(request), "i-bbbb");
}

#[test]
fn a_command_and_its_answer_are_written_down_and_told() {
    let mut several = Several::alone();
    operate(&mut several, 0, pause("why")).unwrap();
    operate(&mut several, 0, Command::Resume).unwrap();
    operate(&mut several, 0, Command::Forget).unwrap();
    let journal = several.hosts[0].journal();
    let entries: Vec<_> = journal.iter().map(|record| record.entry.clone()).collect();
    let expected = [
        Entry::Commanded(pause("why")),
        Entry::Answered(Ok(Operated::Paused)),
        Entry::Commanded(Command::Resume),
        Entry::Answered(Ok(Operated::Resumed)),
        Entry::Commanded(Command::Forget),
        Entry::Answered(Ok(Operated::Forgotten)),
    ];
    assert_eq!(entries, expected);
    assert_eq!(journal[0].decision, journal[1].decision);
    assert!(journal[1].decision < journal[2].decision);
    let notices = several.hosts[0].notices().iter();
    let steps: Vec<_> = notices.map(|notice| notice.step).collect();
    assert_eq!(
        steps,
        [
            Step::WorkerPaused,
            Step::WorkerResumed,
            Step::WorkerForgotten
        ]
    );
}

#[test]
fn commands_given_at_once_are_followed_one_after_the_other() {
    let store = MemoryStore::new(true);
    let mut host = Reeve::sharing(
        incidents::fleet(),
        Native::sensible(),
        store.clone(),
        "host",
        Recovered::default(),
    );
    host.start(&mut World::new(1, BEGINS), BEGINS);
    let commands = [
        pause("a"),
        pause("b"),
        Command::Resume,
        Command::Resume,
        Command::Forget,
    ];
    for (number, command) in (1..).zip(commands) {
        let request = RequestId::new(number);
        host.operate(BEGINS, &incidents::worker(), request, command);
    }
    let told: Vec<_> = host.take_reports().into_iter().map(|(_, it)| it).collect();
    let expected = [
        Operated::Paused,
        Operated::ReasonChanged,
        Operated::Resumed,
        Operated::NotPaused,
        Operated::Forgotten,
    ];
    assert_eq!(told, expected.map(Ok));
}
