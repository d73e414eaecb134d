//! Restarts by reboot: EC2 shows nothing of it, so the box, a probe or time says when it is over. A
//! reboot that brings nothing up becomes a stop and a start (V1, V3).

use crate::health::{fleet as with_health, http};
use crate::left_behind::{leave, start};
use crate::rig::boxes::*;
use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::guard::Rule;
use reeve_core::health::RestartRule;
use reeve_core::id::InstanceId;
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::operator::{CommandOutcome, RefusedCode};
use reeve_core::point::debounce::Choice;
use reeve_core::response::NotYetCode;
use reeve_core::restart::{Restart, RestartStage};
use reeve_core::spec::{FleetSpec, LEASE, RestartBy};
use reeve_core::token::Token;
use reeve_sim::world::Fault;

const FOREVER: Millis = Millis::from_secs(1_000_000);

/// The fleet, whose pools restart by reboot.
fn rebooting(mut fleet: FleetSpec) -> FleetSpec {
    for pool in fleet.pools.values_mut() {
        pool.restart_by = RestartBy::Reboot;
    }
    fleet
}

fn serving(fleet: FleetSpec) -> (Rig, InstanceId) {
    let mut rig = Rig::with_fleet(
        fleet,
        World::new(1, BEGINS),
        Native::debouncing(Choice::Go(RestartBy::Reboot)),
    );
    rig.ask();
    rig.run(MINUTE);
    rig.expect_served();
    let id = rig.up().pop().expect("one instance is up");
    (rig, id)
}

/// A worker whose box has registered and speaks.
fn with_box() -> (Rig, InstanceId, Token) {
    let (mut rig, id) = serving(rebooting(fleet_with_boxes()));
    let token = registered(rig.say_and_run(register(&id, "one"))).token;
    rig.say_and_run(heartbeat(&token));
    (rig, id, token)
}

fn restart(rig: &Rig) -> Restart {
    let restart = rig.record().record.restart;
    restart.expect("the restart is in the record")
}

fn stage(rig: &Rig) -> RestartStage {
    restart(rig).stage
}

/// Reboots, stops and starts so far.
fn acts(rig: &Rig) -> (usize, usize, usize) {
    (
        rig.count(MutationKind::Reboot),
        rig.count(MutationKind::Stop),
        rig.count(MutationKind::Start),
    )
}

fn begin(rig: &mut Rig) {
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
}

fn fault(error: CloudErrorKind, carried_out: bool) -> Fault {
    Fault {
        kind: MutationKind::Reboot,
        carried_out,
        error,
        code: "TheCode",
    }
}

#[test]
fn a_reboot_keeps_the_instance_and_is_over_with_a_heartbeat_of_the_new_life() {
    let (mut rig, id, token) = with_box();
    let before = rig.world.instance(&id).unwrap().clone();
    begin(&mut rig);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Restarting);
    // What is on its way from the life before proves nothing.
    rig.run(Millis::from_secs(10));
    rig.say_and_run(heartbeat(&token));
    assert_eq!(stage(&rig), RestartStage::Provisioning);
    rig.run(Millis::from_secs(40));
    rig.say_and_run(heartbeat(&token));
    assert_eq!(stage(&rig), RestartStage::Done);
    assert_eq!(acts(&rig), (1, 0, 0));
    let after = rig.world.instance(&id).unwrap();
    assert_eq!(after.launched_at, before.launched_at);
    assert_eq!(after.private_ip(), before.private_ip());
    assert_eq!(rig.pointer(), Some(id.as_str()));
    assert!(rig.worker().route.is_some(), "the route is back by itself");
    rig.expect_served();
    assert_eq!(rig.told(Step::RestartDone).len(), 1);
}

#[test]
fn a_box_that_lost_its_token_registers_after_the_reboot() {
    let (mut rig, id, _) = with_box();
    begin(&mut rig);
    rig.run(Millis::from_secs(100));
    let token = registered(rig.say_and_run(register(&id, "two"))).token;
    rig.say_and_run(heartbeat(&token));
    assert_eq!(stage(&rig), RestartStage::Done);
    assert_eq!(acts(&rig), (1, 0, 0));
}

