//! Tests of the rules, one by one: which proposal is refused in which scene, and by which rule.

mod fargate;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::facts::{Act, Adopted, How, InFlight, ReadVersion, Remembered};
use crate::model::cloud::{CloudError, CloudErrorKind, MutationKind};
use crate::model::compute::{Compute, LaunchSource};
use crate::model::id::{Epoch, PointerName, Region};
use crate::model::instance::{
    AddressKind, Instance, InstanceState, TAG_FLEET, TAG_GENERATION, TAG_WORKER,
};
use crate::model::point::resolve::Target;
use crate::model::spec::{LEASE, Limits, PoolSpec, WorkerSpec};
use crate::model::store::Stored;
use crate::model::time::UtcOffset;

pub(crate) const NOW: Instant = Instant::from_ms(10_000_000);
pub(super) const TAG_VALUE: &str = "gpu-worker";

pub(crate) fn worker() -> WorkerFacts {
    let pool = PoolSpec {
        region: Region::from("us-east-1"),
        tag_key: "Name".to_owned(),
        port: 8000,
        compute: Compute::Ec2,
        launch: vec![LaunchSource::LaunchTemplate("gpu".to_owned())],
        policy_labels: Vec::new(),
        policy_tags: Vec::new(),
        restart_by: Default::default(),
        stop_refused: Default::default(),
        reap: true,
        orphans: Default::default(),
        terminate_adopted: false,
        follow_pointer: false,
        utc_offset: UtcOffset::default(),
        demand: None,
        health: None,
        boxes: None,
        limits: Limits::default(),
        heartbeats_are_use: false,
    };
    let spec = WorkerSpec {
        pool: "gpu".into(),
        tag_value: TAG_VALUE.to_owned(),
        pointer: PointerName::from("/gpu"),
        wish: Default::default(),
        labels: Default::default(),
    };
    let remembered = Remembered {
        stored: Some(Stored::default()),
        generation: Generation::new(3),
        epoch: Epoch::new(1),
    };
    let mut worker = WorkerFacts::new("gpu".into(), "test".to_owned(), spec, pool, remembered);
    worker.scanned_at = Some(NOW);
    worker.template_version = Some(ReadVersion {
        template: "gpu".to_owned(),
        version: 7,
        asked_at: NOW,
    });
    worker.pointer = Some(None);
    worker
}

/// An instance with the worker's tag that this fleet launched, read just now.
pub(crate) fn instance(id: &str, state: InstanceState) -> Instance {
    Instance {
        id: id.into(),
        state,
        private_ip: None,
        public_ip: None,
        launched_at: Some(Instant::from_ms(1)),
        role: None,
        state_reason: None,
        tags: BTreeMap::from([
            ("Name".to_owned(), TAG_VALUE.to_owned()),
            (TAG_FLEET.to_owned(), "test".to_owned()),
        ]),
    }
}

pub(crate) fn see(worker: &mut WorkerFacts, id: &str, state: InstanceState) {
    worker.observe_instance(instance(id, state), NOW);
}

pub(crate) fn adopt(worker: &mut WorkerFacts, id: &str) {
    worker.adopted = Some(Adopted {
        id: id.into(),
        generation: worker.generation,
        since: NOW,
        how: How::Found,
        unfinished_before: 0,
        launched_before: None,
        unknown: Default::default(),
    });
}

