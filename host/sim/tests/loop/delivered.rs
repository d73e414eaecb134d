//! Delivered is not processed: what is counted, what it means for the worker, and what it protects (docs/incidents.md#double-provision, docs/incidents.md#frozen-activity).

use crate::boxes::{heartbeat, launched, register, registered, report};
use crate::records::Several;
use crate::support::{Bench, Native, stopped_a};
use reeve_core::boxes::{Receipt, Report, ReportOutcome, Reporter, Statement};
use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::compute::Compute;
use reeve_core::demand::DemandReading;
use reeve_core::guard::Rule;
use reeve_core::id::{InstanceId, Region};
use reeve_core::journal::Entry;
use reeve_core::notice::Step;
use reeve_core::time::Millis;
use reeve_core::token::Token;
use reeve_core::worker::WorkerStatus;
use reeve_sim::host::Host;
use reeve_sim::incidents;
use reeve_sim::world::Boot;

const SECOND: Millis = Millis::from_secs(1);

fn delivered(count: u64) -> Statement {
    Statement::Report {
        by: Reporter::Application(None),
        report: Report::Delivered(count),
    }
}

fn status(bench: &Bench) -> WorkerStatus {
    let status = bench.host.fleet().status(&incidents::worker(), bench.now);
    status.expect("the worker is configured")
}

#[track_caller]
fn noted(reply: Receipt) -> ReportOutcome {
    match reply {
        Receipt::Accepted(noted) => noted.outcome,
        other => panic!("{other:?}"),
    }
}

/// A worker whose box is registered.
fn at_work() -> (Bench, InstanceId, Token) {
    let (mut bench, id) = launched();
    let token = registered(bench.say_and_run(register(&id, "first"))).token;
    (bench, id, token)
}

#[test]
fn a_worker_that_takes_deliveries_and_finishes_none_is_unresponsive_whatever_its_heartbeat_says() {
    let (mut bench, _, token) = at_work();
    noted(bench.say_and_run(delivered(2)));
    for seconds in 2..300 {
        assert_eq!(status(&bench).condition, "serving", "after {seconds} s");
        noted(bench.say_and_run(heartbeat(&token)));
    }
    bench.run(Millis::from_secs(60));
    let found = status(&bench);
    assert_eq!(found.condition, "unresponsive");
    assert_eq!(
        (
            found.activity.delivered,
            found.activity.processed,
            found.activity.in_flight
        ),
        (2, 0, 2)
    );
    let told = |bench: &Bench| {
        let steps = bench.host.notices().iter().map(|notice| notice.step);
        steps
            .filter(|step| *step == Step::WorkerUnresponsive)
            .count()
    };
    assert_eq!(told(&bench), 1, "once, and not with every scan");

    noted(bench.say_and_run(report(&token, Report::Processed(1))));
    assert_eq!(status(&bench).condition, "serving");
    bench.run(Millis::from_secs(330));
    assert_eq!(status(&bench).condition, "unresponsive");
    noted(bench.say_and_run(report(&token, Report::Processed(1))));
    bench.run(Millis::from_secs(3600));
    assert_eq!(status(&bench).condition, "serving");
    assert_eq!(told(&bench), 2);
}

#[test]
fn work_after_a_long_silence_is_measured_from_its_own_delivery() {
    let (mut bench, _, token) = at_work();
    noted(bench.say_and_run(delivered(1)));
    noted(bench.say_and_run(report(&token, Report::Processed(1))));
    bench.run(Millis::from_secs(3600));
    noted(bench.say_and_run(delivered(1)));
    bench.run(Millis::from_secs(120));
    assert_eq!(status(&bench).condition, "serving");
}

#[test]
fn where_nobody_reports_what_is_processed_nothing_is_concluded_from_it() {
    let mut bench = Bench::new(Native::sensible());
    bench.ask();
    bench.run(Millis::from_secs(60));
    noted(bench.say_and_run(delivered(5)));
    bench.run(Millis::from_secs(3600));
    let found = status(&bench);
    assert_eq!((found.condition, found.activity.in_flight), ("serving", 0));
    assert_eq!(found.activity.delivered, 5);
}

#[test]
fn what_is_delivered_to_an_instance_that_was_started_counts_as_to_one_that_was_launched() {
    let mut bench = Bench::with_world(stopped_a(), Native::sensible());
    bench.ask();
    bench.run(Millis::from_secs(60));
    assert_eq!(status(&bench).condition, "serving");
    assert_eq!(bench.count(MutationKind::Start), 1);
    assert_eq!(
        noted(bench.say_and_run(delivered(1))),
        ReportOutcome::Stored
    );
}

