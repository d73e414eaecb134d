//! The version of the launch template is resolved before a launch is first sent, and stored with
//! it, so that every replay is the same request (G1).

use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::LaunchSource;
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::response::NotYetCode;
use reeve_sim::world::{Asked, Fault, Trouble};

/// The template versions of the launches that were announced, in order.
fn versions(rig: &Rig, host: usize) -> Vec<u64> {
    let entries = rig.journal(host).iter();
    let launches = entries.filter_map(|entry| match &entry.content {
        Content::Intent {
            mutation:
                Mutation::Launch {
                    source: LaunchSource::LaunchTemplateVersion(at),
                    ..
                },
            ..
        } => Some(at.version),
        _ => None,
    });
    launches.collect()
}

fn lost_reply() -> Fault {
    Fault {
        kind: MutationKind::Launch,
        carried_out: true,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    }
}

fn unresolved(rig: &mut Rig, is: bool) {
    let mut trouble = Trouble::default();
    if is {
        trouble.unanswered.insert(Asked::TemplateVersion);
    }
    rig.world.set_trouble(trouble);
}

#[test]
fn a_replay_is_of_the_version_that_the_first_try_had() {
    let mut rig = Rig::alone();
    rig.world.change_templates();
    rig.world.add_fault(lost_reply());
    rig.ask();
    while versions(&rig, 0).is_empty() {
        rig.step();
    }
    rig.world.change_templates();
    rig.run(MINUTE);
    assert_eq!(versions(&rig, 0), [2, 2]);
    assert_eq!(rig.launched().len(), 1);
    rig.expect_served();
}

#[test]
fn another_host_replays_the_version_that_the_record_has() {
    let mut rig = Rig::hosts(2);
    rig.world.add_fault(lost_reply());
    rig.ask();
    while versions(&rig, 0).is_empty() {
        rig.step();
    }
    rig.crash(0);
    rig.world.change_templates();
    rig.ask_of(1);
    rig.run(MINUTE + MINUTE);
    assert_eq!(versions(&rig, 1), [1]);
    assert_eq!(rig.launched().len(), 1);
}

#[test]
fn the_next_launch_is_of_the_version_of_its_time() {
    let mut rig = Rig::alone();
    rig.ask();
    rig.run(MINUTE);
    let id = rig.expect_served();
    rig.world.change_templates();
    rig.world.reclaim(&id);
    rig.run(MINUTE);
    rig.ask();
    rig.run(MINUTE);
    assert_eq!(versions(&rig, 0), [1, 2]);
}

#[test]
fn a_version_that_cannot_be_read_costs_nothing_and_is_read_again() {
    let mut rig = Rig::alone();
    unresolved(&mut rig, true);
    let code = rig.expect_not_yet(MINUTE);
    assert_ne!(code, NotYetCode::Launching);
    rig.ask_and_run(MINUTE);
    assert_eq!(rig.count(MutationKind::Launch), 0);
    let record = rig.record().record;
    assert!(record.ledger.is_empty());
    assert_eq!(record.generation.get(), 0);
    let error = record.last_error.expect("it is in the record");
    assert!(error.text.contains("TemplateVersion"), "{error:?}");
    // A minute of pauses that double are six tries or so.
    let tries = rig.told(Step::LaunchFailed).len();
    assert!((2..=12).contains(&tries), "{tries}");
    unresolved(&mut rig, false);
    rig.run(MINUTE);
    rig.ask();
    rig.run(MINUTE + MINUTE);
    rig.expect_served();
    assert_eq!(versions(&rig, 0), [1]);
}
