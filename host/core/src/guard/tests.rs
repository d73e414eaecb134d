//! The rules, one by one: which proposal in which scene is refused, and by which rule.

mod fargate;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::cloud::MutationKind;
use crate::compute::{Compute, LaunchSource};
use crate::id::{Epoch, PointerName, Region};
use crate::instance::{Instance, InstanceState, TAG_GENERATION, TAG_WORKER};
use crate::point::AddressKind;
use crate::point::resolve::{FailureKind, Target};
use crate::spec::{LEASE, Limits, PoolSpec, WorkerSpec};
use crate::store::{Former, Intent, Stored};
use crate::time::UtcOffset;
use crate::worker::{Adopted, Declined, Failure, How, InFlight, LaunchAttempt, Remembered};

pub(super) const NOW: Instant = Instant::from_ms(10_000_000);
const TAG_VALUE: &str = "gpu-worker";

pub(super) fn worker() -> Worker {
    let pool = PoolSpec {
        region: Region::from("us-east-1"),
        tag_key: "Name".to_owned(),
        port: 8000,
        compute: Compute::Ec2,
        launch: Some(LaunchSource::LaunchTemplate("gpu".to_owned())),
        policy_tags: Vec::new(),
        restart_by: Default::default(),
        reap: true,
        utc_offset: UtcOffset::default(),
        demand: None,
        health: None,
        boxes: None,
        limits: Limits::default(),
    };
    let spec = WorkerSpec {
        pool: "gpu".into(),
        tag_value: TAG_VALUE.to_owned(),
        pointer: PointerName::from("/gpu"),
    };
    let remembered = Remembered {
        stored: Some(Stored::default()),
        generation: Generation::new(3),
        epoch: Epoch::new(1),
    };
    let mut worker = Worker::new("gpu".into(), spec, pool, remembered);
    worker.swept_at = Some(NOW);
    worker.pointer = Some(None);
    worker
}

/// An instance with the worker's tag, read just now.
pub(super) fn instance(id: &str, state: InstanceState) -> Instance {
    Instance {
        id: id.into(),
        state,
        private_ip: None,
        public_ip: None,
        launched_at: Some(Instant::from_ms(1)),
        tags: BTreeMap::from([("Name".to_owned(), TAG_VALUE.to_owned())]),
    }
}

pub(super) fn see(worker: &mut Worker, id: &str, state: InstanceState) {
    worker.observe_instance(instance(id, state), NOW);
}

pub(super) fn adopt(worker: &mut Worker, id: &str) {
    worker.adopted = Some(Adopted {
        id: id.into(),
        generation: worker.generation,
        since: NOW,
        how: How::Found,
        unfinished_before: 0,
    });
}

