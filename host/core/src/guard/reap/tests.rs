//! Tests of the rules about reaps.

use crate::facts::{InFlight, WorkerFacts};
use crate::guard::tests::{NOW, adopt, instance, permitted, refused, see, stop, worker};
use crate::guard::{COMES_UP_MAX, Proposal, Reaping};
use crate::model::cloud::{Mutation, MutationKind};
use crate::model::id::{InstanceId, PointerName, RequestId};
use crate::model::instance::{InstanceState, TAG_FLEET};
use crate::model::restart::Initiator;
use crate::model::spec::{Limits, OrphanRule, RestartBy};
use crate::model::store::Refresh;
use crate::model::time::Instant;
use crate::model::veto::Rule;

/// The pointer that a stop of the instance clears, if any.
fn cleared(worker: &WorkerFacts, id: &str) -> Option<PointerName> {
    let permit = permitted(worker, &stop(id, "unreachable"), MutationKind::Stop);
    match permit.into_mutation() {
        Mutation::Stop { clear_pointer, .. } => clear_pointer,
        other => panic!("a stop was asked for, not {other:?}"),
    }
}

#[test]
fn a_stop_clears_the_pointer_only_if_the_pointer_may_name_the_instance() {
    let mut worker = worker();
    see(&mut worker, "i-one", InstanceState::Running);
    adopt(&mut worker, "i-one");
    worker.pointer = Some(Some("i-one".into()));
    assert_eq!(cleared(&worker, "i-one"), Some("/gpu".into()));
    see(&mut worker, "i-two", InstanceState::Running);
    assert_eq!(cleared(&worker, "i-two"), None);
}

#[test]
fn an_end_clears_a_pointer_that_disagrees_with_the_record() {
    for read in [None, Some(None), Some(Some("i-before".into()))] {
        for adopted in ["i-one", "i-other"] {
            let mut worker = worker();
            see(&mut worker, "i-one", InstanceState::Running);
            adopt(&mut worker, adopted);
            worker.pointer.clone_from(&read);
            assert_eq!(cleared(&worker, "i-one"), Some("/gpu".into()));
            // Another host may have cleared, adopted and cleared the worker, and written the
            // pointer each time.
            worker.adopted = None;
            assert_eq!(cleared(&worker, "i-one"), Some("/gpu".into()));
        }
    }
}

/// A worker whose scan shows an instance of each owner.
fn with_all_owners() -> WorkerFacts {
    let mut worker = worker();
    for (id, fleet) in [
        ("i-ours", Some("test")),
        ("i-foreign", Some("other")),
        ("i-unclaimed", None),
    ] {
        let mut seen = instance(id, InstanceState::Running);
        seen.tags.remove(TAG_FLEET);
        let tag = fleet.map(|fleet| (TAG_FLEET.to_owned(), fleet.to_owned()));
        seen.tags.extend(tag);
        worker.observe_instance(seen, NOW);
    }
    worker
}

fn terminate(id: &str) -> Proposal {
    Proposal::Terminate(Reaping {
        id: id.into(),
        reason_code: "unreachable".to_owned(),
    })
}

#[test]
fn the_pools_rule_says_which_instances_are_ended_unadopted() {
    use OrphanRule::{EndOurs, EndUnclaimed, Leave};
    for (rule, ends_ours, ends_unclaimed) in [
        (EndOurs, true, false),
        (EndUnclaimed, true, true),
        (Leave, false, false),
    ] {
        let mut worker = with_all_owners();
        worker.pool.orphans = rule;
        for (id, ends) in [("i-ours", ends_ours), ("i-unclaimed", ends_unclaimed)] {
            let stop = stop(id, "unreachable");
            match ends {
                true => drop(permitted(&worker, &stop, MutationKind::Stop)),
                false => refused(&worker, &stop, Rule::LeftAlone),
            }
        }
    }
}

#[test]
fn an_adopted_unclaimed_instance_is_stopped_and_terminated_only_if_the_pool_says_so() {
    let mut worker = with_all_owners();
    permitted(&worker, &terminate("i-ours"), MutationKind::Terminate);
    adopt(&mut worker, "i-unclaimed");
    let end = stop("i-unclaimed", "unreachable");
    permitted(&worker, &end, MutationKind::Stop);
    refused(&worker, &terminate("i-unclaimed"), Rule::LaunchedElsewhere);
    worker.pool.terminate_adopted = true;
    permitted(&worker, &terminate("i-unclaimed"), MutationKind::Terminate);
}

