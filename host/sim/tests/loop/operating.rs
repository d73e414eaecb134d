//! Operators pause, resume and forget a worker: on one host, through a restart, and on all hosts
//! that share the store.

mod forgetting;
mod moving;
mod pausing;

use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::Compute;
use reeve_core::instance::InstanceState;
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome, Refused, RefusedCode};
use reeve_core::response::NotYetCode;
use reeve_core::store::{Adopted, How, Write};
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, Fault};

type Told = Result<CommandOutcome, Refused>;

/// A launch whose reply never comes, and that was not carried out.
fn lost_reply() -> Fault {
    Fault {
        kind: MutationKind::Launch,
        carried_out: false,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    }
}

#[track_caller]
fn refusal(told: Told) -> RefusedCode {
    told.expect_err("a refusal").code
}

/// A host with a store of its own, and an instance that it serves.
fn serving() -> Rig {
    let mut rig = Rig::alone();
    rig.world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    rig
}

fn tokens(rig: &Rig) -> Vec<String> {
    let launches = rig
        .journal(0)
        .iter()
        .filter_map(|entry| match &entry.content {
            Content::Intent {
                mutation: Mutation::Launch { token, .. },
                ..
            } => Some(token.to_string()),
            _ => None,
        });
    launches.collect()
}

#[test]
fn a_worker_whose_record_another_host_is_writing_for_is_not_touched() {
    let mut rig = Rig::hosts(2);
    rig.ask();
    while rig.record().record.lease.is_none() {
        rig.step();
    }
    for command in [pause(""), Command::Forget] {
        let refused = rig.command_to(1, command).unwrap_err();
        assert_eq!(refused.code, RefusedCode::LeaseHeld);
        assert!(refused.text.contains("host-1.1"), "{refused}");
    }
    assert_eq!(
        refusal(rig.command(Command::Forget)),
        RefusedCode::MutationInFlight
    );
    rig.run(MINUTE);
    rig.assert_settled();
}

#[test]
fn without_the_store_a_command_is_refused_and_works_when_it_is_back() {
    for shared in [true, false] {
        let mut rig = match shared {
            true => Rig::hosts(1),
            false => Rig::alone(),
        };
        rig.store.fail(Some(outage()));
        let refused = rig.command(pause("")).unwrap_err();
        assert_eq!(refused.code, RefusedCode::StoreUnreachable);
        rig.store.fail(None);
        assert_eq!(rig.command(pause("")), Ok(CommandOutcome::Paused));
        assert!(rig.record().record.paused.is_some());
    }
}

#[test]
fn a_host_that_changes_nothing_does_not_pause_either() {
    let mut spec = incidents::fleet();
    spec.dry_run = true;
    let mut rig = Rig::with_fleet(spec, World::new(1, BEGINS), Native::sensible());
    for command in [pause(""), Command::Resume, Command::Forget] {
        let refused = refusal(rig.command(command));
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
        launched_before: None,
        unknown: Default::default(),
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
fn a_write_lost_to_another_host_is_tried_again_on_that_hosts_record() {
    // A host that believes the store to be its own does not read first, and so loses its write.
    let mut rig = Rig::alone();
    overtake(&rig.store, "i-theirs");
    assert_eq!(rig.command(pause("")), Ok(CommandOutcome::Paused));
    let record = rig.record();
    assert_eq!(record.version.get(), 2);
    assert!(record.record.paused.is_some());
    let adopted = record.record.adopted.map(|adopted| adopted.id.to_string());
    assert_eq!(adopted.as_deref(), Some("i-theirs"));
}

#[test]
fn a_command_and_its_answer_are_written_down_and_told() {
    let mut rig = Rig::alone();
    rig.command(pause("why")).unwrap();
    rig.command(Command::Resume).unwrap();
    rig.command(Command::Forget).unwrap();
    let journal = rig.journal(0);
    let entries: Vec<_> = journal.iter().map(|entry| entry.content.clone()).collect();
    let expected = [
        Content::Commanded(pause("why")),
        Content::Answered(Ok(CommandOutcome::Paused)),
        Content::Commanded(Command::Resume),
        Content::Answered(Ok(CommandOutcome::Resumed)),
        Content::Commanded(Command::Forget),
        Content::Answered(Ok(CommandOutcome::Forgotten)),
    ];
    assert_eq!(entries, expected);
    assert_eq!(journal[0].decision, journal[1].decision);
    assert!(journal[1].decision < journal[2].decision);
    let from: Vec<_> = journal.iter().map(|entry| entry.from.is_some()).collect();
    assert_eq!(from, [true, false, true, false, true, false]);
    for notice in rig.notices(0) {
        let text = &notice.text;
        assert!(text.contains("(the token of an operator)"), "{text}");
    }
    let notices = rig.notices(0).iter();
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
    let mut rig = Rig::hosts(1);
    let commands = [
        pause("a"),
        pause("b"),
        Command::Resume,
        Command::Resume,
        Command::Forget,
    ];
    let told = commands.map(|command| rig.command(command));
    let expected = [
        CommandOutcome::Paused,
        CommandOutcome::ReasonChanged,
        CommandOutcome::Resumed,
        CommandOutcome::NotPaused,
        CommandOutcome::Forgotten,
    ];
    assert_eq!(told, expected.map(Ok));
}
