//! Delivered is not processed: what is counted, what it means for the worker, and what it protects
//! (docs/incidents.md#double-provision, docs/incidents.md#frozen-activity).

use crate::rig::boxes::*;
use crate::rig::prelude::*;
use reeve_core::boxes::{Receipt, Report, ReportOutcome, Reporter, Statement};
use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::compute::Compute;
use reeve_core::guard::Rule;
use reeve_core::id::{InstanceId, Region};
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::token::Token;

#[track_caller]
fn outcome_of(reply: Receipt) -> ReportOutcome {
    match reply {
        Receipt::Accepted(accepted) => accepted.outcome,
        other => panic!("{other:?}"),
    }
}

/// A worker whose box is registered.
fn at_work() -> (Rig, InstanceId, Token) {
    let (mut rig, id) = launched();
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    (rig, id, token)
}

#[test]
fn a_worker_that_finishes_no_delivery_is_unresponsive_despite_heartbeats() {
    let (mut rig, _, token) = at_work();
    outcome_of(rig.say_and_run(delivered(2)));
    for seconds in 2..300 {
        assert_eq!(rig.status().condition, "serving", "after {seconds} s");
        outcome_of(rig.say_and_run(heartbeat(&token)));
    }
    rig.run(MINUTE);
    let found = rig.status();
    assert_eq!(found.condition, "unresponsive");
    assert_eq!(
        (
            found.activity.delivered,
            found.activity.processed,
            found.activity.in_flight
        ),
        (2, 0, 2)
    );
    let told = |rig: &Rig| rig.told(Step::WorkerUnresponsive).len();
    assert_eq!(told(&rig), 1, "once, and not with every scan");

    outcome_of(rig.say_and_run(report(&token, Report::Processed(1))));
    assert_eq!(rig.status().condition, "serving");
    rig.run(Millis::from_secs(330));
    assert_eq!(rig.status().condition, "unresponsive");
    outcome_of(rig.say_and_run(report(&token, Report::Processed(1))));
    rig.run(HOUR);
    assert_eq!(rig.status().condition, "serving");
    assert_eq!(told(&rig), 2);
}

#[test]
fn work_after_a_long_silence_is_measured_from_its_own_delivery() {
    let (mut rig, _, token) = at_work();
    outcome_of(rig.say_and_run(delivered(1)));
    outcome_of(rig.say_and_run(report(&token, Report::Processed(1))));
    rig.run(HOUR);
    outcome_of(rig.say_and_run(delivered(1)));
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.status().condition, "serving");
}

#[test]
fn a_box_that_never_reports_work_is_not_called_unresponsive() {
    let mut rig = Rig::alone();
    rig.ask();
    rig.run(MINUTE);
    outcome_of(rig.say_and_run(delivered(5)));
    rig.run(HOUR);
    let found = rig.status();
    assert_eq!((found.condition, found.activity.in_flight), ("serving", 0));
    assert_eq!(found.activity.delivered, 5);
}

#[test]
fn a_delivery_to_a_started_instance_counts_as_to_a_launched_one() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    rig.ask();
    rig.run(MINUTE);
    assert_eq!(rig.status().condition, "serving");
    assert_eq!(rig.count(MutationKind::Start), 1);
    assert_eq!(
        outcome_of(rig.say_and_run(delivered(1))),
        ReportOutcome::Stored
    );
}

#[test]
fn what_an_instance_took_with_it_is_no_work_of_the_next() {
    let (mut rig, id, _) = at_work();
    outcome_of(rig.say_and_run(delivered(3)));
    assert_eq!(rig.status().activity.in_flight, 3);
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
    let next = rig.up().remove(0);
    let token = registered(rig.say_and_run(register(&next, "first"))).token;
    assert_eq!(rig.status().activity.in_flight, 0);
    outcome_of(rig.say_and_run(delivered(2)));
    outcome_of(rig.say_and_run(report(&token, Report::Processed(1))));
    assert_eq!(rig.status().activity.in_flight, 1);
}

