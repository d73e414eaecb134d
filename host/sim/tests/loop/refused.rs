//! Ends that the cloud refuses: nothing is announced as ended, the instance stays in service, and
//! the next try waits (V2, V3).

use crate::rig::estate::{Estate, FOUND, GRACE, HOME, OLD};
use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::guard::Rule;
use reeve_core::id::InstanceId;
use reeve_core::instance::{InstanceState, TAG_FLEET, TAG_GENERATION, TAG_WORKER};
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::operator::{CommandOutcome, RefusedCode};
use reeve_core::point::debounce::Choice;
use reeve_core::restart::RestartStage;
use reeve_core::spec::{FleetSpec, RestartBy, StopRefused};
use reeve_sim::world::{Fault, Trouble};

const BOTH: [MutationKind; 2] = [MutationKind::Stop, MutationKind::Terminate];

/// A configuration whose pool restarts and ends so.
fn fleet(restart_by: RestartBy, stop_refused: StopRefused) -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.restart_by = restart_by;
        pool.stop_refused = stop_refused;
    }
    fleet
}

/// A rig on which B runs, was handed out, and is protected from both ends.
fn protected_b(fleet: FleetSpec) -> Rig {
    let policies = Native::debouncing(Choice::Go(RestartBy::StopStart));
    let mut rig = Rig::with_fleet(fleet, running_b(), policies);
    rig.ask_and_run(SECOND);
    protect(&mut rig, true);
    rig
}

fn protect(rig: &mut Rig, begins: bool) {
    for end in BOTH {
        rig.world.protect(&"i-bbbb".into(), end, begins);
    }
}

fn stage(rig: &Rig) -> Option<RestartStage> {
    rig.record().record.restart.map(|restart| restart.stage)
}

fn fault(kind: MutationKind, error: CloudErrorKind) -> Fault {
    Fault {
        kind,
        carried_out: false,
        error,
        code: "TheCode",
    }
}

fn vetoes(rig: &Rig, rule: Rule) -> usize {
    let entries = rig.journal(0).iter();
    let is_by = |content: &Content| matches!(content, Content::Vetoed(veto) if veto.rule == rule);
    entries.filter(|entry| is_by(&entry.content)).count()
}

#[test]
fn a_restart_whose_end_is_refused_fails_at_once_and_the_instance_is_served_on() {
    for restart_by in [RestartBy::StopStart, RestartBy::Replace] {
        let mut rig = protected_b(fleet(restart_by, StopRefused::Keep));
        let refused = rig.command(by_person()).expect_err("the end is refused");
        assert_eq!(refused.code, RefusedCode::EndRefused);
        assert!(refused.text.contains("OperationNotPermitted"), "{refused}");
        rig.run(Millis::from_secs(1));
        assert_eq!(stage(&rig), Some(RestartStage::Failed));
        assert!(rig.worker().route.is_some(), "the route is back by itself");
        assert_eq!(rig.pointer(), Some("i-bbbb"));
        rig.expect_served();
        let failed = rig.told(Step::RestartFailed);
        let code = ("code".to_owned(), "OperationNotPermitted".to_owned());
        assert!(failed[0].fields.contains(&code), "{failed:?}");
        assert_eq!((failed.len(), rig.told(Step::EndRefused).len()), (1, 0));
        rig.run(HOUR);
        assert_eq!(rig.up(), ["i-bbbb".into()]);
        assert_eq!(rig.told(Step::RestartFailed).len(), 1);
    }
}

#[test]
fn a_restart_that_is_refused_for_the_moment_is_tried_again() {
    for error in [CloudErrorKind::Throttled, CloudErrorKind::Conflict] {
        let mut rig = Rig::with_world(
            running_b(),
            Native::debouncing(Choice::Go(RestartBy::StopStart)),
        );
        rig.ask_and_run(SECOND);
        for _ in 0..2 {
            rig.world.add_fault(fault(MutationKind::Stop, error));
        }
        assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
        rig.run(Millis::from_secs(240));
        assert_eq!(stage(&rig), Some(RestartStage::Done));
        assert_eq!(rig.count(MutationKind::Stop), 3);
    }
}

