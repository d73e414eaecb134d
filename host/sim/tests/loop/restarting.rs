//! Restarts: one cycle however many ask, over only when the worker is really there, and finished by whoever
//! lives (G7; docs/incidents.md#self-fire).

use crate::boxes::{fleet as fleet_with_boxes, heartbeat, register, registered};
use crate::desk::Desk;
use crate::records::outage;
use crate::support::{BEGINS, Bench, Native};
use reeve_core::boxes::{Report, Reporter, Statement};
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::fleet::Recovered;
use reeve_core::id::{Generation, RequestId};
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome, Refused, RefusedCode};
use reeve_core::point::debounce::Choice;
use reeve_core::response::{NotYetCode, Resolution};
use reeve_core::restart::{Initiator, RestartRequest, RestartStage};
use reeve_core::spec::{FleetSpec, RestartBy};
use reeve_core::time::{Instant, Millis};
use reeve_sim::host::Host as _;
use reeve_sim::incidents;
use reeve_sim::reeve::Reeve;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, Fault, World};
use std::sync::Arc;

const SECOND: Millis = Millis::from_secs(1);
const MINUTE: Millis = Millis::from_secs(60);

fn by_program(cause: &str) -> Command {
    Command::Restart(RestartRequest {
        cause: cause.to_owned(),
        initiator: Initiator::Program,
        text: None,
    })
}

fn by_person() -> Command {
    Command::Restart(RestartRequest {
        cause: "operator".to_owned(),
        initiator: Initiator::Person,
        text: Some("it hangs".to_owned()),
    })
}

/// Gives the command; the store and the policies answer at once.
#[track_caller]
fn told(bench: &mut Bench, command: Command) -> Result<CommandOutcome, Refused> {
    let (worker, request) = (incidents::worker(), RequestId::new(999));
    bench.host.operate(bench.now, &worker, request, command);
    let mut reports = bench.host.take_reports();
    let (found, told) = reports.pop().expect("an answer at once");
    assert_eq!((found, reports.len()), (request, 0));
    told
}

#[track_caller]
fn not_yet(bench: &mut Bench) -> NotYetCode {
    match bench.ask_and_run(Millis::from_secs(6)) {
        Resolution::NotYet(not_yet) => not_yet.code,
        other => panic!("{other:?}"),
    }
}

fn serving(fleet: FleetSpec, policies: Arc<Native>) -> Bench {
    let mut bench = Bench::with_fleet(fleet, World::new(1, BEGINS), policies);
    bench.ask();
    bench.run(MINUTE);
    let served = bench.ask_and_run(SECOND);
    assert!(matches!(served, Resolution::Served(_)), "{served:?}");
    bench
}

fn stage(bench: &Bench) -> Option<RestartStage> {
    let status = bench.host.fleet().status(&incidents::worker(), bench.now);
    status?.restart.map(|restart| restart.stage)
}

fn dropped(bench: &Bench) -> usize {
    let steps = bench.host.notices().iter().map(|notice| notice.step);
    steps.filter(|step| *step == Step::RestartDropped).count()
}

fn cycles(bench: &Bench) -> (usize, usize) {
    (
        bench.count(MutationKind::Stop),
        bench.count(MutationKind::Start),
    )
}

/// Runs until the restart in flight is over.
fn until_over(bench: &mut Bench) {
    for _ in 0..1_200 {
        if matches!(
            stage(bench),
            Some(RestartStage::Done | RestartStage::Failed)
        ) {
            return;
        }
        bench.run(SECOND);
    }
    panic!("still {:?}", stage(bench));
}

#[test]
fn a_restart_stops_and_starts_the_instance_once_and_the_worker_is_served_again() {
    let mut bench = serving(incidents::fleet(), Native::sensible());
    let before = bench.up();
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    assert_eq!(not_yet(&mut bench), NotYetCode::Restarting);
    assert_eq!(bench.pointer(), Some("none"));
    until_over(&mut bench);
    assert_eq!(stage(&bench), Some(RestartStage::Done));
    assert_eq!(cycles(&bench), (1, 1));
    assert_eq!(bench.up(), before);
    assert!(matches!(bench.ask_and_run(SECOND), Resolution::Served(_)));
    bench.run(MINUTE);
    assert_eq!(cycles(&bench), (1, 1));
}

