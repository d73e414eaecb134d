//! Tests of each rule that keeps an orphan, on both sides of its bound.

use std::collections::BTreeMap;

use crate::facts::{Adopted, How, InFlight, Origin, OrphanCheck, WorkerFacts};
use crate::guard::tests::{NOW, permitted, refused, scene_with, worker};
use crate::guard::{CHECK_AGE_MAX, Proposal};
use crate::model::budget::Spending;
use crate::model::cloud::{Mutation, MutationKind};
use crate::model::compute::Ending;
use crate::model::id::{DecisionId, Generation, HostId, InstanceId};
use crate::model::instance::{
    Instance, InstanceState, Owner, TAG_FLEET, TAG_GENERATION, TAG_WORKER,
};
use crate::model::spec::{Limits, OrphanRule};
use crate::model::store::Intent;
use crate::model::time::{Instant, Millis};
use crate::model::veto::Rule;

mod sources;

const HOME: &str = "i-home";
const OLD: &str = "i-old";
const FOUND: &str = "i-found";
const NEW: &str = "i-new";

fn ago(length: Millis) -> Instant {
    Instant::from_ms(NOW.as_ms() - length.get())
}

fn grace() -> Millis {
    Limits::default().orphan_grace
}

/// Proposes to end an instance after a check that found it as the scans show it.
fn proposal(id: &str) -> Proposal {
    let shown = all().into_iter().find(|it| it.id.as_str() == id);
    proposal_after(shown.unwrap_or_else(|| instance(id, None)), NOW)
}

/// Proposes to end an instance after a check with this reading, asked for at `asked_at`.
fn proposal_after(reading: Instance, asked_at: Instant) -> Proposal {
    Proposal::EndOrphan(OrphanCheck {
        cloud_asked: Some(NOW),
        pointer_read: true,
        adopted_read: true,
        reading: Some((reading.clone(), asked_at)),
        ..OrphanCheck::new(reading.id, NOW)
    })
}

/// An instance of the worker; `generation` is `Some` if reeve launched it.
fn instance(id: &str, generation: Option<u64>) -> Instance {
    let mut tags = BTreeMap::from([("Name".to_owned(), "gpu-worker".to_owned())]);
    if let Some(generation) = generation {
        tags.insert(TAG_FLEET.to_owned(), "test".to_owned());
        tags.insert(TAG_WORKER.to_owned(), "gpu".to_owned());
        tags.insert(TAG_GENERATION.to_owned(), generation.to_string());
    }
    Instance {
        id: id.into(),
        state: InstanceState::Running,
        private_ip: None,
        public_ip: None,
        launched_at: Some(Instant::from_ms(1)),
        role: None,
        state_reason: None,
        tags,
    }
}

fn all() -> Vec<Instance> {
    vec![
        instance(HOME, Some(3)),
        instance(OLD, Some(2)),
        instance(FOUND, None),
    ]
}

/// Folds in a scan for every interval from `first` to now; each shows all instances.
fn scan_from(worker: &mut WorkerFacts, first: Instant) {
    let mut at = first;
    while at < NOW {
        worker.observe_scan(all(), at);
        at += worker.pool.limits.scan_interval;
    }
    worker.observe_scan(all(), NOW);
}

/// Marks the record, the instance and the adopted instance as read now.
fn read_by_id(worker: &mut WorkerFacts, reading: Instance) {
    worker.observe_instance(reading, NOW);
    worker.observe_instance(instance(HOME, Some(3)), NOW);
    worker.record.read_at = NOW;
}

/// Adds an instance of this generation to the latest scan, and reads it by id.
fn add_generation(worker: &mut WorkerFacts, generation: u64) {
    let new = instance(NEW, Some(generation));
    let mut found = all();
    found.push(new.clone());
    worker.observe_scan(found, NOW);
    read_by_id(worker, new);
}