pub(super) fn scene_with<T>(
    worker: &Worker,
    dry_run: bool,
    look: impl FnOnce(Scene<'_>) -> T,
) -> T {
    let empty = Ledger::default();
    look(Scene {
        worker,
        now: NOW,
        decision: DecisionId::new(7),
        us: &HostId::from("us"),
        store_is_shared: true,
        lease: LEASE,
        fleet: "test",
        dry_run,
        pool: (&empty, Budget::default()),
        host: (&empty, Budget::default()),
    })
}

#[track_caller]
pub(super) fn refused(worker: &Worker, proposal: &Proposal, rule: Rule) {
    let found = scene_with(worker, false, |scene| scene.permit(proposal));
    assert_eq!(
        found
            .map(|permit| permit.mutation.kind())
            .map_err(|veto| veto.rule),
        Err(rule)
    );
}

#[track_caller]
pub(super) fn permitted(worker: &Worker, proposal: &Proposal, kind: MutationKind) -> Permit {
    let permit = scene_with(worker, false, |scene| scene.permit(proposal)).unwrap();
    assert_eq!(permit.mutation.kind(), kind);
    permit
}

fn start(id: &str) -> Proposal {
    Proposal::Start(id.into())
}

pub(super) fn stop(id: &str, reason_code: &str) -> Proposal {
    Proposal::Stop(Reaping {
        id: id.into(),
        reason_code: reason_code.to_owned(),
    })
}

#[test]
fn a_launch_is_permitted_when_nothing_is_up_and_the_tags_were_just_scanned() {
    let permit = permitted(&worker(), &Proposal::Launch, MutationKind::Launch);
    assert_eq!(permit.generation(), Generation::new(4));
    let Mutation::Launch { tags, .. } = permit.into_mutation() else {
        panic!("a launch was asked for");
    };
    assert_eq!(tags.get("Name").map(String::as_str), Some(TAG_VALUE));
    assert_eq!(tags.get(TAG_WORKER).map(String::as_str), Some("gpu"));
    assert_eq!(tags.get(TAG_GENERATION).map(String::as_str), Some("4"));
}

#[test]
fn nothing_is_started_or_launched_beside_an_adopted_instance_in_any_state_that_may_be_live() {
    use InstanceState::{NotVisible, Pending, Running, Unknown};
    for state in [Pending, Running, Unknown, NotVisible] {
        let mut worker = worker();
        see(&mut worker, "i-old", InstanceState::Stopped);
        see(&mut worker, "i-new", state);
        adopt(&mut worker, "i-new");
        refused(&worker, &start("i-old"), Rule::AdoptedIsLive);
        refused(&worker, &Proposal::Launch, Rule::AdoptedIsLive);
    }
}

#[test]
fn an_adopted_instance_that_was_never_read_counts_as_live() {
    let mut worker = worker();
    adopt(&mut worker, "i-new");
    refused(&worker, &Proposal::Launch, Rule::AdoptedIsLive);
}

#[test]
fn an_adopted_instance_the_provider_does_not_show_counts_as_live_until_the_grace_is_over() {
    let grace = Limits::default().not_visible_grace;
    let read_at = |age: Millis| Instant::from_ms(NOW.as_ms() - age.get());
    let with_age = |age| {
        let mut worker = worker();
        worker.observe_instance(Instance::not_visible("i-new".into()), read_at(age));
        adopt(&mut worker, "i-new");
        worker
    };
    let within = with_age(Millis::new(grace.get() - 1));
    refused(&within, &Proposal::Launch, Rule::AdoptedIsLive);
    let over = with_age(grace);
    permitted(&over, &Proposal::Launch, MutationKind::Launch);
}

#[test]
fn an_adopted_instance_that_went_down_and_is_shown_no_more_does_not_hold_up_a_launch() {
    let mut worker = worker();
    see(&mut worker, "i-old", InstanceState::Terminated);
    adopt(&mut worker, "i-old");
    worker.observe_instance(Instance::not_visible("i-old".into()), NOW);
    permitted(&worker, &Proposal::Launch, MutationKind::Launch);
}

#[test]
fn a_start_or_launch_waits_until_adopt_has_declined_the_running_candidate() {
    let mut worker = worker();
    see(&mut worker, "i-old", InstanceState::Stopped);
    see(&mut worker, "i-new", InstanceState::Running);
    refused(&worker, &start("i-old"), Rule::CandidateRuns);
    refused(&worker, &Proposal::Launch, Rule::CandidateRuns);
    worker.declined = Some(Declined {
        ids: vec!["i-new".into()],
        until: NOW + Millis::new(1),
    });
    permitted(&worker, &start("i-old"), MutationKind::Start);
    worker.declined.as_mut().unwrap().until = NOW;
    refused(&worker, &start("i-old"), Rule::CandidateRuns);
}

#[test]
fn a_declined_candidate_is_not_passed_over_while_it_only_has_no_address_yet() {
    let began = |ago: u64| {
        let mut worker = worker();
        see(&mut worker, "i-old", InstanceState::Stopped);
        let launched_at = Some(Instant::from_ms(NOW.as_ms() - ago));
        let boots = Instance {
            launched_at,
            ..instance("i-new", InstanceState::Pending)
        };
        worker.observe_instance(boots, NOW);
        worker.declined = Some(Declined {
            ids: vec!["i-new".into()],
            until: NOW + Millis::new(1),
        });
        worker
    };
    let mut booting = began(COMES_UP_MAX.get() - 1);
    refused(&booting, &start("i-old"), Rule::ComesUp);
    refused(&booting, &Proposal::Launch, Rule::ComesUp);
    let up = Instance {
        private_ip: Some("10.0.0.1".parse().unwrap()),
        ..instance("i-new", InstanceState::Running)
    };
    booting.observe_instance(up, NOW);
    permitted(&booting, &start("i-old"), MutationKind::Start);
    // What boots for ever is no reason to wait for ever.
    let hung = began(COMES_UP_MAX.get());
    permitted(&hung, &start("i-old"), MutationKind::Start);
}

#[test]
fn what_is_being_started_is_not_superseded_by_what_embodied_the_worker_last() {
    let mut worker = worker();
    let marks = [
        (TAG_WORKER.to_owned(), worker.id.to_string()),
        (TAG_GENERATION.to_owned(), "4".to_owned()),
    ];
    let mut stopped = instance("i-old", InstanceState::Stopped);
    stopped.tags.extend(marks);
    worker.observe_instance(stopped, NOW);
    worker.generation = Generation::new(5);
    worker.former = Some(Former {
        id: "i-last".into(),
        generation: Generation::new(5),
    });
    let old = InstanceId::from("i-old");
    assert!(worker.is_superseded(&old));
    // Its box may register before the start is answered, and must not be sent to its end.
    let permit = permitted(&worker, &start("i-old"), MutationKind::Start);
    worker.intent = Some(Intent {
        mutation: permit.mutation().clone(),
        generation: permit.generation(),
        epoch: permit.epoch(),
        decision: permit.decision(),
        since: NOW,
    });
    assert_eq!(worker.generation_of(&old), Generation::new(6));
    assert!(!worker.is_superseded(&old));
}

#[test]
fn a_start_or_launch_needs_a_recent_tag_scan() {
    let mut worker = worker();
    worker.swept_at = None;
    refused(&worker, &Proposal::Launch, Rule::NotScanned);
    worker.swept_at = Some(Instant::from_ms(NOW.as_ms() - SWEEP_AGE_MAX.get()));
    permitted(&worker, &Proposal::Launch, MutationKind::Launch);
    worker.swept_at = Some(Instant::from_ms(NOW.as_ms() - SWEEP_AGE_MAX.get() - 1));
    refused(&worker, &Proposal::Launch, Rule::NotScanned);
}

#[test]
fn only_a_stopped_instance_of_this_worker_is_started() {
    let mut worker = worker();
    for state in [
        InstanceState::Stopping,
        InstanceState::Terminated,
        InstanceState::ShuttingDown,
    ] {
        see(&mut worker, "i-old", state);
        refused(&worker, &start("i-old"), Rule::WrongState);
    }
    refused(&worker, &start("i-made-up"), Rule::NotThisWorkers);
    let mut foreign = instance("i-foreign", InstanceState::Stopped);
    foreign
        .tags
        .insert("Name".to_owned(), "another-worker".to_owned());
    worker.observe_instance(foreign, NOW);
    worker.pointer = Some(Some("i-foreign".into()));
    refused(&worker, &start("i-foreign"), Rule::NotThisWorkers);
}

#[test]
fn one_mutation_of_an_instance_at_a_time() {
    let mut worker = worker();
    worker.in_flight = Some(InFlight {
        kind: MutationKind::Launch,
        instance: None,
        decision: DecisionId::new(6),
        since: NOW,
        is_ours: true,
    });
    refused(&worker, &Proposal::Launch, Rule::MutationInFlight);
}

#[test]
fn an_unanswered_launch_is_replayed_unchanged_and_never_renewed() {
    let mut worker = worker();
    refused(&worker, &Proposal::ReplayLaunch, Rule::WrongState);
    let first = permitted(&worker, &Proposal::Launch, MutationKind::Launch);
    worker.attempt = Some(LaunchAttempt {
        mutation: first.mutation().clone(),
        generation: first.generation(),
        decision: first.decision(),
        sent: 1,
        in_doubt: false,
        since: NOW,
    });
    refused(&worker, &Proposal::Launch, Rule::MutationInFlight);
    let again = permitted(&worker, &Proposal::ReplayLaunch, MutationKind::Launch);
    assert_eq!(again.mutation(), first.mutation());
    assert_eq!(again.generation(), first.generation());
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
    permitted(&worker, &Proposal::Launch, MutationKind::Launch);
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
        permitted(&worker, &Proposal::Launch, MutationKind::Launch);
        worker.ledger.enter(NOW, Spending::Launch, budget);
    }
    refused(&worker, &Proposal::Launch, Rule::BudgetSpent);
}