#[test]
fn one_trigger_and_any_number_of_probes_are_one_cycle_even_if_the_policy_always_goes() {
    for probes in [4, 1_000] {
        for policies in [Native::debouncing(Choice::Go), Native::sensible()] {
            let mut bench = serving(incidents::fleet(), policies);
            assert_eq!(
                told(&mut bench, by_program("secret-changed")),
                Ok(CommandOutcome::RestartBegun)
            );
            for _ in 0..probes {
                bench.run(Millis::new(50));
                let answer = told(&mut bench, by_program("probe-failed"));
                assert_eq!(answer, Ok(CommandOutcome::RestartDropped));
            }
            until_over(&mut bench);
            bench.run(MINUTE);
            assert_eq!(cycles(&bench), (1, 1));
            assert_eq!(dropped(&bench), probes);
            let status = bench.host.fleet().status(&incidents::worker(), bench.now);
            let counted = status.unwrap().restart.unwrap().dropped;
            assert_eq!(counted["probe-failed"], probes as u64);
        }
    }
}

#[test]
fn a_program_that_takes_a_booting_worker_for_dead_restarts_nothing_and_a_person_does() {
    // Slower than the window after a restart lasts: there was none, so only the boot itself protects it.
    let boot = Boot {
        pending: MINUTE + MINUTE,
        address_after: MINUTE,
    };
    let mut world = World::new(1, BEGINS);
    world.next_boot(boot);
    let policies = Native::debouncing(Choice::Go);
    let mut bench = Bench::with_fleet(incidents::fleet(), world, policies);
    bench.ask();
    for _ in 0..35 {
        bench.run(Millis::from_secs(5));
        let answer = told(&mut bench, by_program("probe-failed"));
        assert_eq!(answer, Ok(CommandOutcome::RestartDropped));
    }
    assert_eq!(cycles(&bench), (0, 0));
    bench.run(Millis::from_secs(10));
    assert!(matches!(bench.ask_and_run(SECOND), Resolution::Served(_)));
    // What never gets an address is dead after all.
    let mut hung = World::new(1, BEGINS);
    hung.next_boot(Boot {
        address_after: Millis::from_secs(3_600),
        ..boot
    });
    for (asks, after) in [
        (by_person(), MINUTE),
        (by_program("probe-failed"), Millis::from_secs(660)),
    ] {
        let policies = Native::debouncing(Choice::Go);
        let mut bench = Bench::with_fleet(incidents::fleet(), hung.clone(), policies);
        bench.ask();
        bench.run(after);
        assert_eq!(told(&mut bench, asks), Ok(CommandOutcome::RestartBegun));
    }
}

#[test]
fn within_the_window_programs_are_dropped_and_after_it_a_restart_proceeds() {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        // Longer than the restart itself takes.
        pool.limits.restart_window = Millis::from_secs(600);
    }
    let mut bench = serving(fleet, Native::debouncing(Choice::Go));
    assert_eq!(
        told(&mut bench, by_program("a")),
        Ok(CommandOutcome::RestartBegun)
    );
    let began = bench.now;
    until_over(&mut bench);
    for _ in 0..5 {
        assert_eq!(
            told(&mut bench, by_program("b")),
            Ok(CommandOutcome::RestartDropped)
        );
    }
    bench.run(Millis::new(599_999 - bench.now.since(began).get()));
    assert_eq!(
        told(&mut bench, by_program("b")),
        Ok(CommandOutcome::RestartDropped)
    );
    bench.run(Millis::new(1));
    assert_eq!(
        told(&mut bench, by_program("b")),
        Ok(CommandOutcome::RestartBegun)
    );
    until_over(&mut bench);
    assert_eq!(cycles(&bench), (2, 2));
    assert_eq!(dropped(&bench), 6);
}

#[test]
fn a_person_is_not_debounced_and_joins_what_is_in_flight() {
    let mut bench = serving(incidents::fleet(), Native::debouncing(Choice::Drop));
    assert_eq!(
        told(&mut bench, by_program("a")),
        Ok(CommandOutcome::RestartDropped)
    );
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    for _ in 0..100 {
        assert_eq!(
            told(&mut bench, by_person()),
            Ok(CommandOutcome::RestartJoined)
        );
    }
    until_over(&mut bench);
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    until_over(&mut bench);
    assert_eq!(cycles(&bench), (2, 2));
}

#[test]
fn a_deferred_restart_follows_once_after_the_one_in_flight() {
    let mut bench = serving(incidents::fleet(), Native::debouncing(Choice::Defer));
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    for _ in 0..3 {
        let answer = told(&mut bench, by_program("second-secret"));
        assert_eq!(answer, Ok(CommandOutcome::RestartDeferred));
    }
    until_over(&mut bench);
    bench.run(Millis::from_secs(70));
    until_over(&mut bench);
    bench.run(Millis::from_secs(600));
    assert_eq!(cycles(&bench), (2, 2));
}