#[test]
fn an_unadopted_unclaimed_instance_is_never_terminated() {
    let mut worker = with_all_owners();
    worker.pool.orphans = OrphanRule::EndUnclaimed;
    worker.pool.terminate_adopted = true;
    refused(&worker, &terminate("i-unclaimed"), Rule::LaunchedElsewhere);
}

#[test]
fn nothing_is_done_to_an_instance_of_another_fleet() {
    let mut worker = with_all_owners();
    worker.pool.orphans = OrphanRule::EndUnclaimed;
    worker.pool.terminate_adopted = true;
    let id = InstanceId::from("i-foreign");
    let restart = Proposal::Restart {
        id: id.clone(),
        initiator: Initiator::Person,
        kind: RestartBy::StopStart,
    };
    // Not even if the pointer or the record names it.
    for named in [false, true] {
        if named {
            worker.pointer = Some(Some(id.clone()));
            adopt(&mut worker, "i-foreign");
        }
        for proposal in [
            Proposal::Adopt(id.clone()),
            Proposal::Start(id.clone()),
            stop("i-foreign", "unreachable"),
            terminate("i-foreign"),
            restart.clone(),
        ] {
            refused(&worker, &proposal, Rule::OfAnotherFleet);
        }
    }
}

#[test]
fn nothing_is_ended_while_the_pointer_is_being_written() {
    let mut worker = worker();
    see(&mut worker, "i-one", InstanceState::Running);
    adopt(&mut worker, "i-one");
    worker.in_flight = Some(InFlight {
        kind: MutationKind::WritePointer,
        instance: Some("i-one".into()),
        decision: Default::default(),
        since: NOW,
        is_ours: true,
    });
    refused(
        &worker,
        &stop("i-one", "unreachable"),
        Rule::MutationInFlight,
    );
}

#[test]
fn an_instance_that_no_caller_could_reach_yet_is_kept_while_it_may_boot() {
    let launch_timeout = Limits::default().launch_timeout.get();
    for (state, boot_ms) in [
        (InstanceState::Pending, launch_timeout),
        (InstanceState::Running, COMES_UP_MAX.get()),
    ] {
        let launched = |ago: u64| {
            let mut worker = worker();
            let mut reading = instance("i-one", state);
            reading.launched_at = Some(Instant::from_ms(NOW.as_ms() - ago));
            worker.observe_instance(reading, NOW);
            worker
        };
        let end = stop("i-one", "unreachable");
        refused(&launched(boot_ms - 1), &end, Rule::ComesUp);
        permitted(&launched(boot_ms), &end, MutationKind::Stop);
    }
}

#[test]
fn an_instance_handed_out_within_idle_min_is_kept_to_the_millisecond() {
    let idle_min = Limits::default().idle_min.get();
    let mut worker = worker();
    see(&mut worker, "i-one", InstanceState::Running);
    let mut handed_out = |ago: u64| {
        let known = worker
            .instances
            .get_mut(&InstanceId::from("i-one"))
            .unwrap();
        known.handed_out = Some(Instant::from_ms(NOW.as_ms() - ago));
        worker.clone()
    };
    refused(
        &handed_out(idle_min - 1),
        &stop("i-one", "idle"),
        Rule::RecentActivity,
    );
    permitted(
        &handed_out(idle_min),
        &stop("i-one", "idle"),
        MutationKind::Stop,
    );
}

#[test]
fn an_instance_with_a_pending_request_is_kept() {
    let mut worker = worker();
    see(&mut worker, "i-one", InstanceState::Running);
    adopt(&mut worker, "i-one");
    worker.asking.has_callers = true;
    refused(&worker, &stop("i-one", "unreachable"), Rule::InUse);
}

#[test]
fn an_instance_is_kept_while_a_report_of_use_is_being_stored() {
    let mut worker = worker();
    see(&mut worker, "i-one", InstanceState::Running);
    adopt(&mut worker, "i-one");
    let end = stop("i-one", "unreachable");
    let heartbeat = Refresh::Heartbeat { at: NOW };
    worker.refreshes.insert(RequestId::new(1), heartbeat);
    permitted(&worker, &end, MutationKind::Stop);
    let busy = Refresh::Busy { until: NOW };
    worker.refreshes.insert(RequestId::new(2), busy);
    refused(&worker, &end, Rule::InUse);
}

#[test]
fn an_instance_is_not_stopped_on_an_old_reading() {
    let mut worker = worker();
    let fresh = Limits::default().scan_interval.get() * 2;
    let read_at = Instant::from_ms(NOW.as_ms() - fresh - 1);
    worker.observe_instance(instance("i-one", InstanceState::Running), read_at);
    refused(&worker, &stop("i-one", "unreachable"), Rule::StaleReading);
}
