//! Restarts: one cycle however many ask, over only when the worker is really there, and finished by
//! any host that lives (G7; docs/incidents.md#self-fire).

use crate::rig::boxes::*;
use crate::rig::command;
use crate::rig::desk::Desk;
use crate::rig::prelude::*;
use reeve_core::boxes::Report;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::id::{Generation, InstanceId};
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome, RefusedCode};
use reeve_core::point::debounce::Choice;
use reeve_core::response::{NotYetCode, Resolution};
use reeve_core::restart::{Adoption, RestartRequest, RestartStage};
use reeve_core::spec::{FleetSpec, RestartBy};
use reeve_sim::world::{Boot, Fault};
use std::sync::Arc;

fn serving(fleet: FleetSpec, policies: Arc<Native>) -> Rig {
    let mut rig = Rig::with_fleet(fleet, World::new(1, BEGINS), policies);
    rig.ask();
    rig.run(MINUTE);
    rig.expect_served();
    rig
}

fn stage(rig: &Rig) -> Option<RestartStage> {
    rig.status().restart.map(|restart| restart.stage)
}

fn dropped(rig: &Rig) -> usize {
    rig.told(Step::RestartDropped).len()
}

fn cycles(rig: &Rig) -> (usize, usize) {
    (
        rig.count(MutationKind::Stop),
        rig.count(MutationKind::Start),
    )
}

/// Runs until the restart in flight is over.
fn until_over(rig: &mut Rig) {
    for _ in 0..1_200 {
        if matches!(stage(rig), Some(RestartStage::Done | RestartStage::Failed)) {
            return;
        }
        rig.run(SECOND);
    }
    panic!("still {:?}", stage(rig));
}

#[test]
fn a_restart_stops_and_starts_the_instance_once_and_the_worker_is_served_again() {
    let mut rig = serving(incidents::fleet(), Native::sensible());
    let before = rig.up();
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    let begun = &rig.told(Step::RestartBegun)[0].fields;
    let from = ("from".to_owned(), "the token of an operator".to_owned());
    assert!(begun.contains(&from), "{begun:?}");
    assert_eq!(
        rig.expect_not_yet(Millis::from_secs(6)),
        NotYetCode::Restarting
    );
    assert_eq!(rig.pointer(), Some("none"));
    until_over(&mut rig);
    assert_eq!(stage(&rig), Some(RestartStage::Done));
    assert_eq!(cycles(&rig), (1, 1));
    assert_eq!(rig.up(), before);
    rig.expect_served();
    rig.run(MINUTE);
    assert_eq!(cycles(&rig), (1, 1));
}

#[test]
fn a_trigger_and_many_probes_are_one_restart_even_if_the_policy_always_goes() {
    for probes in [4, 1_000] {
        for policies in [
            Native::debouncing(Choice::Go(RestartBy::StopStart)),
            Native::sensible(),
        ] {
            let mut rig = serving(incidents::fleet(), policies);
            assert_eq!(
                rig.command(by_program("secret-changed")),
                Ok(CommandOutcome::RestartBegun)
            );
            for _ in 0..probes {
                rig.run(Millis::new(50));
                let answer = rig.command(by_program("probe-failed"));
                assert_eq!(answer, Ok(CommandOutcome::RestartDropped));
            }
            until_over(&mut rig);
            rig.run(MINUTE);
            assert_eq!(cycles(&rig), (1, 1));
            assert_eq!(dropped(&rig), probes);
            let status = rig.status();
            let counted = status.restart.unwrap().dropped;
            assert_eq!(counted["probe-failed"], probes as u64);
        }
    }
}

