//! Ending instances: what is stopped, what is kept, and what the pointer says afterwards.

use crate::records::Several;
use crate::support::{BEGINS, Bench, Native};
use reeve_core::boxes::{Receipt, Report, ReportOutcome, Reporter, Statement};
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::demand::DemandReading;
use reeve_core::instance::InstanceState;
use reeve_core::notice::Step;
use reeve_core::response::Resolution;
use reeve_core::spec::Limits;
use reeve_core::store::{Former, Phase, Touch, Touched};
use reeve_core::time::{Instant, Millis};
use reeve_sim::host::Host;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::world::{Boot, Fault, World};

fn no_demand(until: Instant) -> DemandReading {
    DemandReading::Requests {
        count: 0,
        window: Millis::from_secs(600),
        until,
    }
}

/// A bench on which B runs and was handed out once, and the metric says that nobody wants it.
fn unwanted_b() -> Bench {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut bench = Bench::with_world(world, Native::sensible());
    bench.ask_and_run(Millis::from_secs(1));
    let demand = no_demand(bench.now);
    bench
        .host
        .demand(&mut bench.world, bench.now, &incidents::worker(), demand);
    bench
}

#[test]
fn stopping_what_the_pointer_names_clears_it_in_the_same_action() {
    let mut bench = unwanted_b();
    bench.run(Millis::from_secs(700));
    assert_eq!(bench.count(MutationKind::Stop), 1);
    assert_eq!(bench.pointer(), Some("none"));
    let told = bench
        .host
        .notices()
        .iter()
        .find(|notice| notice.step == Step::InstanceEnding);
    let text = &told.unwrap().text;
    assert!(text.contains("last handed out"), "{text}");
}

#[test]
fn an_instance_in_use_is_kept_whatever_the_policy_says() {
    let mut bench = unwanted_b();
    for _ in 0..20 {
        bench.ask_and_run(Millis::from_secs(60));
    }
    assert_eq!(bench.count(MutationKind::Stop), 0);
    let vetoed = bench
        .host
        .notices()
        .iter()
        .any(|notice| notice.step == Step::ProposalVetoed);
    assert!(vetoed);
}

#[test]
fn a_worker_whose_instances_come_and_go_unserved_is_told_to_be_cycling() {
    let mut bench = Bench::new(Native::sensible());
    let demand = no_demand(bench.now);
    bench
        .host
        .demand(&mut bench.world, bench.now, &incidents::worker(), demand);
    for number in 0..3 {
        let id = format!("i-{number}");
        bench.world.launch_elsewhere(&id, TAG, Boot::instant());
        bench.run(Millis::from_secs(120));
    }
    assert_eq!(bench.count(MutationKind::Stop), 3);
    let cycling = bench
        .host
        .notices()
        .iter()
        .filter(|notice| notice.step == Step::WorkerCycling);
    assert_eq!(cycling.count(), 1);
}

fn told(bench: &Bench, step: Step) -> usize {
    let steps = bench.host.notices().iter().map(|notice| notice.step);
    steps.filter(|told| *told == step).count()
}

/// Runs until B is being drained, to the millisecond.
fn draining_b() -> Bench {
    let mut bench = unwanted_b();
    // Nothing is reaped before `idle_min`.
    bench.run(Millis::from_secs(590));
    while told(&bench, Step::InstanceDraining) == 0 {
        bench.run(Millis::new(100));
        assert!(bench.now.since(BEGINS) < Millis::from_secs(1_200));
    }
    bench
}

fn delivered() -> Statement {
    Statement::Report {
        by: Reporter::Application(None),
        report: Report::Delivered(1),
    }
}

#[test]
fn an_idle_instance_is_marked_and_no_longer_handed_out_before_it_is_stopped() {
    let mut bench = draining_b();
    let worker = bench.host.fleet().worker(&incidents::worker()).unwrap();
    assert_eq!(worker.route, None);
    assert!(worker.draining.is_some());
    assert_eq!(bench.pointer(), Some("i-bbbb"));
    bench.run(Millis::from_secs(29));
    assert_eq!(bench.count(MutationKind::Stop), 0);
    bench.run(Millis::from_secs(2));
    assert_eq!(bench.count(MutationKind::Stop), 1);
    assert_eq!(bench.pointer(), Some("none"));
    assert_eq!(told(&bench, Step::InstanceEnding), 1);
}

#[test]
fn activity_at_any_moment_between_the_decision_and_the_stop_keeps_the_instance() {
    for ms in (0..29_500).step_by(500) {
        let mut bench = draining_b();
        bench.run(Millis::new(ms));
        bench.say(delivered());
        bench.run(Millis::from_secs(300));
        assert_eq!(bench.count(MutationKind::Stop), 0, "after {ms} ms");
        assert_eq!(told(&bench, Step::InstanceRevived), 1, "after {ms} ms");
        assert_eq!(bench.up().len(), 1);
    }
}

#[test]
fn a_delivery_in_the_milliseconds_around_the_stop_is_kept_or_told_that_it_came_too_late() {
    for ms in 29_700..30_100 {
        let mut bench = draining_b();
        bench.run(Millis::new(ms));
        let request = bench.say(delivered());
        bench.run(Millis::from_secs(300));
        let reply = bench.reply(request).expect("a reply");
        let Receipt::Accepted(noted) = reply else {
            panic!("{reply:?}");
        };
        let stopped = bench.count(MutationKind::Stop) == 1;
        let too_late = noted.outcome == ReportOutcome::NotRunning;
        assert_eq!(stopped, too_late, "after {ms} ms");
    }
}