#[test]
fn a_deferred_restart_waits_for_what_is_being_brought_up_and_is_not_lost() {
    let mut bench = serving(incidents::fleet(), Native::debouncing(Choice::Defer));
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    until_over(&mut bench);
    let id = bench.up().remove(0);
    bench.world.reclaim(&id);
    for _ in 0..5 {
        bench.world.fault(Fault {
            kind: MutationKind::Launch,
            carried_out: false,
            error: CloudErrorKind::Transient,
            code: "RequestTimeout",
        });
    }
    bench.run(Millis::from_secs(120));
    bench.ask();
    bench.run(SECOND);
    let answer = told(&mut bench, by_program("second-secret"));
    assert_eq!(answer, Ok(CommandOutcome::RestartDeferred));
    bench.run(Millis::from_secs(300));
    let status = bench.host.fleet().status(&incidents::worker(), bench.now);
    let restart = status.unwrap().restart.unwrap();
    assert_eq!(
        (restart.cause.as_str(), restart.deferred),
        ("second-secret", None)
    );
}

#[test]
fn where_boxes_register_a_restart_is_over_with_a_heartbeat_of_the_new_life_and_not_before() {
    let mut bench = serving(fleet_with_boxes(), Native::sensible());
    let id = bench.up().remove(0);
    let old = registered(bench.say_and_run(register(&id, "first"))).token;
    bench.say_and_run(heartbeat(&old));
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    // The old life says something once more on its way down.
    bench.say_and_run(heartbeat(&old));
    bench.run(Millis::from_secs(240));
    assert_eq!(bench.up(), std::slice::from_ref(&id));
    assert_eq!(stage(&bench), Some(RestartStage::Provisioning));
    assert_eq!(not_yet(&mut bench), NotYetCode::Restarting);
    let new = registered(bench.say_and_run(register(&id, "second"))).token;
    assert_eq!(stage(&bench), Some(RestartStage::Provisioning));
    bench.say_and_run(heartbeat(&new));
    bench.run(Millis::from_secs(3));
    assert_eq!(stage(&bench), Some(RestartStage::Done));
    assert!(matches!(bench.ask_and_run(SECOND), Resolution::Served(_)));
}

#[test]
fn with_nothing_up_a_restart_only_provisions() {
    let mut bench = Bench::with_fleet(
        incidents::fleet(),
        World::new(1, BEGINS),
        Native::sensible(),
    );
    assert_eq!(
        told(&mut bench, by_program("a")),
        Ok(CommandOutcome::RestartBegun)
    );
    for _ in 0..10 {
        bench.run(Millis::new(30));
        assert_eq!(
            told(&mut bench, by_person()),
            Ok(CommandOutcome::RestartJoined)
        );
    }
    until_over(&mut bench);
    assert_eq!(bench.count(MutationKind::Launch), 1);
    assert_eq!(cycles(&bench), (0, 0));
}

#[test]
fn a_pool_that_replaces_terminates_the_instance_and_launches_the_next_generation() {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.restart_by = RestartBy::Replace;
    }
    let mut bench = serving(fleet, Native::sensible());
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    until_over(&mut bench);
    assert_eq!(bench.count(MutationKind::Terminate), 1);
    assert_eq!(bench.count(MutationKind::Launch), 2);
    let worker = bench.host.fleet().worker(&incidents::worker()).unwrap();
    assert_eq!(worker.generation, Generation::new(2));
    assert_eq!(bench.up().len(), 1);
}

#[test]
fn what_is_held_busy_is_restarted_by_a_person_and_not_by_a_program() {
    let mut bench = serving(incidents::fleet(), Native::debouncing(Choice::Go));
    bench.say_and_run(Statement::Report {
        by: Reporter::Application(None),
        report: Report::Busy(Millis::from_secs(3600)),
    });
    let refused = told(&mut bench, by_program("a")).expect_err("it is held busy");
    assert_eq!(refused.code, RefusedCode::Vetoed);
    assert!(refused.text.starts_with("held-busy"), "{refused}");
    assert_eq!(cycles(&bench), (0, 0));
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
}

#[test]
fn a_paused_worker_is_not_restarted() {
    let mut bench = serving(incidents::fleet(), Native::sensible());
    told(&mut bench, Command::Pause { reason: None }).unwrap();
    let refused = told(&mut bench, by_person()).expect_err("it is paused");
    assert_eq!(refused.code, RefusedCode::Paused);
    assert!(refused.text.starts_with("an operator"), "{refused}");
    bench.run(MINUTE);
    assert_eq!(cycles(&bench), (0, 0));
}