#[test]
fn a_program_does_not_restart_a_booting_worker_and_a_person_does() {
    // Slower than the window after a restart lasts: there was none, so only the boot itself
    // protects it.
    let boot = Boot {
        pending: MINUTE + MINUTE,
        address_after: MINUTE,
    };
    let mut world = World::new(1, BEGINS);
    world.set_next_boot(boot);
    let policies = Native::debouncing(Choice::Go(RestartBy::StopStart));
    let mut rig = Rig::with_fleet(incidents::fleet(), world, policies);
    rig.ask();
    for _ in 0..35 {
        rig.run(Millis::from_secs(5));
        let answer = rig.command(by_program("probe-failed"));
        assert_eq!(answer, Ok(CommandOutcome::RestartDropped));
    }
    assert_eq!(cycles(&rig), (0, 0));
    rig.run(Millis::from_secs(10));
    rig.expect_served();
    // What never gets an address is dead after all.
    let mut hung = World::new(1, BEGINS);
    hung.set_next_boot(Boot {
        address_after: HOUR,
        ..boot
    });
    for (asks, after) in [
        (by_person(), MINUTE),
        (by_program("probe-failed"), Millis::from_secs(660)),
    ] {
        let policies = Native::debouncing(Choice::Go(RestartBy::StopStart));
        let mut rig = Rig::with_fleet(incidents::fleet(), hung.clone(), policies);
        rig.ask();
        rig.run(after);
        assert_eq!(rig.command(asks), Ok(CommandOutcome::RestartBegun));
    }
}

#[test]
fn within_the_window_programs_are_dropped_and_after_it_a_restart_proceeds() {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        // Longer than the restart itself takes.
        pool.limits.restart_window = Millis::from_secs(600);
    }
    let mut rig = serving(fleet, Native::debouncing(Choice::Go(RestartBy::StopStart)));
    let began = rig.now();
    assert_eq!(
        rig.command(by_program("a")),
        Ok(CommandOutcome::RestartBegun)
    );
    until_over(&mut rig);
    for _ in 0..5 {
        assert_eq!(
            rig.command(by_program("b")),
            Ok(CommandOutcome::RestartDropped)
        );
    }
    rig.run(Millis::new(599_999 - rig.now().since(began).get()));
    assert_eq!(
        rig.command(by_program("b")),
        Ok(CommandOutcome::RestartDropped)
    );
    rig.run(Millis::new(1));
    assert_eq!(
        rig.command(by_program("b")),
        Ok(CommandOutcome::RestartBegun)
    );
    until_over(&mut rig);
    assert_eq!(cycles(&rig), (2, 2));
    assert_eq!(dropped(&rig), 6);
}

#[test]
fn a_person_is_not_debounced_and_joins_what_is_in_flight() {
    let mut rig = serving(incidents::fleet(), Native::debouncing(Choice::Drop));
    assert_eq!(
        rig.command(by_program("a")),
        Ok(CommandOutcome::RestartDropped)
    );
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    for _ in 0..100 {
        assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartJoined));
    }
    until_over(&mut rig);
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    until_over(&mut rig);
    assert_eq!(cycles(&rig), (2, 2));
}

/// A program's request that is about this adoption only.
fn of_adoption(id: &InstanceId, since: Instant) -> Command {
    let Command::Restart(request) = by_program("probe-failed") else {
        panic!("it asks for a restart");
    };
    Command::Restart(RestartRequest {
        of: Some(Adoption {
            instance: id.clone(),
            since,
        }),
        ..request
    })
}

#[test]
fn a_restart_of_an_adoption_that_is_over_is_dropped_at_once_or_when_its_time_comes() {
    for choice in [Choice::Go(RestartBy::StopStart), Choice::Defer(60_000)] {
        let mut rig = serving(incidents::fleet(), Native::debouncing(choice));
        let adopted = rig.record().record.adopted.unwrap();
        let _ = rig.command(of_adoption(&adopted.id, BEGINS));
        rig.run(MINUTE + MINUTE);
        assert_eq!((cycles(&rig), dropped(&rig)), ((0, 0), 1), "{choice:?}");
        let _ = rig.command(of_adoption(&adopted.id, adopted.since));
        rig.run(MINUTE + MINUTE);
        assert_eq!((cycles(&rig), dropped(&rig)), ((1, 1), 1), "{choice:?}");
    }
}

