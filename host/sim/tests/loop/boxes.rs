//! Registering: one token, for the adopted instance, and never a box that cannot come back (G8;
//! docs/incidents.md#double-provision).

mod shared;
mod spot;

use crate::rig::boxes::*;
use crate::rig::prelude::*;
use reeve_core::boxes::{Proof, ProofKind, Receipt, RefusalCode, ReportOutcome};
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::Compute;
use reeve_core::id::{Generation, Region};
use reeve_core::instance::{TAG_GENERATION, TAG_WORKER};
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::spec::{BoxSpec, FleetSpec};
use reeve_core::token::Token;
use reeve_sim::world::{BOX_ROLE, Boot, Fault};

/// Whether the token is known, and the successor if there came one.
#[track_caller]
fn beat(rig: &mut Rig, token: &Token) -> Result<Option<Token>, RefusalCode> {
    match rig.say_and_run(heartbeat(token)) {
        Receipt::Accepted(accepted) => {
            assert_eq!(accepted.outcome, ReportOutcome::Stored);
            Ok(accepted.token)
        }
        reply => Err(refused(&reply).0),
    }
}

#[test]
fn the_box_of_the_launched_instance_gets_a_token_and_is_known_by_it() {
    let (mut rig, id) = launched();
    let box_one = registered(rig.say_and_run(register(&id, "first")));
    assert_eq!(box_one.generation, Generation::new(1));
    assert_eq!(box_one.heartbeat, BOXES.heartbeat);
    assert_eq!(beat(&mut rig, &box_one.token), Ok(None));
}