#[test]
fn a_restart_that_cannot_end_its_instance_in_two_minutes_has_failed() {
    for error in [CloudErrorKind::Throttled, CloudErrorKind::Transient] {
        let mut rig = Rig::with_world(
            running_b(),
            Native::debouncing(Choice::Go(RestartBy::StopStart)),
        );
        rig.ask_and_run(SECOND);
        for _ in 0..20 {
            rig.world.add_fault(fault(MutationKind::Stop, error));
        }
        assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
        rig.run(Millis::from_secs(115));
        assert_eq!(stage(&rig), Some(RestartStage::Ending));
        rig.run(Millis::from_secs(10));
        assert_eq!(stage(&rig), Some(RestartStage::Failed));
        assert_eq!(rig.told(Step::RestartFailed).len(), 1);
        rig.expect_served();
    }
}

#[test]
fn a_restart_whose_instance_only_seemed_to_stop_fails_and_the_instance_is_served_on() {
    let mut rig = Rig::with_world(
        running_b(),
        Native::debouncing(Choice::Go(RestartBy::StopStart)),
    );
    rig.ask_and_run(SECOND);
    let id = InstanceId::from("i-bbbb");
    let mut stopped = rig.world.instance(&id).unwrap().reading();
    stopped.state = InstanceState::Stopped;
    let mut trouble = Trouble::default();
    trouble.lagging_in_scans.insert(id, stopped);
    for _ in 0..20 {
        let fault = fault(MutationKind::Stop, CloudErrorKind::Transient);
        rig.world.add_fault(fault);
    }
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    rig.world.set_trouble(trouble);
    rig.run(Millis::from_secs(100));
    assert_eq!(stage(&rig), Some(RestartStage::Provisioning));
    rig.world.set_trouble(Trouble::default());
    rig.run(MINUTE);
    assert_eq!(stage(&rig), Some(RestartStage::Failed));
    rig.expect_served();
}

#[test]
fn other_commands_do_not_wait_for_the_clouds_answer_to_a_restart() {
    let mut rig = protected_b(incidents::fleet());
    let restart = rig.give(by_person());
    assert_eq!(rig.command(pause("disk")), Ok(CommandOutcome::Paused));
    assert!(!rig.has_response(restart), "the cloud has not answered");
    rig.run(SECOND);
    assert!(rig.has_response(restart));
}

#[test]
fn a_program_waits_out_the_refusal_and_a_person_may_try_at_once() {
    let mut rig = protected_b(incidents::fleet());
    assert!(rig.command(by_program("a")).is_err());
    rig.run(Millis::from_secs(500));
    let dropped = Ok(CommandOutcome::RestartDropped);
    assert_eq!(rig.command(by_program("a")), dropped);
    assert!(rig.command(by_person()).is_err(), "it is still protected");
    protect(&mut rig, false);
    // The second refusal in a row holds programs back for twice as long.
    rig.run(Millis::from_secs(1_100));
    assert_eq!(rig.command(by_program("a")), dropped);
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    rig.run(Millis::from_secs(240));
    assert_eq!(stage(&rig), Some(RestartStage::Done));
    rig.run(MINUTE);
    let begun = Ok(CommandOutcome::RestartBegun);
    assert_eq!(rig.command(by_program("a")), begun, "another life");
}

#[test]
fn an_end_is_announced_when_the_cloud_has_accepted_it() {
    let mut rig = protected_b(incidents::fleet());
    rig.read_no_demand();
    rig.run(Millis::from_secs(700));
    assert_eq!(rig.count(MutationKind::Stop), 1);
    assert!(rig.told(Step::InstanceEnding).is_empty());
    assert_eq!(rig.told(Step::EndRefused).len(), 1);
    assert_eq!(rig.record().record.draining, None);
    rig.expect_served();
    assert_eq!(rig.pointer(), Some("i-bbbb"));
}

