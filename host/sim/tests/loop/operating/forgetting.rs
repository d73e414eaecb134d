//! Forgetting a worker: it is learned anew, and what only rises stays.

use super::*;
use crate::rig::prelude::*;

#[test]
fn a_forgotten_worker_is_found_again_by_its_tag_and_epoch_and_generation_go_on() {
    let mut rig = Rig::hosts(1);
    rig.ask();
    rig.run(MINUTE);
    rig.assert_settled();
    let launched = rig.launched();
    let before = rig.record().record;
    assert_eq!(rig.command(Command::Forget), Ok(CommandOutcome::Forgotten));
    let forgotten = rig.record().record;
    assert_eq!((forgotten.adopted, forgotten.last_error), (None, None));
    assert_eq!(forgotten.generation, before.generation);
    assert!(forgotten.epoch > before.epoch);
    let mutations = rig.journal(0).len();

    assert_eq!(rig.expect_served().as_str(), launched[0]);
    let after = rig.record().record;
    assert!(after.epoch > forgotten.epoch);
    assert_eq!(after.generation, before.generation);
    assert_eq!(rig.launched(), launched, "nothing was changed for it");
    assert!(rig.journal(0).len() > mutations);
    assert_eq!(tokens(&rig).len(), 1);
}

#[test]
fn the_next_launch_of_a_forgotten_worker_has_a_token_of_its_own() {
    let mut rig = Rig::hosts(2);
    rig.ask();
    rig.run(MINUTE);
    rig.assert_settled();
    for id in rig.launched() {
        let gone = Mutation::Terminate {
            region: "".into(),
            compute: Compute::Ec2,
            id: id.as_str().into(),
            clear_pointer: None,
        };
        rig.world.apply(&gone).unwrap();
    }
    rig.command_to(1, Command::Forget).unwrap();
    // Until the cloud shows no tag any more that tells the generation.
    rig.run(Millis::from_secs(7200));
    let [first] = tokens(&rig).try_into().unwrap();
    rig.crash(1);
    rig.restart();
    rig.ask();
    rig.run(MINUTE);
    let [_, second] = tokens(&rig).try_into().unwrap();
    assert_ne!(first, second);
    let record = rig.record().record;
    assert_eq!(record.generation.get(), 2);
    assert!(record.adopted.is_some());
}

#[test]
fn forgetting_takes_the_last_failure_away_and_leaves_the_pause() {
    let mut rig = Rig::alone();
    rig.world.add_fault(Fault {
        error: CloudErrorKind::NoCapacity,
        code: "InsufficientInstanceCapacity",
        ..lost_reply()
    });
    rig.ask();
    rig.run(SECOND);
    assert!(rig.record().record.last_error.is_some());
    rig.command(pause("why")).unwrap();
    rig.command(Command::Forget).unwrap();
    let record = rig.record().record;
    assert_eq!(record.last_error, None);
    assert_eq!(record.paused.unwrap().reason.as_deref(), Some("why"));
    assert_eq!(record.generation.get(), 1);
    let worker = incidents::worker();
    let worker = rig.core(0).worker(&worker).unwrap();
    assert_eq!(worker.failures.latest(), None);
    assert!(worker.paused.is_some());
}

#[test]
fn a_forgotten_instance_that_was_just_handed_out_is_not_reaped_as_unused() {
    let mut rig = Rig::with_world(running_b(), Native::sensible());
    rig.ask_and_run(SECOND);
    rig.command(Command::Forget).unwrap();
    rig.read_no_demand();
    rig.run(MINUTE);
    assert_eq!(rig.count(MutationKind::Stop), 0);
    let state = rig.world.instances().next().unwrap().state;
    assert_eq!(state, InstanceState::Running);
}

#[test]
fn a_caller_that_waits_while_the_worker_is_forgotten_gets_its_address() {
    let mut rig = Rig::alone();
    let boot = Boot {
        pending: Millis::ZERO,
        address_after: Millis::new(1_500),
    };
    rig.world.launch_elsewhere("i-bbbb", TAG, boot);
    let request = rig.ask();
    // Adopted, the pointer written, and between two looks.
    rig.run(SECOND);
    rig.command(Command::Forget).unwrap();
    rig.run(Millis::from_secs(2));
    assert_eq!(rig.expect_served_to(request).as_str(), "i-bbbb");
}