/// A worker with an adopted instance of generation 3, an orphan of generation 2 and one of an
/// unknown generation since `first`. The instance `read` was read by id.
fn orphaned_since(first: Instant, read: &str) -> WorkerFacts {
    let mut worker = worker();
    let adopted = Adopted {
        id: HOME.into(),
        generation: Generation::new(3),
        since: Instant::from_ms(1),
        how: How::Launched,
        unfinished_before: 0,
        launched_before: None,
        unknown: Default::default(),
    };
    worker.adopted = Some(adopted.clone());
    worker.record.stored.as_mut().unwrap().record.adopted = Some(adopted);
    worker.pointer = Some(Some(HOME.into()));
    worker.scanned_at = None;
    scan_from(&mut worker, first);
    let found = all().into_iter().find(|it| it.id.as_str() == read);
    read_by_id(&mut worker, found.unwrap());
    worker
}

fn orphaned(read: &str) -> WorkerFacts {
    orphaned_since(ago(grace()), read)
}

/// As [`orphaned`], in a pool that ends unclaimed orphans as well.
fn orphaned_and_covered(checked_at: &str) -> WorkerFacts {
    let mut worker = orphaned(checked_at);
    worker.pool.orphans = OrphanRule::EndUnclaimed;
    worker
}

#[test]
fn an_orphan_is_terminated_if_this_fleet_launched_it_and_stopped_otherwise() {
    permitted(&orphaned(OLD), &proposal(OLD), MutationKind::Terminate);
    let worker = orphaned_and_covered(FOUND);
    let permit = permitted(&worker, &proposal(FOUND), MutationKind::Stop);
    let Mutation::Stop { clear_pointer, .. } = permit.into_mutation() else {
        panic!("a stop was asked for");
    };
    assert_eq!(clear_pointer, None, "the pointer names the adopted one");
}

#[test]
fn only_orphans_that_the_pools_rule_covers_are_due_and_ended() {
    use OrphanRule::{EndOurs, EndUnclaimed, Leave};
    for (rule, due) in [
        (EndOurs, vec![OLD]),
        (EndUnclaimed, vec![FOUND, OLD]),
        (Leave, vec![]),
    ] {
        for id in [OLD, FOUND] {
            let mut worker = orphaned(id);
            worker.pool.orphans = rule;
            let found: Vec<_> = worker.due_orphans().map(|(id, _)| id.as_str()).collect();
            assert_eq!(found, due, "{rule:?}");
            if !due.contains(&id) {
                refused(&worker, &proposal(id), Rule::LeftAlone);
            }
        }
    }
}

#[test]
fn an_instance_of_another_fleet_is_no_orphan() {
    let mut worker = orphaned_and_covered(OLD);
    let mut foreign = instance(OLD, Some(2));
    foreign
        .tags
        .insert(TAG_FLEET.to_owned(), "other".to_owned());
    assert_eq!(worker.origin_of_orphan(&foreign), None);
    read_by_id(&mut worker, foreign.clone());
    refused(&worker, &proposal_after(foreign, NOW), Rule::OfAnotherFleet);
}

#[test]
fn an_instance_launched_for_another_worker_is_of_unknown_generation() {
    let worker = orphaned(FOUND);
    let mut other = instance(FOUND, Some(1));
    other.tags.insert(TAG_WORKER.to_owned(), "chat".to_owned());
    let origin = Origin {
        owner: Owner::Ours,
        generation: None,
    };
    assert_eq!(origin.ending(), Ending::Stop);
    assert_eq!(worker.origin_of_orphan(&other), Some(origin));
}

#[test]
fn the_grace_is_kept_to_the_millisecond() {
    let young = orphaned_since(ago(Millis::new(grace().get() - 1)), OLD);
    refused(&young, &proposal(OLD), Rule::OrphanGrace);
    let due = orphaned_since(ago(grace()), OLD);
    permitted(&due, &proposal(OLD), MutationKind::Terminate);
}