#[test]
fn a_refused_reap_is_tried_again_after_pauses_that_grow_to_six_hours() {
    let mut rig = protected_b(incidents::fleet());
    let mut tries = Vec::new();
    for _ in 0..(48 * 60) {
        rig.read_no_demand();
        rig.run(MINUTE);
        if rig.count(MutationKind::Stop) > tries.len() {
            tries.push(rig.now());
        }
    }
    let pauses: Vec<_> = tries.windows(2).map(|two| two[1].since(two[0])).collect();
    // A drain, a scan and a look at the policy come in addition to each pause.
    let more = Millis::from_secs(780);
    for (pause, minutes) in pauses.iter().zip([10, 20, 40, 80, 160, 320, 360, 360]) {
        let least = Millis::from_secs(minutes * 60);
        assert!(*pause >= least && *pause < least + more, "{pauses:?}");
    }
    assert!(tries.len() >= 9, "{pauses:?}");
    assert_eq!(rig.told(Step::InstanceDraining).len(), tries.len());
    assert_eq!(rig.told(Step::EndRefused).len(), 1, "told once");
    assert!(vetoes(&rig, Rule::EndRefused) > 0);
    // The protection is taken off, and the operator wants the try at once.
    protect(&mut rig, false);
    rig.command(reeve_core::operator::Command::Forget).unwrap();
    rig.ask_and_run(SECOND);
    rig.read_no_demand();
    rig.run(Millis::from_secs(800));
    assert_eq!(rig.up(), []);
}

/// A rig on which the instance that reeve launched cannot be stopped and has been idle for long.
fn unstoppable(stop_refused: StopRefused, is_ours: bool) -> Rig {
    let fleet = fleet(RestartBy::StopStart, stop_refused);
    let (worker, name) = (incidents::worker(), fleet.name.clone());
    let ours = [
        (TAG_FLEET, name.as_str()),
        (TAG_WORKER, worker.as_str()),
        (TAG_GENERATION, "1"),
    ];
    let mut world = World::new(1, BEGINS);
    world.launch_tagged("i-bbbb", TAG, if is_ours { &ours } else { &[] });
    world.advance(BEGINS);
    world.protect(&"i-bbbb".into(), MutationKind::Stop, true);
    let mut rig = Rig::with_fleet(fleet, world, Native::sensible());
    rig.ask_and_run(SECOND);
    for _ in 0..60 {
        rig.read_no_demand();
        rig.run(MINUTE);
    }
    rig
}

#[test]
fn a_refused_stop_becomes_a_termination_where_the_pool_allows_it() {
    let rig = unstoppable(StopRefused::Terminate, true);
    assert_eq!(rig.up(), []);
    assert_eq!(rig.count(MutationKind::Stop), 1);
    assert_eq!(rig.count(MutationKind::Terminate), 1);
    let told = rig.told(Step::InstanceEnding);
    assert!(told[0].text.starts_with("terminate i-bbbb"), "{told:?}");
    for (stop_refused, is_ours) in [(StopRefused::Keep, true), (StopRefused::Terminate, false)] {
        let rig = unstoppable(stop_refused, is_ours);
        assert_eq!(rig.up(), ["i-bbbb".into()]);
        assert_eq!(rig.count(MutationKind::Terminate), 0);
    }
}

#[test]
fn an_orphan_whose_end_is_refused_is_told_once_and_looked_at_after_the_pauses() {
    let mut estate = Estate::alone().with_orphans();
    for id in [OLD, FOUND] {
        for end in BOTH {
            estate.rig.world.protect(&id.into(), end, true);
        }
    }
    estate.run_to(GRACE + Millis::from_secs(5 * 3_600));
    assert!(estate.is_up(OLD) && estate.is_up(FOUND));
    assert!(estate.rig.told(Step::InstanceEnding).is_empty());
    assert_eq!(estate.rig.told(Step::EndRefused).len(), 2, "one for each");
    let tries = estate.ended().len();
    assert!((8..=12).contains(&tries), "{tries} tries for two");
    estate.assert_home();
    for end in BOTH {
        estate.rig.world.protect(&OLD.into(), end, false);
    }
    estate.run_to(GRACE + Millis::from_secs(12 * 3_600));
    let up = estate.rig.up();
    assert_eq!(up, [FOUND.into(), HOME.into()], "the other stays protected");
}

#[test]
fn a_refused_write_of_the_pointer_is_tried_again_after_pauses_that_grow() {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, reeve_sim::world::Boot::instant());
    world.advance(BEGINS);
    for _ in 0..1_000 {
        let denied = fault(MutationKind::WritePointer, CloudErrorKind::Denied);
        world.add_fault(denied);
    }
    let mut rig = Rig::with_world(world, Native::sensible());
    for _ in 0..(2 * 60) {
        rig.ask_and_run(MINUTE);
        rig.expect_served();
    }
    let writes = rig.count(MutationKind::WritePointer);
    assert!((5..=8).contains(&writes), "{writes} writes in two hours");
    assert_eq!(rig.told(Step::PointerWriteFailed).len(), writes);
}