#[test]
fn the_pool_and_host_budgets_hold_for_all_workers_together() {
    let worker = worker();
    let none = Budget {
        launches: 0,
        ..Budget::default()
    };
    let empty = Ledger::default();
    for (pool, host) in [(none, Budget::default()), (Budget::default(), none)] {
        let scene = Scene {
            worker: &worker,
            now: NOW,
            decision: DecisionId::new(7),
            us: &HostId::from("us"),
            store_is_shared: true,
            lease: LEASE,
            fleet: "test",
            dry_run: false,
            pool: (&empty, pool),
            host: (&empty, host),
        };
        let veto = scene.permit(&Proposal::Launch).unwrap_err();
        assert_eq!(veto.rule, Rule::BudgetSpent);
    }
}

#[test]
fn a_pause_the_provider_asked_for_is_kept() {
    let mut worker = worker();
    worker.last_failure = Some(Failure {
        kind: FailureKind::Throttled,
        text: "RequestLimitExceeded".to_owned(),
        at: NOW,
        count: 1,
        backs_off_until: Some(NOW + Millis::new(1)),
    });
    refused(&worker, &Proposal::Launch, Rule::ProviderBacksOff);
    worker.last_failure.as_mut().unwrap().backs_off_until = Some(NOW);
    permitted(&worker, &Proposal::Launch, MutationKind::Launch);
}