#[test]
fn a_reboot_that_brings_nothing_up_becomes_a_stop_and_a_start() {
    let (mut rig, id, _) = with_box();
    rig.world.set_next_reboot(FOREVER);
    begin(&mut rig);
    rig.run(Millis::from_secs(595));
    assert_eq!(acts(&rig), (1, 0, 0));
    rig.run(Millis::from_secs(10));
    assert_eq!(acts(&rig).1, 1);
    assert_eq!(rig.told(Step::RebootTimedOut).len(), 1);
    rig.run(MINUTE + MINUTE);
    assert_eq!(acts(&rig), (1, 1, 1));
    assert_eq!(stage(&rig), RestartStage::Provisioning);
    let token = registered(rig.say_and_run(register(&id, "two"))).token;
    rig.say_and_run(heartbeat(&token));
    assert_eq!(stage(&rig), RestartStage::Done);
    assert_eq!(restart(&rig).kind, RestartBy::StopStart);
    assert_eq!(rig.up(), [id]);
}

#[test]
fn the_stop_after_a_reboot_has_its_own_bounds() {
    let (mut rig, id, _) = with_box();
    rig.world.set_next_reboot(FOREVER);
    rig.world.protect(&id, MutationKind::Stop, true);
    begin(&mut rig);
    rig.run(Millis::from_secs(610));
    assert_eq!(stage(&rig), RestartStage::Failed);
    let failed = rig.told(Step::RestartFailed);
    assert!(failed[0].text.contains("stays in service"), "{failed:?}");
    rig.expect_served();
}

#[test]
fn a_probe_shows_the_end_of_a_reboot_where_no_box_registers() {
    let (mut rig, id) = serving(rebooting(with_health(http(RestartRule::Any))));
    rig.world.set_next_reboot(Millis::from_secs(150));
    begin(&mut rig);
    rig.run(Millis::from_secs(145));
    assert_eq!(stage(&rig), RestartStage::Provisioning);
    rig.run(MINUTE);
    assert_eq!(stage(&rig), RestartStage::Done);
    rig.expect_served();
    rig.run(HOUR);
    assert_eq!(acts(&rig), (1, 0, 0), "its silence was no failure");
    assert_eq!(rig.up(), [id]);
}

#[test]
fn a_reboot_that_nothing_can_show_is_over_after_two_minutes() {
    let (mut rig, _) = serving(rebooting(incidents::fleet()));
    begin(&mut rig);
    rig.run(Millis::from_secs(115));
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Restarting);
    rig.run(Millis::from_secs(10));
    assert_eq!(stage(&rig), RestartStage::Done);
    rig.expect_served();
    assert_eq!(acts(&rig), (1, 0, 0));
}

#[test]
fn a_refused_reboot_fails_the_restart_at_once_and_the_instance_is_served_on() {
    let (mut rig, id, _) = with_box();
    rig.world.protect(&id, MutationKind::Reboot, true);
    let refused = rig.command(by_person()).expect_err("the reboot is refused");
    assert_eq!(refused.code, RefusedCode::EndRefused);
    assert!(refused.text.contains("OperationNotPermitted"), "{refused}");
    rig.run(SECOND);
    assert_eq!(stage(&rig), RestartStage::Failed);
    rig.expect_served();
    assert_eq!(rig.told(Step::RestartFailed).len(), 1);
    let spent = rig.record().record.ledger;
    assert!(spent.entries().all(|(kind, _)| kind.as_str() != "stops"));
    rig.run(MINUTE + MINUTE);
    let program = rig.command(by_program("deploy"));
    assert_eq!(
        program,
        Ok(CommandOutcome::RestartDropped),
        "for ten minutes"
    );
    // Another way of restarting was not refused.
    let answer = rig.command(by_person_as(RestartBy::StopStart));
    assert_eq!(answer, Ok(CommandOutcome::RestartBegun));
    assert_eq!(acts(&rig), (1, 1, 0));
}

#[test]
fn a_reboot_that_is_refused_for_the_moment_is_tried_again() {
    let (mut rig, _, token) = with_box();
    for _ in 0..2 {
        rig.world.add_fault(fault(CloudErrorKind::Throttled, false));
    }
    begin(&mut rig);
    rig.run(Millis::from_secs(110));
    assert_eq!(acts(&rig), (3, 0, 0));
    rig.say_and_run(heartbeat(&token));
    assert_eq!(stage(&rig), RestartStage::Done);
}

