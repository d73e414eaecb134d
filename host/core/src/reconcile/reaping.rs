//! Asking `reap` after each sweep, and ending what it names as far as the guard allows.

use super::{Turn, mutation};
use crate::cloud::CloudErrorKind;
use crate::guard::{Proposal, Reaping};
use crate::id::{DecisionId, InstanceId};
use crate::instance::InstanceState;
use crate::notice::Step;
use crate::point::Input;
use crate::point::reap::{Choice, Verdict};
use crate::restart::Restart;
use crate::time::Millis;
use crate::worker::Worker;

/// The bounds of "look again".
const LOOK_AGAIN_MIN: Millis = Millis::from_secs(1);
const LOOK_AGAIN_MAX: Millis = Millis::from_secs(3600);

/// Asks about each instance whose time has come.
pub(super) fn after_sweep(worker: &mut Worker, turn: &mut Turn<'_>) {
    let restarts = worker.restart.as_ref().is_some_and(Restart::is_in_flight);
    if !worker.pool.reap || restarts {
        return;
    }
    if worker.paused.is_some() {
        // Not asked, rather than asked and refused sweep by sweep: that would count against a policy which
        // could not know. What it counted in a row ends here.
        for known in worker.instances.values_mut() {
            known.reap_memo.clear();
        }
        return;
    }
    let due: Vec<InstanceId> = worker
        .instances
        .values()
        .filter(|known| {
            let state = known.instance.state;
            (state.is_live() || state == InstanceState::Stopped)
                && known.reap_decision.is_none()
                && known.reap_look_again.is_none_or(|at| at <= turn.now)
        })
        .map(|known| known.instance.id.clone())
        .collect();
    for id in due {
        let Some(input) = worker.reap_input(turn.now, &id) else {
            continue;
        };
        let decision = turn.decide(worker, Input::Reap(input));
        worker.reaping.insert(decision, id.clone());
        if let Some(known) = worker.instances.get_mut(&id) {
            known.reap_decision = Some(decision);
        }
    }
}

/// Follows the verdict of `reap`; `None`, the safe default, keeps the instance.
pub(super) fn decided(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    id: &InstanceId,
    verdict: Option<Verdict>,
) {
    let sweep_interval = worker.pool.limits.sweep_interval;
    let Some(known) = worker.instances.get_mut(id) else {
        return;
    };
    known.reap_decision = None;
    let Some(verdict) = verdict else {
        known.reap_look_again = Some(turn.now + sweep_interval);
        return;
    };
    let pause = Millis::from(verdict.look_again_ms).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
    known.reap_look_again = Some(turn.now + pause);
    known.reap_memo.clone_from(&verdict.memo);
    let reaping = Reaping {
        id: id.clone(),
        reason_code: verdict.reason.code.clone(),
    };
    let proposal = match verdict.choice {
        Choice::Keep => return,
        Choice::Stop => Proposal::Stop(reaping),
        Choice::Terminate => Proposal::Terminate(reaping),
    };
    if let Ok(permit) = turn.permit(worker, decision, &proposal) {
        announce(worker, turn, id, &verdict);
        if worker
            .route
            .as_ref()
            .is_some_and(|route| &route.instance == id)
        {
            turn.withdraw(worker);
        }
        mutation::send(worker, turn, permit);
    }
}

/// Every kill is announced with its reason, the last activity and how long it has been (I5).
fn announce(worker: &Worker, turn: &mut Turn<'_>, id: &InstanceId, verdict: &Verdict) {
    let handed_out = worker.handed_out_at(id);
    let last = match handed_out {
        None => "never handed out".to_owned(),
        Some(at) => format!("last handed out {} ago", turn.now.since(at)),
    };
    turn.notice(
        worker,
        Step::InstanceReaped,
        format!("{} {id}: {} ({last})", verdict.choice, verdict.reason.text),
        &[
            ("instance_id", id.as_str()),
            ("reason", &verdict.reason.code),
            ("last_activity", &last),
        ],
    );
}

/// A stop or termination came to an end.
pub(super) fn ended(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    pointer_cleared: bool,
    result: Result<(), CloudErrorKind>,
) {
    if let Some(known) = worker.instances.get_mut(id) {
        // Whatever came of it: if it lives on as an orphan, its grace begins anew.
        known.orphan = None;
    }
    if pointer_cleared {
        // On success it is `none`; after a failure either step may have been the one that failed.
        worker.pointer = result.is_ok().then_some(None);
    }
    if result.is_err() {
        return;
    }
    if worker
        .adopted
        .as_ref()
        .is_some_and(|adopted| &adopted.id == id)
    {
        worker.adopted = None;
        worker.address_watch = None;
    }
    mutation::ended_by_host(worker, turn, id);
}