#[test]
fn a_deferred_restart_follows_once_after_the_one_in_flight() {
    let mut rig = serving(incidents::fleet(), Native::debouncing(Choice::Defer(0)));
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    for _ in 0..3 {
        let answer = rig.command(by_program("second-secret"));
        assert_eq!(answer, Ok(CommandOutcome::RestartDeferred));
    }
    until_over(&mut rig);
    rig.run(Millis::from_secs(70));
    until_over(&mut rig);
    rig.run(Millis::from_secs(600));
    assert_eq!(cycles(&rig), (2, 2));
}

#[test]
fn a_deferred_restart_waits_for_what_is_being_brought_up_and_is_not_lost() {
    let mut rig = serving(incidents::fleet(), Native::debouncing(Choice::Defer(0)));
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    until_over(&mut rig);
    let id = rig.up().remove(0);
    rig.world.reclaim(&id);
    for _ in 0..5 {
        rig.world.add_fault(Fault {
            kind: MutationKind::Launch,
            carried_out: false,
            error: CloudErrorKind::Transient,
            code: "RequestTimeout",
        });
    }
    rig.run(Millis::from_secs(120));
    rig.ask();
    rig.run(SECOND);
    let answer = rig.command(by_program("second-secret"));
    assert_eq!(answer, Ok(CommandOutcome::RestartDeferred));
    rig.run(Millis::from_secs(300));
    let status = rig.status();
    let restart = status.restart.unwrap();
    assert_eq!(
        (restart.cause.as_str(), restart.deferred),
        ("second-secret", None)
    );
}

#[test]
fn a_restart_is_over_when_the_box_of_the_new_life_sends_a_heartbeat() {
    let mut rig = serving(fleet_with_boxes(), Native::sensible());
    let id = rig.up().remove(0);
    let old = registered(rig.say_and_run(register(&id, "first"))).token;
    rig.say_and_run(heartbeat(&old));
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    // The old life says something once more on its way down.
    rig.say_and_run(heartbeat(&old));
    rig.run(Millis::from_secs(240));
    assert_eq!(rig.up(), std::slice::from_ref(&id));
    assert_eq!(stage(&rig), Some(RestartStage::Provisioning));
    assert_eq!(
        rig.expect_not_yet(Millis::from_secs(6)),
        NotYetCode::Restarting
    );
    let new = registered(rig.say_and_run(register(&id, "second"))).token;
    assert_eq!(stage(&rig), Some(RestartStage::Provisioning));
    rig.say_and_run(heartbeat(&new));
    rig.run(Millis::from_secs(3));
    assert_eq!(stage(&rig), Some(RestartStage::Done));
    rig.expect_served();
}

#[test]
fn with_nothing_up_a_restart_only_provisions() {
    let mut rig = Rig::with_fleet(
        incidents::fleet(),
        World::new(1, BEGINS),
        Native::sensible(),
    );
    assert_eq!(
        rig.command(by_program("a")),
        Ok(CommandOutcome::RestartBegun)
    );
    for _ in 0..10 {
        rig.run(Millis::new(30));
        assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartJoined));
    }
    until_over(&mut rig);
    assert_eq!(rig.count(MutationKind::Launch), 1);
    assert_eq!(cycles(&rig), (0, 0));
}

#[test]
fn a_pool_that_replaces_terminates_and_launches_the_next_generation() {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.restart_by = RestartBy::Replace;
    }
    let mut rig = serving(fleet, Native::sensible());
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    until_over(&mut rig);
    assert_eq!(rig.count(MutationKind::Terminate), 1);
    assert_eq!(rig.count(MutationKind::Launch), 2);
    let worker = rig.worker();
    assert_eq!(worker.generation, Generation::new(2));
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn what_is_held_busy_is_restarted_by_a_person_and_not_by_a_program() {
    let mut rig = serving(
        incidents::fleet(),
        Native::debouncing(Choice::Go(RestartBy::StopStart)),
    );
    rig.say_and_run(said(Report::Busy(HOUR)));
    let refused = rig.command(by_program("a")).expect_err("it is held busy");
    assert_eq!(refused.code, RefusedCode::Vetoed);
    assert!(refused.text.starts_with("held-busy"), "{refused}");
    assert_eq!(cycles(&rig), (0, 0));
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
}