#[test]
fn a_pool_without_a_launch_template_launches_nothing() {
    let mut worker = worker();
    worker.pool.launch = None;
    refused(&worker, &Proposal::Launch, Rule::NoLaunchTemplate);
}

#[test]
fn a_dry_run_refuses_what_would_be_permitted_and_keeps_the_veto_of_what_would_not() {
    let mut worker = worker();
    let dry = |worker: &Worker| scene_with(worker, true, |scene| scene.permit(&Proposal::Launch));
    assert_eq!(dry(&worker).unwrap_err().rule, Rule::DryRun);
    see(&mut worker, "i-new", InstanceState::Running);
    assert_eq!(dry(&worker).unwrap_err().rule, Rule::CandidateRuns);
}

#[test]
fn only_the_adopted_running_instance_with_that_address_is_handed_out() {
    let check = |worker: &Worker, id: &str| {
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

#[test]
fn a_worker_that_cycles_is_slowed_down_more_with_each_instance_and_never_for_good() {
    let mut worker = worker();
    worker.unserved_at = Some(NOW);
    for (in_row, pause_s) in [(3, 60), (4, 120), (7, 960), (8, 1800), (100, 1800)] {
        worker.unserved_in_row = in_row;
        refused(&worker, &Proposal::Launch, Rule::Cycling);
        let left = worker.cycling_until().map(|until| until.since(NOW));
        assert_eq!(left, Some(Millis::from_secs(pause_s)));
        worker.unserved_at = Some(Instant::from_ms(NOW.as_ms() - pause_s * 1000));
        permitted(&worker, &Proposal::Launch, MutationKind::Launch);
        worker.unserved_at = Some(NOW);
    }
    worker.unserved_in_row = 2;
    permitted(&worker, &Proposal::Launch, MutationKind::Launch);
}

#[test]
fn a_start_settles_whoever_made_it_and_readings_of_before_it_prove_nothing() {
    let settling = Millis::from_secs(30);
    for state in [InstanceState::Stopping, InstanceState::Stopped] {
        for (ago, may_launch) in [(settling.get() - 1, false), (settling.get(), true)] {
            let mut worker = worker();
            see(&mut worker, "i-one", state);
            adopt(&mut worker, "i-one");
            if let Some(adopted) = &mut worker.adopted {
                adopted.how = How::Started;
                adopted.since = Instant::from_ms(NOW.as_ms() - ago);
            }
            if may_launch {
                permitted(&worker, &Proposal::Launch, MutationKind::Launch);
            } else {
                refused(&worker, &Proposal::Launch, Rule::AdoptedIsLive);
            }
        }
    }
}