pub(super) fn scene_with<T>(
    worker: &WorkerFacts,
    dry_run: bool,
    ask: impl FnOnce(Scene<'_>) -> T,
) -> T {
    let (empty, no_reaps) = Default::default();
    ask(Scene {
        facts: worker,
        now: NOW,
        decision: DecisionId::new(7),
        us: &HostId::from("us"),
        store_is_shared: true,
        lease: LEASE,
        dry_run,
        adopted: &Default::default(),
        pool: (&empty, Budget::default()),
        reaps: (&no_reaps, Budget::default()),
        host: (&empty, Budget::default()),
    })
}

#[track_caller]
pub(super) fn refused(worker: &WorkerFacts, proposal: &Proposal, rule: Rule) {
    let found = scene_with(worker, false, |scene| scene.permit(proposal));
    assert_eq!(
        found
            .map(|permit| permit.mutation.kind())
            .map_err(|veto| veto.rule),
        Err(rule)
    );
}

#[track_caller]
pub(super) fn permitted(worker: &WorkerFacts, proposal: &Proposal, kind: MutationKind) -> Permit {
    let permit = scene_with(worker, false, |scene| scene.permit(proposal)).unwrap();
    assert_eq!(permit.mutation.kind(), kind);
    permit
}

pub(super) fn start(id: &str) -> Proposal {
    Proposal::Start(id.into())
}

pub(super) fn stop(id: &str, reason_code: &str) -> Proposal {
    Proposal::Stop(Reaping {
        id: id.into(),
        reason_code: reason_code.to_owned(),
    })
}

#[test]
fn a_worker_has_one_mutation_in_flight_at_a_time() {
    let mut worker = worker();
    worker.in_flight = Some(InFlight {
        kind: MutationKind::Launch,
        instance: None,
        decision: DecisionId::new(6),
        since: NOW,
        is_ours: true,
    });
    refused(&worker, &Proposal::Launch(0), Rule::MutationInFlight);
}

#[test]
fn a_second_instance_is_not_adopted_while_the_first_may_be_live() {
    let mut worker = worker();
    see(&mut worker, "i-one", InstanceState::Running);
    see(&mut worker, "i-two", InstanceState::Running);
    adopt(&mut worker, "i-one");
    refused(
        &worker,
        &Proposal::Adopt("i-two".into()),
        Rule::AnotherIsAdopted,
    );
    see(&mut worker, "i-one", InstanceState::Stopped);
    permitted(
        &worker,
        &Proposal::Adopt("i-two".into()),
        MutationKind::WritePointer,
    );
}

#[test]
fn an_instance_of_an_older_generation_is_neither_adopted_nor_a_candidate() {
    let mut worker = worker();
    let mut old = instance("i-old", InstanceState::Running);
    old.tags.insert(TAG_WORKER.to_owned(), "gpu".to_owned());
    old.tags.insert(TAG_GENERATION.to_owned(), "2".to_owned());
    worker.observe_instance(old, NOW);
    see(&mut worker, "i-new", InstanceState::Terminated);
    adopt(&mut worker, "i-new");
    refused(
        &worker,
        &Proposal::Adopt("i-old".into()),
        Rule::OlderGeneration,
    );
    assert!(worker.candidates().is_empty());
    permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
}

#[test]
fn only_live_instances_of_this_worker_are_adopted() {
    let mut worker = worker();
    refused(
        &worker,
        &Proposal::Adopt("i-made-up".into()),
        Rule::NotThisWorkers,
    );
    see(&mut worker, "i-old", InstanceState::Stopped);
    refused(&worker, &Proposal::Adopt("i-old".into()), Rule::WrongState);
}

#[test]
fn the_worker_budget_ends_a_loop_of_launches() {
    let mut worker = worker();
    let budget = worker.pool.limits.worker_budget;
    for _ in 0..budget.launches {
        permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
        worker.ledger.enter(NOW, Spending::Launch, budget.window);
    }
    refused(&worker, &Proposal::Launch(0), Rule::BudgetSpent);
    let veto = scene_with(&worker, false, |scene| scene.permit(&Proposal::Launch(0)));
    assert_eq!(veto.unwrap_err().opens_at, Some(NOW + budget.window));
}

#[test]
fn the_pool_and_host_budgets_hold_for_all_workers_together() {
    let worker = worker();
    let none = Budget {
        launches: 0,
        ..Budget::default()
    };
    let empty = Ledgers::default();
    for (pool, host) in [(none, Budget::default()), (Budget::default(), none)] {
        let (pool, host) = ((&empty, pool), (&empty, host));
        let launch = &Proposal::Launch(0);
        let veto = scene_with(&worker, false, |scene| {
            Scene {
                pool,
                host,
                ..scene
            }
            .permit(launch)
        });
        let veto = veto.unwrap_err();
        assert_eq!(veto.rule, Rule::BudgetSpent);
    }
}

#[test]
fn a_spent_budget_opens_with_the_level_that_opens_last() {
    let mut worker = worker();
    let of_worker = worker.pool.limits.worker_budget;
    for _ in 0..of_worker.launches {
        worker.ledger.enter(NOW, Spending::Launch, of_worker.window);
    }
    let mut pool = Ledgers::default();
    pool.note(&worker.id, &worker.ledger);
    let of_pool = Budget {
        window: of_worker.window + of_worker.window,
        ..of_worker
    };
    let opens_at = |of_pool: Budget| {
        let pool = (&pool, of_pool);
        let launch = &Proposal::Launch(0);
        let veto = scene_with(&worker, false, |scene| {
            Scene { pool, ..scene }.permit(launch)
        });
        veto.unwrap_err().opens_at
    };
    assert_eq!(opens_at(of_pool), Some(NOW + of_pool.window));
    let shorter = Budget {
        window: Millis::from_secs(1),
        ..of_worker
    };
    assert_eq!(opens_at(shorter), Some(NOW + of_worker.window));
    let none = Budget {
        launches: 0,
        ..shorter
    };
    assert_eq!(opens_at(none), None, "it never opens");
}

fn refusal(kind: CloudErrorKind) -> CloudError {
    CloudError {
        operation: "RunInstances".to_owned(),
        kind,
        code: "RequestLimitExceeded".to_owned(),
        message: "slow down".to_owned(),
        retry_after: None,
    }
}

#[test]
fn a_refused_act_is_not_tried_again_before_its_pause_ends() {
    let ask = |ago_ms: u64| {
        let mut worker = worker();
        let at = Instant::from_ms(NOW.as_ms() - ago_ms);
        for kind in [CloudErrorKind::NoCapacity; 2] {
            worker.refusals.note(Act::Launch(0), &refusal(kind), at);
        }
        scene_with(&worker, false, |scene| scene.permit(&Proposal::Launch(0)))
    };
    let veto = ask(1_999).unwrap_err();
    assert_eq!(veto.rule, Rule::BacksOff);
    assert_eq!(veto.opens_at, Some(NOW + Millis::new(1)));
    assert!(veto.text.contains("RequestLimitExceeded"), "{veto}");
    assert!(ask(2_000).is_ok());
}

#[test]
fn a_dry_run_refuses_a_permitted_change_and_keeps_any_other_veto() {
    let mut worker = worker();
    let dry =
        |worker: &WorkerFacts| scene_with(worker, true, |scene| scene.permit(&Proposal::Launch(0)));
    assert_eq!(dry(&worker).unwrap_err().rule, Rule::DryRun);
    see(&mut worker, "i-new", InstanceState::Running);
    assert_eq!(dry(&worker).unwrap_err().rule, Rule::CandidateRuns);
}

#[test]
fn only_the_adopted_running_instance_with_that_address_is_handed_out() {
    let check = |worker: &WorkerFacts, id: &str| {
        let target = Target {
            id: id.into(),
            address: AddressKind::Private,
        };
        scene_with(worker, false, |scene| scene.check_serve(&target)).map_err(|veto| veto.rule)
    };
    let mut worker = worker();
    see(&mut worker, "i-one", InstanceState::Running);
    assert_eq!(check(&worker, "i-one"), Err(Rule::NotThisWorkers));
    adopt(&mut worker, "i-one");
    assert_eq!(check(&worker, "i-one"), Err(Rule::NoAddress));
    let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let mut addressed = instance("i-one", InstanceState::Running);
    addressed.private_ip = Some(ip);
    worker.observe_instance(addressed, NOW);
    assert_eq!(check(&worker, "i-one"), Ok(ip));
    assert_eq!(check(&worker, "i-two"), Err(Rule::NotThisWorkers));
    see(&mut worker, "i-one", InstanceState::Stopping);
    assert_eq!(check(&worker, "i-one"), Err(Rule::WrongState));
}

#[test]
fn the_pointer_is_repaired_only_when_it_disagrees_with_the_record() {
    let mut worker = worker();
    refused(&worker, &Proposal::RepairPointer, Rule::NothingToRepair);
    adopt(&mut worker, "i-one");
    permitted(
        &worker,
        &Proposal::RepairPointer,
        MutationKind::WritePointer,
    );
    worker.pointer = Some(Some("i-one".into()));
    refused(&worker, &Proposal::RepairPointer, Rule::NothingToRepair);
}