#[test]
fn what_an_instance_took_with_it_is_no_work_of_the_next() {
    let (mut bench, id, _) = at_work();
    noted(bench.say_and_run(delivered(3)));
    assert_eq!(status(&bench).activity.in_flight, 3);
    let gone = Mutation::Terminate {
        region: Region::from("us-east-1"),
        compute: Compute::Ec2,
        id,
        clear_pointer: None,
    };
    bench.world.apply(&gone).unwrap();
    bench.run(Millis::from_secs(120));
    bench.ask();
    bench.run(Millis::from_secs(60));
    let next = bench.up().remove(0);
    let token = registered(bench.say_and_run(register(&next, "first"))).token;
    assert_eq!(status(&bench).activity.in_flight, 0);
    noted(bench.say_and_run(delivered(2)));
    noted(bench.say_and_run(report(&token, Report::Processed(1))));
    assert_eq!(status(&bench).activity.in_flight, 1);
}

#[test]
fn a_report_of_another_instance_or_of_a_worker_that_is_not_running_is_harmless() {
    let (mut bench, _, _) = at_work();
    let of_another = Statement::Report {
        by: Reporter::Application(Some("i-other".into())),
        report: Report::Delivered(1),
    };
    assert_eq!(
        noted(bench.say_and_run(of_another)),
        ReportOutcome::NotRunning
    );
    assert_eq!(status(&bench).activity.delivered, 0);

    let mut nothing = Bench::new(Native::sensible());
    assert_eq!(
        noted(nothing.say_and_run(delivered(1))),
        ReportOutcome::NotRunning
    );
}

/// Lets the policy want to stop it, and says which rules refused.
fn refusals_of_a_stop(bench: &mut Bench, length: Millis) -> Vec<Rule> {
    let demand = DemandReading::Requests {
        count: 0,
        window: Millis::from_secs(600),
        until: bench.now,
    };
    let worker = incidents::worker();
    bench
        .host
        .demand(&mut bench.world, bench.now, &worker, demand);
    let before = bench.host.journal().len();
    bench.run(length);
    let since = &bench.host.journal()[before..];
    let vetoes = since.iter().filter_map(|record| match &record.entry {
        Entry::Vetoed(veto) => Some(veto.rule),
        _ => None,
    });
    let mut rules: Vec<_> = vetoes.collect();
    rules.dedup();
    rules
}

#[test]
fn what_is_at_work_is_not_stopped_whatever_the_policy_says() {
    let (mut bench, _, token) = at_work();
    noted(bench.say_and_run(delivered(1)));
    let rules = refusals_of_a_stop(&mut bench, Millis::from_secs(7200));
    assert_eq!(rules, [Rule::WorkInFlight]);
    noted(bench.say_and_run(report(&token, Report::Processed(1))));
    assert_eq!(
        refusals_of_a_stop(&mut bench, Millis::from_secs(590)),
        [Rule::RecentActivity]
    );
    noted(bench.say_and_run(report(&token, Report::Busy(Millis::from_secs(3600)))));
    assert_eq!(
        refusals_of_a_stop(&mut bench, Millis::from_secs(3500)),
        [Rule::HeldBusy]
    );
    assert_eq!(bench.count(MutationKind::Stop), 0);
    bench.run(Millis::from_secs(200));
    assert_eq!(bench.count(MutationKind::Stop), 1);
    bench.run(SECOND);
}

#[test]
fn an_orphan_is_not_in_use_by_what_the_adopted_instance_does() {
    let (mut bench, id, _) = at_work();
    bench
        .world
        .launch_elsewhere("i-orphan", incidents::TAG, Boot::instant());
    noted(bench.say_and_run(delivered(1)));
    let rules = refusals_of_a_stop(&mut bench, Millis::from_secs(120));
    assert!(!rules.contains(&Rule::InUse), "{rules:?}");
    assert_eq!(bench.up(), [id]);
}

#[test]
fn what_one_host_hands_out_is_not_reaped_by_another() {
    let mut several = Several::new(2);
    several.ask(0);
    several.run(Millis::from_secs(120));
    several.ask(1);
    several.run(SECOND);
    let wants_it_gone = |several: &mut Several| {
        let demand = DemandReading::Requests {
            count: 0,
            window: Millis::from_secs(600),
            until: several.now,
        };
        let worker = incidents::worker();
        several.hosts[1].demand(&mut several.world, several.now, &worker, demand);
    };
    for _ in 0..30 {
        wants_it_gone(&mut several);
        several.ask(0);
        several.run(Millis::from_secs(60));
        several.assert_settled();
    }
    for _ in 0..12 {
        wants_it_gone(&mut several);
        several.run(Millis::from_secs(60));
    }
    let up = several.world.instances().filter(|it| it.state.is_live());
    assert_eq!(up.count(), 0, "when nobody hands it out any more");
}

#[test]
fn the_next_life_knows_when_an_instance_was_handed_out() {
    let mut several = Several::alone();
    several.ask(0);
    several.run(Millis::from_secs(120));
    several.ask(0);
    several.run(SECOND);
    several.kill(0);
    several.join("second-life");
    several.run(Millis::from_secs(60));
    let fleet = several.hosts[0].fleet();
    let worker = fleet.worker(&incidents::worker()).unwrap();
    let adopted = worker.adopted.as_ref().expect("it is in the record");
    let age = worker
        .handed_out_at(&adopted.id)
        .map(|at| several.now.since(at));
    assert!(
        age.is_some_and(|age| age < Millis::from_secs(120)),
        "{age:?}"
    );
}
