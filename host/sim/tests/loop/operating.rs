//! Operators pause, resume and forget a worker: on one host, through a restart, and on all hosts that share
//! the store.

mod forgetting;
mod pausing;

use crate::records::{Several, outage};
use crate::support::{BEGINS, Bench, Native};
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::Compute;
use reeve_core::demand::DemandReading;
use reeve_core::fleet::Recovered;
use reeve_core::id::RequestId;
use reeve_core::instance::InstanceState;
use reeve_core::journal::Entry;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome, Refused, RefusedCode};
use reeve_core::response::{NotYet, NotYetCode, Resolution};
use reeve_core::store::{Adopted, How, Write};
use reeve_core::time::Millis;
use reeve_sim::host::Host;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::reeve::Reeve;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, Fault, World};

const SECOND: Millis = Millis::from_secs(1);
const MINUTE: Millis = Millis::from_secs(60);

type Told = Result<CommandOutcome, Refused>;

fn pause(reason: &str) -> Command {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Command::Pause { reason }
}

/// A launch whose reply never comes, and that was not carried out.
fn lost_reply() -> Fault {
    Fault {
        kind: MutationKind::Launch,
        carried_out: false,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    }
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
fn turned_away(answer: Option<Resolution>) -> NotYet {
    match answer {
        Some(Resolution::NotYet(not_yet)) => not_yet,
        other => panic!("expected no address, got {other:?}"),
    }
}

#[track_caller]
fn assert_served(answer: Option<Resolution>, id: &str) {
    match answer {
        Some(Resolution::Served(route)) => assert_eq!(route.instance.as_str(), id),
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
        assert_eq!(
            operate(&mut several, 0, pause("")),
            Ok(CommandOutcome::Paused)
        );
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
    assert_eq!(
        operate(&mut several, 0, pause("")),
        Ok(CommandOutcome::Paused)
    );
    let record = several.record();
    assert_eq!(record.version.get(), 2);
    assert!(record.record.paused.is_some());
    let adopted = record.record.adopted.map(|adopted| adopted.id.to_string());
    assert_eq!(adopted.as_deref(), Some("i-theirs"));
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
        Entry::Answered(Ok(CommandOutcome::Paused)),
        Entry::Commanded(Command::Resume),
        Entry::Answered(Ok(CommandOutcome::Resumed)),
        Entry::Commanded(Command::Forget),
        Entry::Answered(Ok(CommandOutcome::Forgotten)),
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
        CommandOutcome::Paused,
        CommandOutcome::ReasonChanged,
        CommandOutcome::Resumed,
        CommandOutcome::NotPaused,
        CommandOutcome::Forgotten,
    ];
    assert_eq!(told, expected.map(Ok));
}
