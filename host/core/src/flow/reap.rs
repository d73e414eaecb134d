//! Asking `reap` after each scan, and ending what it names as far as the guard allows.

use super::safe_default;
use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::guard::{Proposal, Reaping};
use crate::model::compute::Ending;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::InstanceState;
use crate::model::notice::Step;
use crate::model::point::reap::{Choice, Verdict};
use crate::model::point::{Input, Reason};
use crate::model::store::Draining;
use crate::model::time::{Instant, Millis};
use crate::turn::Turn;
use crate::worker::Worker;
use crate::{act, record};

/// The bounds of "look again".
const LOOK_AGAIN_MIN: Millis = Millis::from_secs(1);
const LOOK_AGAIN_MAX: Millis = Millis::from_secs(3600);
/// A drained instance that was not ended so long after is left over from a host that is gone: hosts' clocks
/// differ by less.
const LEFT: Millis = Millis::from_secs(300);

/// Asks about each instance whose time has come.
pub(super) fn after_scan(worker: &mut Worker, turn: &mut Turn<'_>) {
    let restarts = worker.is_restarting();
    // What would be said while something is under way could not be followed.
    if !worker.pool.reap || restarts || worker.in_flight.is_some() {
        return;
    }
    if worker.paused.is_some() {
        // Not asked, rather than asked and refused scan by scan: that would count against a policy which
        // could not know. What it counted in a row ends here.
        for known in worker.instances.values_mut() {
            known.reap_memo.clear();
        }
        return;
    }
    give_up_what_was_left(worker, turn);
    let draining = worker.draining.as_ref().map(|it| it.instance.clone());
    let due: Vec<InstanceId> = worker
        .instances
        .values()
        .filter(|known| {
            let state = known.instance.state;
            (state.is_live() || state == InstanceState::Stopped)
                && worker.owns(&known.instance.id)
                && known.reap_decision.is_none()
                && Some(&known.instance.id) != draining.as_ref()
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
    let ask_again = safe_default::reap(worker);
    let Some(known) = worker.instances.get_mut(id) else {
        return;
    };
    known.reap_decision = None;
    let Some(verdict) = verdict else {
        known.reap_look_again = Some(turn.now + ask_again);
        return;
    };
    let pause = Millis::from(verdict.look_again_ms).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
    known.reap_look_again = Some(turn.now + pause);
    known.reap_memo.clone_from(&verdict.memo);
    let Some(proposal) = proposal(id, verdict.choice, &verdict.reason) else {
        return;
    };
    // The leave is asked for again when the instance has been drained; now it says whether to begin.
    let Ok(permit) = turn.permit(worker, decision, &proposal) else {
        return;
    };
    let is_adopted = worker.is_adopted(id);
    if is_adopted {
        drain(worker, turn, decision, id, &verdict);
    } else {
        announce(worker, turn, id, verdict.choice, &verdict.reason);
        act::send(worker, turn, permit);
    }
}

fn proposal(id: &InstanceId, choice: Choice, reason: &Reason) -> Option<Proposal> {
    let reaping = Reaping {
        id: id.clone(),
        reason_code: reason.code.clone(),
    };
    match choice {
        Choice::Keep => None,
        Choice::Stop => Some(Proposal::Stop(reaping)),
        Choice::Terminate => Some(Proposal::Terminate(reaping)),
    }
}

/// What following this verdict comes to, in the words of people.
fn action(worker: &Worker, choice: Choice) -> String {
    let wanted = match choice {
        Choice::Keep => return choice.to_string(),
        Choice::Stop => Ending::Stop,
        Choice::Terminate => Ending::Terminate,
    };
    worker.pool.compute.ending(wanted).to_string()
}

/// Marks the adopted instance in the store, in the same write that tests whether it is idle, and hands it out no
/// more. It is ended when it has been drained; until then whoever uses it keeps it (G5).
fn drain(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    id: &InstanceId,
    verdict: &Verdict,
) {
    let drain = worker.pool.limits.drain;
    let action = action(worker, verdict.choice);
    let text = format!(
        "{action} {id} follows in {drain} unless it comes into use: {}",
        verdict.reason.text
    );
    let fields = [
        ("instance_id", id.as_str()),
        ("reason", verdict.reason.code.as_str()),
    ];
    turn.notice(worker, Step::InstanceDraining, text, &fields);
    turn.withdraw(worker);
    worker.draining = Some(Draining {
        instance: id.clone(),
        since: turn.now,
        decision,
        choice: verdict.choice,
        reason: verdict.reason.clone(),
    });
    let at = turn.now + drain;
    worker.drained_at = Some(at);
    turn.timer(worker, at, WorkerTimer::Drained);
    let idle_since = act::idle_since(worker, turn.now);
    record::write_if(worker, turn, None, Some(idle_since));
}

/// The time to end it has come; what other hosts have written is read first. A timer that a later one has
/// overtaken is without effect.
pub(super) fn drained(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.drained_at.is_none_or(|at| turn.now < at) || worker.draining.is_none() {
        return;
    }
    if turn.shared.store_is_shared {
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
    } else {
        end_if_unused(worker, turn);
    }
}

/// The record was read: if the time has come, the instance is ended, or stays.
pub(super) fn record_read(worker: &mut Worker, turn: &mut Turn<'_>, asked_at: Instant) {
    let is_due = worker.drained_at.is_some_and(|at| at <= asked_at);
    if is_due && worker.record.read_at >= asked_at {
        end_if_unused(worker, turn);
    }
}

fn end_if_unused(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(draining) = worker.draining.clone() else {
        worker.drained_at = None;
        return;
    };
    if worker.record.writing.is_some() {
        // Its end is waited for.
        let at = turn.now + LOOK_AGAIN_MIN;
        worker.drained_at = Some(at);
        return turn.timer(worker, at, WorkerTimer::Drained);
    }
    worker.drained_at = None;
    let id = &draining.instance;
    let is_adopted = worker.is_adopted(id);
    let proposal = proposal(id, draining.choice, &draining.reason).filter(|_| is_adopted);
    let permit = proposal.map(|proposal| turn.permit(worker, draining.decision, &proposal));
    match permit {
        Some(Ok(permit)) => {
            worker.draining = None;
            announce(worker, turn, id, draining.choice, &draining.reason);
            act::send(worker, turn, permit);
        }
        Some(Err(veto)) => revive(worker, turn, &veto.text),
        None => revive(worker, turn, "another instance is adopted by now"),
    }
}

/// The host that marked it may have died; then the policy is asked anew.
fn give_up_what_was_left(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(draining) = &worker.draining else {
        return;
    };
    let age = turn.now.since(draining.since);
    let is_left = worker.drained_at.is_none() && age >= worker.pool.limits.drain + LEFT;
    if is_left {
        revive(worker, turn, "nobody came to end it");
    }
}

/// Whoever uses an instance that is being drained keeps it.
pub(super) fn revive(worker: &mut Worker, turn: &mut Turn<'_>, why: &str) {
    let Some(draining) = worker.draining.take() else {
        return;
    };
    worker.drained_at = None;
    let text = format!("{} is not ended after all: {why}", draining.instance);
    let fields = [("instance_id", draining.instance.as_str())];
    turn.notice(worker, Step::InstanceRevived, text, &fields);
    if record::may_write_soon(worker, turn) {
        record::write(worker, turn, None);
    }
}

/// Every kill is announced with its reason, the last activity and how long it has been (docs/incidents.md#frozen-activity).
fn announce(
    worker: &Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    choice: Choice,
    reason: &Reason,
) {
    let handed_out = worker.handed_out_at(id);
    let last = match handed_out {
        None => "never handed out".to_owned(),
        Some(at) => format!("last handed out {} ago", turn.now.since(at)),
    };
    let is_adopted = worker.is_adopted(id);
    let in_flight = if is_adopted {
        worker.work_in_flight()
    } else {
        0
    };
    let in_flight = in_flight.to_string();
    turn.notice(
        worker,
        Step::InstanceEnding,
        format!(
            "{} {id}: {} ({last}; {in_flight} in flight)",
            action(worker, choice),
            reason.text
        ),
        &[
            ("instance_id", id.as_str()),
            ("reason", &reason.code),
            ("last_activity", &last),
            ("work_in_flight", &in_flight),
        ],
    );
}