#[test]
fn an_instance_newer_than_the_record_is_no_orphan() {
    let mut worker = orphaned(OLD);
    refused(&worker, &proposal(HOME), Rule::NotAnOrphan);
    for (generation, rule) in [(3, Rule::OrphanGrace), (4, Rule::NotAnOrphan)] {
        add_generation(&mut worker, generation);
        refused(&worker, &proposal(NEW), rule);
    }
    refused(&worker, &proposal("i-made-up"), Rule::NotThisWorkers);
}

#[test]
fn a_newer_instance_is_an_orphan_once_its_launch_is_over() {
    let launch = permitted(&worker(), &Proposal::Launch(0), MutationKind::Launch);
    let announced = Intent {
        mutation: launch.mutation().clone(),
        generation: launch.generation(),
        epoch: launch.epoch(),
        decision: launch.decision(),
        since: NOW,
        unknown: Default::default(),
    };
    let mut worker = orphaned(OLD);
    for (intent, rule) in [
        (Some(announced), Rule::NotAnOrphan),
        (None, Rule::OrphanGrace),
    ] {
        let record = &mut worker.record.stored.as_mut().unwrap().record;
        record.generation = Generation::new(4);
        record.intent = intent;
        add_generation(&mut worker, 4);
        refused(&worker, &proposal(NEW), rule);
    }
}

#[test]
fn a_scan_that_does_not_show_the_orphan_begins_its_grace_anew() {
    let without = |id: &'static str| all().into_iter().filter(move |it| it.id.as_str() != id);
    let stopped = all().into_iter().map(|mut it| {
        if it.id.as_str() == OLD {
            it.state = InstanceState::Stopped;
        }
        it
    });
    let untagged = all().into_iter().map(|mut it| {
        if it.id.as_str() == OLD {
            it.tags.remove(TAG_GENERATION);
        }
        it
    });
    let scans: [(&str, Vec<Instance>); 4] = [
        ("it is missing", without(OLD).collect()),
        ("the adopted one is missing", without(HOME).collect()),
        ("it is stopped", stopped.collect()),
        ("it has lost its generation", untagged.collect()),
    ];
    for (what, scan) in scans {
        let mut worker = orphaned(OLD);
        worker.observe_scan(scan, NOW);
        worker.observe_scan(all(), NOW);
        read_by_id(&mut worker, instance(OLD, Some(2)));
        let known = &worker.instances[&InstanceId::from(OLD)];
        assert_eq!(known.orphan.as_ref().unwrap().since, NOW, "{what}");
        refused(&worker, &proposal(OLD), Rule::OrphanGrace);
    }
}

#[test]
fn missing_scans_begin_the_grace_anew_and_one_failed_scan_does_not() {
    let interval = Limits::default().scan_interval.get();
    let after = |hole: u64| {
        let mut worker = orphaned_since(ago(Millis::new(2 * grace().get())), OLD);
        worker.observe_scan(all(), NOW + Millis::new(hole));
        let known = worker.instances.remove(&InstanceId::from(OLD));
        known.unwrap().orphan.unwrap().since
    };
    assert_eq!(after(3 * interval), ago(Millis::new(2 * grace().get())));
    let hole = 3 * interval + 1;
    assert_eq!(after(hole), NOW + Millis::new(hole));
}

#[test]
fn another_adoption_begins_the_grace_anew() {
    let mut worker = orphaned(OLD);
    worker.adopted.as_mut().unwrap().since = NOW;
    refused(&worker, &proposal(OLD), Rule::NotAnOrphan);
    worker.observe_scan(all(), NOW);
    refused(&worker, &proposal(OLD), Rule::OrphanGrace);
}

#[test]
fn an_untagged_adopted_instance_need_not_be_in_the_scan() {
    let mut worker = orphaned(OLD);
    let mut home = instance(HOME, None);
    home.tags.clear();
    worker.observe_instance(home, NOW);
    worker.observe_scan(vec![instance(OLD, Some(2))], NOW);
    let known = &worker.instances[&InstanceId::from(OLD)];
    assert_eq!(known.orphan.as_ref().unwrap().since, ago(grace()));
}