#[test]
fn an_unanswered_reboot_is_not_sent_again() {
    for carried_out in [true, false] {
        let (mut rig, _, token) = with_box();
        rig.world
            .add_fault(fault(CloudErrorKind::Transient, carried_out));
        begin(&mut rig);
        rig.run(Millis::from_secs(200));
        assert_eq!(acts(&rig), (1, 0, 0));
        rig.say_and_run(heartbeat(&token));
        assert_eq!(stage(&rig), RestartStage::Done);
        let done = rig.told(Step::RestartDone);
        assert!(done[0].text.contains("may not have been"), "{done:?}");
    }
}

#[test]
fn a_host_that_dies_at_any_step_of_a_reboot_finishes_it_and_sends_no_second_one() {
    for steps in 0..40 {
        let (mut rig, _) = serving(rebooting(incidents::fleet()));
        rig.give(by_person());
        for _ in 0..steps {
            rig.step();
        }
        rig.restart();
        rig.run(Millis::from_secs(900));
        assert_eq!(stage(&rig), RestartStage::Done, "after {steps} steps");
        let (reboots, stops, _) = acts(&rig);
        assert!(reboots <= 1 && stops == 0, "after {steps} steps");
        rig.expect_served();
    }
}

#[test]
fn an_instance_that_goes_down_during_its_reboot_is_started() {
    let (mut rig, id) = serving(rebooting(incidents::fleet()));
    rig.world.set_next_reboot(FOREVER);
    begin(&mut rig);
    rig.run(SECOND);
    rig.world.stop_elsewhere(&id).unwrap();
    rig.run(MINUTE + MINUTE + MINUTE);
    assert_eq!(stage(&rig), RestartStage::Done);
    assert_eq!(acts(&rig), (1, 0, 1));
    rig.expect_served();
}

#[test]
fn a_reboot_is_not_over_while_another_host_brings_an_instance_up() {
    let mut rig = Rig::hosts_of(1, &rebooting(incidents::fleet()));
    rig.ask();
    rig.run(MINUTE);
    let answer = rig.command(by_person_as(RestartBy::Reboot));
    assert_eq!(answer, Ok(CommandOutcome::RestartBegun));
    rig.run(Millis::from_secs(110));
    leave(&rig, start("i-other".into()), |_| ());
    rig.run(Millis::from_secs(20));
    assert_eq!(stage(&rig), RestartStage::Provisioning);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Restarting);
    rig.run(LEASE + LEASE);
    assert_eq!(
        stage(&rig),
        RestartStage::Done,
        "that start came to nothing"
    );
    rig.expect_served();
    assert_eq!(acts(&rig), (1, 0, 0));
}

#[test]
fn a_person_names_the_kind_of_a_restart() {
    for (kind, expected) in [
        (RestartBy::Reboot, (1, 0)),
        (RestartBy::StopStart, (0, 1)),
        (RestartBy::Replace, (0, 0)),
    ] {
        let (mut rig, _) = serving(incidents::fleet());
        let answer = rig.command(by_person_as(kind));
        assert_eq!(answer, Ok(CommandOutcome::RestartBegun));
        rig.run(Millis::from_secs(180));
        let (reboots, stops, _) = acts(&rig);
        assert_eq!((reboots, stops), expected, "{kind}");
        let replaced = usize::from(kind == RestartBy::Replace);
        assert_eq!(rig.count(MutationKind::Terminate), replaced, "{kind}");
        assert_eq!(stage(&rig), RestartStage::Done, "{kind}");
        assert_eq!(restart(&rig).kind, kind);
    }
}

#[test]
fn a_kind_that_the_pool_cannot_do_is_refused_with_what_is_accepted() {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.launch.clear();
    }
    let mut rig = Rig::with_fleet(fleet, running_b(), Native::sensible());
    rig.ask_and_run(SECOND);
    let refused = rig.command(by_person_as(RestartBy::Replace));
    let refused = refused.expect_err("nothing would follow");
    assert_eq!(refused.code, RefusedCode::RestartKind);
    assert!(refused.text.contains("\"reboot\""), "{refused}");
    let entries = rig.journal(0).iter();
    let vetoed = entries.filter(
        |entry| matches!(&entry.content, Content::Vetoed(veto) if veto.rule == Rule::RestartKind),
    );
    assert_eq!(vetoed.count(), 1);
    assert_eq!(rig.up(), ["i-bbbb".into()]);
}