#[test]
fn whoever_asks_for_an_instance_that_is_drained_gets_it() {
    let mut bench = draining_b();
    bench.run(Millis::from_secs(20));
    let answer = bench.ask_and_run(Millis::from_secs(1));
    assert!(matches!(answer, Resolution::Served(_)), "{answer:?}");
    bench.run(Millis::from_secs(300));
    assert_eq!(bench.count(MutationKind::Stop), 0);
}

#[test]
fn a_caller_of_another_host_keeps_it_too_and_one_that_died_leaves_it_up() {
    for somebody_asks in [true, false] {
        let mut several = Several::new(2);
        several.ask(0);
        several.run(Millis::from_secs(120));
        let worker = incidents::worker();
        let mut waited = 0;
        while several.record().record.draining.is_none() {
            let demand = no_demand(several.now);
            several.hosts[0].demand(&mut several.world, several.now, &worker, demand);
            several.run(Millis::from_secs(10));
            waited += 10;
            assert!(waited < 2_000);
        }
        if somebody_asks {
            let request = several.ask(1);
            several.run(Millis::from_secs(1));
            assert!(matches!(
                several.answer(request),
                Some(Resolution::Served(_))
            ));
        } else {
            several.kill(0);
        }
        several.run(Millis::from_secs(240));
        let up = several.world.instances().filter(|it| it.state.is_live());
        assert_eq!(up.count(), 1, "somebody asks: {somebody_asks}");
    }
}

#[test]
fn whom_another_host_has_sent_there_while_it_was_being_ended_keeps_it_when_the_end_fails() {
    let mut several = Several::new(1);
    several.ask(0);
    several.run(Millis::from_secs(120));
    several.world.fault(Fault {
        kind: MutationKind::Stop,
        error: CloudErrorKind::Denied,
        code: "UnauthorizedOperation",
        carried_out: false,
    });
    let worker = incidents::worker();
    let no_demand_for = |several: &mut Several, length: Millis| {
        let end = several.now + length;
        while several.now < end && several.record().record.phase == Phase::Running {
            let demand = no_demand(several.now);
            several.hosts[0].demand(&mut several.world, several.now, &worker, demand);
            several.step();
        }
    };
    no_demand_for(&mut several, Millis::from_secs(2_000));
    assert_eq!(several.record().record.phase, Phase::Ending);
    // Its route was published before the end was announced, so it has not read of it.
    let at = several.now;
    let touched = several.store.touch_now(&worker, Touch::HandedOut { at });
    assert_eq!(touched, Ok(Touched::Refreshed));
    while several.record().record.phase == Phase::Ending {
        several.step();
    }
    no_demand_for(&mut several, Limits::default().idle_min);
    assert_eq!(several.record().record.phase, Phase::Running);
    assert!(several.now >= at + Limits::default().idle_min);
    no_demand_for(&mut several, Millis::from_secs(2_000));
    assert_eq!(several.record().record.phase, Phase::Ending, "unused again");
}

#[test]
fn whoever_is_turned_away_counts_as_demand() {
    let mut world = World::new(1, BEGINS);
    let boot = Boot {
        pending: Millis::ZERO,
        address_after: Millis::from_secs(100_000),
    };
    world.launch_elsewhere("i-bbbb", TAG, boot);
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut bench = Bench::with_world(world, Native::sensible());
    for _ in 0..20 {
        let answer = bench.ask_and_run(Millis::from_secs(60));
        assert!(matches!(answer, Resolution::NotYet(_)), "{answer:?}");
        let demand = no_demand(bench.now);
        let worker = incidents::worker();
        bench
            .host
            .demand(&mut bench.world, bench.now, &worker, demand);
    }
    assert_eq!(bench.count(MutationKind::Stop), 0);
    bench.run(Millis::from_secs(700));
    assert_eq!(
        bench.count(MutationKind::Stop),
        1,
        "when nobody asks any more"
    );
}

#[test]
fn ending_what_another_host_adopted_and_forgot_clears_the_pointer_that_it_wrote() {
    // The last one it adopted; or one before, after which it could not write the pointer any more.
    for former in ["i-aaaa", "i-later"] {
        let mut several = Several::new(1);
        several.world.fault(Fault {
            kind: MutationKind::Launch,
            error: CloudErrorKind::NoCapacity,
            code: "InsufficientInstanceCapacity",
            carried_out: false,
        });
        // This one has read an empty pointer, and does not read it again.
        several.ask(0);
        several.run(Millis::from_secs(1));
        several
            .world
            .launch_elsewhere("i-aaaa", TAG, Boot::instant());
        several.world.place_pointer(&incidents::pointer(), "i-aaaa");
        several.rewrite(|record| {
            record.generation = record.generation.next();
            record.former = Some(Former {
                id: former.into(),
                generation: record.generation,
            });
        });
        let demand = no_demand(several.now);
        let worker = incidents::worker();
        several.hosts[0].demand(&mut several.world, several.now, &worker, demand);
        several.run(Millis::from_secs(900));
        let state = several.world.instance(&"i-aaaa".into()).unwrap().state;
        assert_eq!(state, InstanceState::Stopped);
        let pointer = several.world.pointer(&incidents::pointer());
        assert_eq!(pointer, Some("none"), "{former} embodied the worker last");
    }
}