#[test]
fn a_report_of_another_instance_or_of_a_worker_that_is_not_running_is_harmless() {
    let (mut rig, _, _) = at_work();
    let of_another = Statement::Report {
        by: Reporter::Application(Some("i-other".into())),
        report: Report::Delivered(1),
    };
    assert_eq!(
        outcome_of(rig.say_and_run(of_another)),
        ReportOutcome::NotRunning
    );
    assert_eq!(rig.status().activity.delivered, 0);

    let mut nothing = Rig::alone();
    assert_eq!(
        outcome_of(nothing.say_and_run(delivered(1))),
        ReportOutcome::NotRunning
    );
}

/// Lets the policy want to stop it, and says which rules refused.
fn refusals_of_a_stop(rig: &mut Rig, length: Millis) -> Vec<Rule> {
    rig.read_no_demand();
    let before = rig.journal(0).len();
    rig.run(length);
    let since = &rig.journal(0)[before..];
    let vetoes = since.iter().filter_map(|entry| match &entry.content {
        Content::Vetoed(veto) => Some(veto.rule),
        _ => None,
    });
    let mut rules: Vec<_> = vetoes.collect();
    rules.dedup();
    rules
}

#[test]
fn what_is_at_work_is_not_stopped_whatever_the_policy_says() {
    let (mut rig, _, token) = at_work();
    outcome_of(rig.say_and_run(delivered(1)));
    let rules = refusals_of_a_stop(&mut rig, Millis::from_secs(7200));
    assert_eq!(rules, [Rule::WorkInFlight]);
    outcome_of(rig.say_and_run(report(&token, Report::Processed(1))));
    assert_eq!(
        refusals_of_a_stop(&mut rig, Millis::from_secs(590)),
        [Rule::RecentActivity]
    );
    outcome_of(rig.say_and_run(report(&token, Report::Busy(HOUR))));
    assert_eq!(
        refusals_of_a_stop(&mut rig, Millis::from_secs(3500)),
        [Rule::HeldBusy]
    );
    assert_eq!(rig.count(MutationKind::Stop), 0);
    rig.run(Millis::from_secs(200));
    assert_eq!(rig.count(MutationKind::Stop), 1);
    rig.run(SECOND);
}

#[test]
fn an_orphan_is_not_in_use_by_what_the_adopted_instance_does() {
    let (mut rig, id, _) = at_work();
    rig.world.launch_tagged("i-orphan", incidents::TAG, &[OURS]);
    outcome_of(rig.say_and_run(delivered(1)));
    // It may boot for ten minutes.
    let rules = refusals_of_a_stop(&mut rig, Millis::from_secs(640));
    assert!(!rules.contains(&Rule::InUse), "{rules:?}");
    assert_eq!(rig.up(), [id]);
    let text = &rig.told(Step::InstanceEnding)[0].text;
    assert!(text.contains("no caller wants it"), "{text}");
}

#[test]
fn what_one_host_hands_out_is_not_reaped_by_another() {
    let mut rig = Rig::hosts(2);
    rig.ask();
    rig.run(Millis::from_secs(120));
    rig.ask_of(1);
    rig.run(SECOND);
    for _ in 0..30 {
        rig.read_no_demand_on(1);
        rig.ask();
        rig.run(MINUTE);
        rig.assert_settled();
    }
    for _ in 0..12 {
        rig.read_no_demand_on(1);
        rig.run(MINUTE);
    }
    let up = rig.world.instances().filter(|it| it.state.is_live());
    assert_eq!(up.count(), 0, "when no host hands it out any more");
}

#[test]
fn the_next_life_knows_when_an_instance_was_handed_out() {
    let mut rig = Rig::alone();
    rig.ask();
    rig.run(Millis::from_secs(120));
    rig.ask();
    rig.run(SECOND);
    rig.restart();
    rig.run(MINUTE);
    let worker = rig.worker();
    let adopted = worker.adopted.as_ref().expect("it is in the record");
    let age = worker
        .handed_out_at(&adopted.id)
        .map(|at| rig.now().since(at));
    assert!(
        age.is_some_and(|age| age < Millis::from_secs(120)),
        "{age:?}"
    );
}