#[test]
fn a_stop_whose_reply_is_lost_is_found_out_and_the_restart_goes_on() {
    for carried_out in [true, false] {
        let mut bench = serving(incidents::fleet(), Native::sensible());
        bench.world.fault(Fault {
            kind: MutationKind::Stop,
            carried_out,
            error: CloudErrorKind::Transient,
            code: "Timeout",
        });
        assert_eq!(
            told(&mut bench, by_person()),
            Ok(CommandOutcome::RestartBegun)
        );
        until_over(&mut bench);
        assert_eq!(stage(&bench), Some(RestartStage::Done));
        let stops = if carried_out { 1 } else { 2 };
        assert_eq!(cycles(&bench), (stops, 1), "carried out: {carried_out}");
        assert_eq!(bench.up().len(), 1);
    }
}

#[test]
fn a_worker_that_does_not_come_back_fails_its_restart_and_people_are_told() {
    let mut bench = serving(fleet_with_boxes(), Native::sensible());
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    bench.run(Millis::from_secs(600));
    assert_eq!(stage(&bench), Some(RestartStage::Provisioning));
    bench.run(Millis::from_secs(240));
    assert_eq!(stage(&bench), Some(RestartStage::Failed));
    let served = bench.ask_and_run(SECOND);
    assert!(
        matches!(served, Resolution::Served(_)),
        "nobody is kept away any more"
    );
    let steps = bench.host.notices().iter().map(|notice| notice.step);
    assert_eq!(steps.filter(|step| *step == Step::RestartFailed).count(), 1);
    assert_eq!(bench.up().len(), 1);
}

/// Lets the next thing happen, and says when that is.
fn step(host: &mut Reeve, world: &mut World, now: Instant) -> Instant {
    let due = [host.next_due(), world.next_change()];
    let now = due.into_iter().flatten().min().unwrap_or(now).max(now);
    world.advance(now);
    host.run_due(world, now);
    now
}

#[test]
fn a_host_that_dies_at_any_step_of_a_restart_leaves_one_that_the_next_life_finishes() {
    for steps in 0..40 {
        let mut world = World::new(1, BEGINS);
        let store = MemoryStore::new(false);
        let start = |name: &str, world: &mut World, now| {
            let (fleet, store) = (incidents::fleet(), store.clone());
            let recovered = Recovered::default();
            let mut host = Reeve::sharing(fleet, Native::sensible(), store, name, recovered);
            host.start(world, now);
            host
        };
        let worker = incidents::worker();
        let mut host = start("first-life", &mut world, BEGINS);
        host.ask(&mut world, BEGINS, &worker, RequestId::new(1));
        let mut now = BEGINS;
        while now.since(BEGINS) < MINUTE {
            now = step(&mut host, &mut world, now);
        }
        host.operate(now, &worker, RequestId::new(2), by_person());
        for _ in 0..steps {
            now = step(&mut host, &mut world, now);
        }
        drop(host);
        let died = now;
        let mut host = start("second-life", &mut world, died);
        while now.since(died) < Millis::from_secs(900) {
            now = step(&mut host, &mut world, now);
        }
        let status = host.fleet().status(&worker, now).unwrap();
        let restart = status.restart.expect("the restart is in the record");
        assert_eq!(restart.stage, RestartStage::Done, "after {steps} steps");
        let up = world.instances().filter(|it| it.state.is_live()).count();
        assert_eq!(up, 1, "after {steps} steps");
        let all = world.instances().count();
        assert_eq!(
            all, 1,
            "after {steps} steps: nothing was launched beside it"
        );
    }
}

#[test]
fn a_restart_in_the_middle_of_a_look_for_an_address_leaves_no_pass_behind_that_waits_for_ever() {
    let mut bench = Bench::with_fleet(
        incidents::fleet(),
        World::new(1, BEGINS),
        Native::sensible(),
    );
    bench.world.next_boot(Boot {
        pending: Millis::from_secs(5),
        address_after: Millis::from_secs(600),
    });
    let is_pending = |bench: &Bench| {
        let mut notices = bench.host.notices().iter();
        notices.any(|notice| notice.step == Step::AddressPending)
    };
    while !is_pending(&bench) {
        bench.ask();
        bench.run(Millis::new(200));
    }
    assert_eq!(
        told(&mut bench, by_person()),
        Ok(CommandOutcome::RestartBegun)
    );
    bench.run(Millis::from_secs(180));
    assert!(matches!(bench.ask_and_run(SECOND), Resolution::Served(_)));
}

#[test]
fn a_restart_whose_end_could_not_be_written_is_ended_when_the_store_is_back() {
    let mut desk = Desk::new();
    desk.restart();
    desk.written();
    desk.carried_out();
    desk.written();
    // Nothing comes up, and after half an hour nobody waits for it any more.
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