#[test]
fn a_paused_worker_is_not_restarted() {
    let mut rig = serving(incidents::fleet(), Native::sensible());
    rig.command(Command::Pause { reason: None }).unwrap();
    let refused = rig.command(by_person()).expect_err("it is paused");
    assert_eq!(refused.code, RefusedCode::Paused);
    assert!(refused.text.starts_with("an operator"), "{refused}");
    rig.run(MINUTE);
    assert_eq!(cycles(&rig), (0, 0));
}

#[test]
fn a_stop_whose_response_is_lost_is_found_out_and_the_restart_continues() {
    for carried_out in [true, false] {
        let mut rig = serving(incidents::fleet(), Native::sensible());
        rig.world.add_fault(Fault {
            kind: MutationKind::Stop,
            carried_out,
            error: CloudErrorKind::Transient,
            code: "Timeout",
        });
        assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
        until_over(&mut rig);
        assert_eq!(stage(&rig), Some(RestartStage::Done));
        let stops = if carried_out { 1 } else { 2 };
        assert_eq!(cycles(&rig), (stops, 1), "carried out: {carried_out}");
        assert_eq!(rig.up().len(), 1);
    }
}

#[test]
fn a_worker_that_does_not_come_back_fails_its_restart_and_people_are_told() {
    let mut rig = serving(fleet_with_boxes(), Native::sensible());
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    rig.run(Millis::from_secs(600));
    assert_eq!(stage(&rig), Some(RestartStage::Provisioning));
    rig.run(Millis::from_secs(240));
    assert_eq!(stage(&rig), Some(RestartStage::Failed));
    let served = rig.ask_and_run(SECOND);
    assert!(
        matches!(served, Resolution::Served(_)),
        "no caller is kept away any more"
    );
    assert_eq!(rig.told(Step::RestartFailed).len(), 1);
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn a_host_that_dies_at_any_step_of_a_restart_finishes_it_in_the_next_life() {
    for steps in 0..40 {
        let mut rig = Rig::alone();
        rig.ask();
        rig.run(MINUTE);
        rig.give(by_person());
        for _ in 0..steps {
            rig.step();
        }
        rig.restart();
        rig.run(Millis::from_secs(900));
        let restart = rig.status().restart.expect("the restart is in the record");
        assert_eq!(restart.stage, RestartStage::Done, "after {steps} steps");
        assert_eq!(rig.up().len(), 1, "after {steps} steps");
        let all = rig.launched().len();
        assert_eq!(
            all, 1,
            "after {steps} steps: nothing was launched in addition"
        );
    }
}

#[test]
fn a_restart_ends_the_wait_for_an_address() {
    let mut rig = Rig::with_fleet(
        incidents::fleet(),
        World::new(1, BEGINS),
        Native::sensible(),
    );
    rig.world.set_next_boot(Boot {
        pending: Millis::from_secs(5),
        address_after: Millis::from_secs(600),
    });
    while rig.told(Step::AddressPending).is_empty() {
        rig.ask();
        rig.run(Millis::new(200));
    }
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    rig.run(Millis::from_secs(180));
    rig.expect_served();
}

#[test]
fn a_restart_whose_end_could_not_be_written_is_ended_when_the_store_is_back() {
    let mut desk = Desk::adopted();
    desk.request(|_| command(by_person()));
    desk.written();
    desk.carried_out();
    desk.written();
    // Nothing comes up, and after half an hour no caller waits for it any more.
    desk.pass(Millis::from_secs(1_801));
    assert!(desk.writing.is_some(), "that it has failed");
    // The store takes its time to say that it does not answer.
    desk.pass(Millis::from_secs(6));
    desk.not_written(outage());
    desk.read();
    desk.pass(Millis::from_secs(6));
    desk.written();
    let restart = desk.stored.record.restart.unwrap();
    assert_eq!(restart.stage, RestartStage::Failed);
}