#[test]
fn a_box_that_registers_before_its_launch_is_answered_gets_in_later() {
    let mut rig = Rig::with_fleet(
        fleet_with_boxes(),
        World::new(1, BEGINS),
        Native::sensible(),
    );
    rig.world.add_fault(Fault {
        kind: MutationKind::Launch,
        carried_out: true,
        error: CloudErrorKind::Transient,
        code: "Timeout",
    });
    rig.ask();
    rig.run(SECOND);
    let id = rig.up().remove(0);
    let (code, after) = refused(&rig.say_and_run(register(&id, "first")));
    assert_eq!(code, RefusalCode::NotAdopted);
    rig.run(after.expect("it says when to come back"));
    registered(rig.say_and_run(register(&id, "first")));
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn a_box_of_an_older_generation_is_superseded_and_an_unknown_one_waits() {
    let (mut rig, id) = launched();
    let worker = incidents::worker().to_string();
    let marks = [(TAG_WORKER, worker.as_str()), (TAG_GENERATION, "0")];
    let older = rig.world.launch_tagged("i-older", TAG, &marks);
    let other = rig.world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    let mut own = None;
    for nonce in ["first", "second"] {
        let answer = refused(&rig.say_and_run(register(&older, nonce)));
        assert_eq!(answer, (RefusalCode::Superseded, None));
        let (code, after) = refused(&rig.say_and_run(register(&other, nonce)));
        assert_eq!(code, RefusalCode::NotAdopted);
        assert!(after.is_some());
        // Neither disturbs the worker's own.
        let own =
            own.get_or_insert_with(|| registered(rig.say_and_run(register(&id, "first"))).token);
        assert_eq!(beat(&mut rig, own), Ok(None));
    }
}

#[test]
fn an_instance_whose_box_was_superseded_is_never_adopted_again() {
    for command in [by_person(), Command::Forget] {
        let (mut rig, id) = launched();
        let worker = incidents::worker().to_string();
        let marks = [(TAG_WORKER, worker.as_str()), (TAG_GENERATION, "0")];
        let older = rig.world.launch_tagged("i-older", TAG, &marks);
        let answer = refused(&rig.say_and_run(register(&older, "first")));
        assert_eq!(answer, (RefusalCode::Superseded, None));
        rig.run(Millis::from_secs(40));
        rig.give(command.clone());
        rig.ask();
        rig.run(Millis::from_secs(120));
        let adopted = rig.worker().adopted.as_ref().map(|adopted| &adopted.id);
        assert_eq!(adopted, Some(&id), "{command}");
    }
}

#[test]
fn a_reply_that_was_lost_is_made_good_for_the_same_nonce() {
    let (mut rig, id) = launched();
    let lost = registered(rig.say_and_run(register(&id, "first")));
    let again = registered(rig.say_and_run(register(&id, "first")));
    assert_eq!(beat(&mut rig, &lost.token), Err(RefusalCode::TokenUnknown));
    assert_eq!(beat(&mut rig, &again.token), Ok(None));
    // The token was shown, so no reply was lost: the repeated register comes from another process.
    let code = refused(&rig.say_and_run(register(&id, "first"))).0;
    assert_eq!(code, RefusalCode::TokenLive);
}

#[test]
fn a_second_register_of_an_instance_waits_until_the_first_has_fallen_silent() {
    let (mut rig, id) = launched();
    let first = registered(rig.say_and_run(register(&id, "first")));
    rig.run(Millis::from_secs(30));
    assert_eq!(beat(&mut rig, &first.token), Ok(None));
    let (code, after) = refused(&rig.say_and_run(register(&id, "another process")));
    assert_eq!(code, RefusalCode::TokenLive);
    let after = after.expect("it says when to come back");
    assert!(
        after <= BOXES.token_live() && after > Millis::from_secs(80),
        "{after}"
    );
    // Its token is wiped and it says nothing any more: then the same register gets in.
    rig.run(Millis::new(after.get() - 2_000));
    let code = refused(&rig.say_and_run(register(&id, "wiped"))).0;
    assert_eq!(code, RefusalCode::TokenLive);
    rig.run(SECOND);
    let second = registered(rig.say_and_run(register(&id, "wiped")));
    assert_eq!(beat(&mut rig, &second.token), Ok(None));
    assert_eq!(beat(&mut rig, &first.token), Err(RefusalCode::TokenUnknown));
}

#[test]
fn a_token_grows_old_and_its_successor_comes_into_force_when_it_is_first_shown() {
    let (mut rig, id) = launched();
    let first = registered(rig.say_and_run(register(&id, "first"))).token;
    rig.run(Millis::new(BOXES.rotation.get() - 3_000));
    assert_eq!(beat(&mut rig, &first), Ok(None), "not old yet");
    rig.run(Millis::from_secs(2));
    let lost = beat(&mut rig, &first).unwrap().expect("a successor");
    assert_eq!(beat(&mut rig, &first), Ok(None), "one is on its way");
    rig.run(BOXES.heartbeat);
    // The reply was lost: the old one is still good, and there is another successor.
    let second = beat(&mut rig, &first).unwrap().expect("another successor");
    assert_eq!(beat(&mut rig, &lost), Err(RefusalCode::TokenUnknown));
    assert_eq!(beat(&mut rig, &second), Ok(None));
    assert_eq!(
        beat(&mut rig, &first),
        Ok(None),
        "on its way when the other arrived"
    );
    rig.run(MINUTE);
    assert_eq!(beat(&mut rig, &first), Err(RefusalCode::TokenUnknown));
    assert_eq!(beat(&mut rig, &second), Ok(None));
}

#[test]
fn a_box_that_never_gets_the_successor_is_never_locked_out() {
    let (mut rig, id) = launched();
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    for _ in 0..400 {
        rig.run(Millis::from_secs(29));
        assert!(beat(&mut rig, &token).is_ok());
    }
}

#[test]
fn what_cannot_have_happened_by_itself_is_an_alarm() {
    let (mut rig, id) = launched();
    rig.world
        .launch_elsewhere("i-foreign", (TAG.0, "another-worker"), Boot::instant());
    let region = |region: &str| Proof::InstanceDocument {
        region: Region::from(region),
        account: "123456789012".to_owned(),
        launched_at: ALWAYS_FRESH,
    };
    let cases = [
        (
            register_by(&id, "n", Proof::SharedSecret),
            RefusalCode::ProofNotAccepted,
        ),
        (
            register_by(&id, "n", region("eu-west-1")),
            RefusalCode::WrongRegion,
        ),
        (
            register(&"i-foreign".into(), "n"),
            RefusalCode::NotThisWorkers,
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(refused(&rig.say_and_run(said)), (expected, None));
    }
    let other = Token::new("other".into(), reeve_core::token::Secret::new([1; 32]));
    let reply = rig.say_and_run(heartbeat(&other));
    assert_eq!(refused(&reply), (RefusalCode::TokenOfAnotherWorker, None));
    assert_eq!(rig.told(Step::BoxAlarm).len(), 4);
}

#[test]
fn a_session_of_the_role_counts_for_an_instance_that_the_provider_shows_with_it() {
    let mut fleet = fleet_with_boxes();
    for pool in fleet.pools.values_mut() {
        let proof = ProofKind::IamRole;
        pool.boxes = Some(BoxSpec { proof, ..BOXES });
    }
    let (mut rig, id) = launched_in(fleet);
    let by_role = || Proof::IamRole {
        role: BOX_ROLE.to_owned(),
    };
    rig.world.set_role(&id, None);
    let (code, after) = refused(&rig.say_and_run(register_by(&id, "n", by_role())));
    assert_eq!(code, RefusalCode::RoleNotShown);
    assert!(after.is_some(), "it says when to come back");
    rig.world.set_role(&id, Some("another"));
    let reply = rig.say_and_run(register_by(&id, "n", by_role()));
    assert_eq!(refused(&reply), (RefusalCode::ProofNotAccepted, None));
    assert_eq!(rig.told(Step::BoxAlarm).len(), 1);
    let reply = rig.say_and_run(register(&id, "n"));
    assert_eq!(refused(&reply), (RefusalCode::ProofNotAccepted, None));
    rig.world.set_role(&id, Some(BOX_ROLE));
    registered(rig.say_and_run(register_by(&id, "n", by_role())));
}

#[test]
fn an_instance_that_was_stopped_and_started_registers_again() {
    let (mut rig, id) = launched();
    let first = registered(rig.say_and_run(register(&id, "first")));
    assert_eq!(beat(&mut rig, &first.token), Ok(None));
    rig.world.stop_elsewhere(&id).unwrap();
    rig.run(Millis::from_secs(1200));
    let code = refused(&rig.say_and_run(register(&id, "second"))).0;
    assert_eq!(code, RefusalCode::InstanceNotRunning);
    rig.ask();
    rig.run(MINUTE);
    assert_eq!(rig.up(), std::slice::from_ref(&id));
    assert_eq!(beat(&mut rig, &first.token), Err(RefusalCode::TokenUnknown));
    let of_the_first_life = Proof::InstanceDocument {
        region: Region::from("us-east-1"),
        account: "123456789012".to_owned(),
        launched_at: BEGINS,
    };
    let kept = register_by(&id, "kept", of_the_first_life);
    let code = refused(&rig.say_and_run(kept)).0;
    assert_eq!(code, RefusalCode::DocumentOutdated);
    let second = registered(rig.say_and_run(register(&id, "second")));
    assert_eq!(second.generation, Generation::new(2));
}

#[test]
fn a_refused_register_stands_on_the_worker_and_the_next_launch_says_so() {
    let (mut rig, id) = launched();
    let document_of_elsewhere = Proof::InstanceDocument {
        region: Region::from("eu-west-1"),
        account: "123456789012".to_owned(),
        launched_at: ALWAYS_FRESH,
    };
    for _ in 0..3 {
        rig.say_and_run(register_by(&id, "n", document_of_elsewhere.clone()));
    }
    let error = rig.status().last_error.expect("it is shown");
    assert_eq!((error.code.as_str(), error.count), ("wrong_region", 3));

    let gone = Mutation::Terminate {
        region: Region::from("us-east-1"),
        compute: Compute::Ec2,
        id,
        clear_pointer: None,
    };
    rig.world.apply(&gone).unwrap();
    rig.run(Millis::from_secs(120));
    rig.ask();
    rig.run(MINUTE);
    let told = rig.told(Step::LaunchAfterRefusedRegister);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].text.contains("3 times, last: wrong_region"),
        "{told:?}"
    );

    let next = rig.up().remove(0);
    registered(rig.say_and_run(register(&next, "first")));
    assert_eq!(rig.status().last_error, None);
}

#[test]
fn a_pool_whose_boxes_do_not_register_says_so() {
    let mut rig = Rig::alone();
    let reply = rig.say_and_run(register(&"i-any".into(), "n"));
    assert_eq!(refused(&reply), (RefusalCode::RegistrationOff, None));
}

#[test]
fn in_a_dry_run_no_token_is_given() {
    let mut world = World::new(1, BEGINS);
    let id = world.launch_elsewhere("i-aaaa", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-aaaa");
    world.advance(BEGINS);
    let spec = FleetSpec {
        dry_run: true,
        ..fleet_with_boxes()
    };
    let mut rig = Rig::with_fleet(spec, world, Native::sensible());
    rig.ask_and_run(SECOND);
    let code = refused(&rig.say_and_run(register(&id, "n"))).0;
    assert!(
        matches!(code, RefusalCode::DryRun | RefusalCode::NotAdopted),
        "{code:?}"
    );
}