#[test]
fn an_orphan_that_the_pointer_names_or_may_name_is_kept() {
    let mut worker = orphaned(OLD);
    worker.pointer = Some(Some(OLD.into()));
    refused(&worker, &proposal(OLD), Rule::PointerNamesIt);
    worker.pointer = None;
    refused(&worker, &proposal(OLD), Rule::StaleReading);
    worker.pointer = Some(None);
    permitted(&worker, &proposal(OLD), MutationKind::Terminate);
}

#[test]
fn an_orphan_handed_out_within_idle_min_is_kept_to_the_millisecond() {
    let idle_min = Limits::default().idle_min;
    let mut worker = orphaned(OLD);
    let hand_out = |worker: &mut WorkerFacts, at| {
        let known = worker.instances.get_mut(&InstanceId::from(OLD)).unwrap();
        known.handed_out = Some(at);
    };
    hand_out(&mut worker, ago(Millis::new(idle_min.get() - 1)));
    refused(&worker, &proposal(OLD), Rule::RecentActivity);
    hand_out(&mut worker, ago(idle_min));
    permitted(&worker, &proposal(OLD), MutationKind::Terminate);
}

#[test]
fn an_orphan_that_a_pass_reads_is_kept() {
    let mut worker = orphaned(OLD);
    worker.asking.reads = vec![OLD.into()];
    refused(&worker, &proposal(OLD), Rule::InUse);
    worker.asking.reads = vec![HOME.into()];
    permitted(&worker, &proposal(OLD), MutationKind::Terminate);
}

#[test]
fn an_orphan_is_ended_within_the_stop_budget_and_in_single_flight() {
    let mut worker = orphaned(OLD);
    let budget = worker.pool.limits.worker_budget;
    for _ in 0..budget.stops {
        permitted(&worker, &proposal(OLD), MutationKind::Terminate);
        worker.ledger.enter(NOW, Spending::Stop, budget.window);
    }
    refused(&worker, &proposal(OLD), Rule::BudgetSpent);
    worker.in_flight = Some(InFlight {
        kind: MutationKind::Stop,
        instance: Some(FOUND.into()),
        decision: DecisionId::new(6),
        since: NOW,
        is_ours: true,
    });
    refused(&worker, &proposal(OLD), Rule::MutationInFlight);
}

#[test]
fn the_pools_and_the_hosts_budget_of_stops_hold_for_orphans() {
    let worker = orphaned(OLD);
    for level in ["pool", "host"] {
        let veto = scene_with(&worker, false, |mut scene| {
            let budget = match level {
                "pool" => &mut scene.pool.1,
                _ => &mut scene.host.1,
            };
            budget.stops = 0;
            scene.permit(&proposal(OLD)).unwrap_err()
        });
        assert_eq!(veto.rule, Rule::BudgetSpent, "{level}");
    }
}

#[test]
fn a_dry_run_ends_no_orphan() {
    let veto = scene_with(&orphaned(OLD), true, |scene| scene.permit(&proposal(OLD)));
    assert_eq!(veto.unwrap_err().rule, Rule::DryRun);
}

#[test]
fn an_orphan_that_is_handed_out_by_the_published_route_is_kept() {
    let mut worker = orphaned(OLD);
    let route = |valid_until| crate::model::response::Route {
        worker: "gpu".into(),
        url: "http://10.0.0.1:8000".to_owned(),
        instance: OLD.into(),
        generation: Generation::new(2),
        decision: DecisionId::new(5),
        digest: None,
        valid_until,
    };
    worker.route = Some(route(NOW + Millis::new(1)));
    refused(&worker, &proposal(OLD), Rule::InUse);
    worker.route = Some(route(NOW));
    permitted(&worker, &proposal(OLD), MutationKind::Terminate);
}
