//! Acting: what the guard permitted is announced in the journal and the record, sent, and its outcome taken in. A launch
//! without a definite answer is sent again with the same token until there is one (G1). Nothing here calls a flow: what
//! happened is returned.

use crate::event::Timer;
use crate::guard::{Permit, Proposal};
use crate::model::backoff::backoff;
use crate::model::budget::Spending;
use crate::model::cloud::{CloudError, CloudErrorKind, Mutation, MutationKind, Outcome};
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::{Instance, InstanceState};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::point::resolve::FailureKind;
use crate::model::store::Intent;
use crate::model::time::{Instant, Millis};
use crate::record;
use crate::turn::Turn;
use crate::worker::{Adopted, CYCLING, Failure, How, InFlight, LaunchAttempt, Worker};

/// Sends what was permitted: one mutation at a time for a worker. A pointer is no exception: a slow write of it
/// could name what another mutation has ended since (G3).
pub(crate) fn send(worker: &mut Worker, turn: &mut Turn<'_>, permit: Permit) {
    let mutation = permit.mutation();
    let decision = permit.decision();
    worker.in_flight = Some(InFlight {
        kind: mutation.kind(),
        instance: mutation.instance().cloned(),
        decision,
        since: turn.now,
        is_ours: true,
    });
    worker.intent = Some(intent(&permit, turn.now));
    spend(worker, turn, mutation.kind());
    match mutation {
        Mutation::Launch { .. } => {
            tell_of_refused_registers(worker, turn);
            worker.generation = permit.generation();
            worker.attempt = Some(LaunchAttempt {
                mutation: mutation.clone(),
                generation: permit.generation(),
                decision,
                sent: 1,
                in_doubt: false,
                since: turn.now,
                proved_at: None,
            });
        }
        Mutation::Start { id, .. } => {
            worker.generation = permit.generation();
            let text =
                format!("{id} is stopped and nothing else runs; starting it for next request");
            turn.notice(
                worker,
                Step::GpuInstanceStartingStopped,
                text,
                &[("instance_id", id.as_str())],
            );
        }
        // The activity that the store keeps is of the adopted instance: an orphan is not in use by it.
        Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }
            if worker.is_adopted(id) && !worker.is_ended_by_restart(id) =>
        {
            // Whoever uses it between this decision and the write keeps it (G5).
            let idle_since = idle_since(worker, turn.now);
            return commit_if(worker, turn, permit, Some(idle_since));
        }
        // What it will say is believed from now on; a failure takes that back.
        Mutation::WritePointer { id, .. } => worker.pointer = Some(Some(id.clone())),
        Mutation::Stop { .. } | Mutation::Terminate { .. } => {}
    }
    commit(worker, turn, permit);
}

/// What is used after this instant is not idle.
pub(crate) fn idle_since(worker: &Worker, now: Instant) -> Instant {
    let idle_min = worker.pool.limits.idle_min.get();
    Instant::from_ms(now.as_ms().saturating_sub(idle_min))
}

/// A new instance in the place of one whose box could not register may meet the same refusal (I3).
fn tell_of_refused_registers(worker: &Worker, turn: &mut Turn<'_>) {
    if let Some(error) = &worker.register_error {
        let count = error.count.to_string();
        let text = format!(
            "the box before could not register ({count} times, last: {}: {}); launching another",
            error.code, error.text
        );
        let fields = [("code", error.code.as_str()), ("count", &count)];
        turn.notice(worker, Step::ProvisionAfterRefusedRegister, text, &fields);
    }
}

/// Journals the intent, writes the record, then acts: always in this order.
pub(crate) fn commit(worker: &mut Worker, turn: &mut Turn<'_>, permit: Permit) {
    commit_if(worker, turn, permit, None);
}

fn commit_if(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    permit: Permit,
    idle_since: Option<Instant>,
) {
    let intent = Entry::Intent {
        generation: permit.generation(),
        epoch: permit.epoch(),
        mutation: permit.mutation().clone(),
    };
    turn.journal(worker, permit.decision(), intent);
    record::write_if(worker, turn, Some(permit), idle_since);
}

/// What the record announces.
pub(crate) fn intent(permit: &Permit, now: Instant) -> Intent {
    Intent {
        mutation: permit.mutation().clone(),
        generation: permit.generation(),
        epoch: permit.epoch(),
        decision: permit.decision(),
        since: now,
    }
}

/// Gives the launch under way up: what came of it will never be known. If there is an instance of it, the scan that the
/// next launch waits for shows it.
pub(crate) fn give_up(worker: &mut Worker, turn: &mut Turn<'_>, why: String) {
    worker.attempt = None;
    worker.in_flight = None;
    worker.intent = None;
    fail(worker, turn, FailureKind::Other, why, None);
    settle(worker, turn);
}

/// Writes the outcome into the record, and with it the end of the lease; a pointer that must follow goes with it.
pub(crate) fn settle(worker: &mut Worker, turn: &mut Turn<'_>) {
    repair_pointer(worker, turn);
    record::write(worker, turn, None);
}

/// What the end of a mutation came to.
#[derive(Debug)]
pub(crate) enum Concluded {
    /// Another host has taken the lease over: what came of the mutation is its business.
    NotOurs,
    /// It is in the facts. Unless the intent stands, because a launch was not answered, [`settle`] writes it.
    Taken,
    /// An instance was ended, or was not.
    Ended {
        /// The instance.
        id: InstanceId,
        /// Whether the provider has accepted it.
        is_ok: bool,
    },
    /// A launch was refused because an earlier try of it was carried out: its intent stands, and the instance is to be
    /// found.
    CarriedOutBefore(CloudError),
}

/// Takes in the outcome of a mutation.
pub(crate) fn on_outcome(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    mutation: &Mutation,
    result: Result<Outcome, CloudError>,
) -> Concluded {
    turn.journal(worker, decision, Entry::Outcome(result.clone()));
    if let Err(error) = &result {
        turn.cloud_failed(worker, error);
    }
    // One decision may have two mutations, one after the other: a launch, and the pointer that follows it.
    let of_flight =
        |it: &InFlight| it.is_ours && it.decision == decision && it.kind == mutation.kind();
    if !worker.in_flight.as_ref().is_some_and(of_flight) {
        return Concluded::NotOurs;
    }
    worker.in_flight = None;
    if !is_unanswered_launch(worker, mutation, &result) {
        worker.intent = None;
    }
    match (mutation, result) {
        (Mutation::Launch { .. }, Ok(Outcome::Launched(instance))) => {
            launched(worker, turn, instance);
        }
        (Mutation::Launch { .. }, Ok(Outcome::Accepted)) => {}
        (Mutation::Launch { .. }, Err(error)) => return launch_failed(worker, turn, error),
        (Mutation::Start { id, .. }, Ok(_)) => {
            worker.last_failure = None;
            started(worker, turn, id, Step::ProvisionEc2Started);
        }
        (Mutation::Start { id, .. }, Err(error)) => start_failed(worker, turn, id, &error),
        (
            Mutation::Stop {
                id, clear_pointer, ..
            }
            | Mutation::Terminate {
                id, clear_pointer, ..
            },
            result,
        ) => {
            let is_ok = result.is_ok();
            ended(worker, turn, id, clear_pointer.is_some(), is_ok);
            return Concluded::Ended {
                id: id.clone(),
                is_ok,
            };
        }
        (Mutation::WritePointer { id, .. }, result) => {
            pointer_written(worker, turn, id, result.err());
        }
    }
    Concluded::Taken
}

/// It may have been carried out all the same: the intent stands until there is a definite answer.
fn is_unanswered_launch(
    worker: &Worker,
    mutation: &Mutation,
    result: &Result<Outcome, CloudError>,
) -> bool {
    let attempt = worker.attempt.as_ref();
    let unanswered =
        |error: &CloudError| attempt.is_some_and(|attempt| !attempt.is_ended_by(error.kind));
    matches!(mutation, Mutation::Launch { .. }) && result.as_ref().is_err_and(unanswered)
}

fn launched(worker: &mut Worker, turn: &mut Turn<'_>, instance: Instance) {
    let (id, state) = (instance.id.clone(), instance.state);
    worker.observe_instance(instance, turn.now);
    take_launched(worker, turn, &id, state);
}

/// The launch under way has come to this instance.
pub(crate) fn take_launched(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    state: InstanceState,
) {
    let attempt = worker.attempt.take();
    if state.is_final() {
        // A replay that finds its instance gone is a definite end of the attempt.
        return fail(
            worker,
            turn,
            FailureKind::Other,
            format!("{id} is {}", state.as_str()),
            None,
        );
    }
    worker.last_failure = None;
    let generation = attempt.map_or(worker.generation, |attempt| attempt.generation);
    take(worker, turn, id, How::Launched, Step::ProvisionEc2Started);
    if let Some(adopted) = &mut worker.adopted {
        adopted.generation = generation;
    }
    mark_pointer_stale(worker);
}

fn launch_failed(worker: &mut Worker, turn: &mut Turn<'_>, error: CloudError) -> Concluded {
    let Some(attempt) = &mut worker.attempt else {
        return Concluded::Taken;
    };
    if attempt.is_proved_by(error.kind) {
        attempt.proved_at = Some(turn.now);
        return Concluded::CarriedOutBefore(error);
    }
    if attempt.is_ended_by(error.kind) {
        worker.attempt = None;
        failed(worker, turn, &error);
        return Concluded::Taken;
    }
    attempt.in_doubt = true;
    let sent = attempt.sent;
    if error.kind.is_definite() {
        // This try was refused, and what holds it back is heeded; the one before may have been carried out.
        failed(worker, turn, &error);
    }
    let backs_off_until = worker.provider_backs_off_until(turn.now);
    let pause = backs_off_until.map_or_else(|| backoff(sent), |until| until.since(turn.now));
    turn.notice(
        worker,
        Step::ProvisionUnanswered,
        format!(
            "the launch was not answered ({error}); it is sent again in {pause} with the same token"
        ),
        &[("sent", &sent.to_string())],
    );
    turn.timer(turn.now + pause, Timer::ReplayLaunch(worker.id.clone()));
    Concluded::Taken
}

/// Without a definite answer it may have been carried out all the same: it is taken for started until readings of after
/// it say otherwise, by every host.
fn start_failed(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId, error: &CloudError) {
    if !error.kind.is_definite() {
        started(worker, turn, id, Step::ProvisionUnanswered);
    }
    failed(worker, turn, error);
}

/// It is the worker's instance now, and readings that may be of before its start prove nothing for a while.
pub(crate) fn started(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId, step: Step) {
    if let Some(known) = worker.instances.get_mut(id) {
        known.start_accepted = Some(turn.now);
        known.ended_by_host = false;
        known.handed_out = None;
    }
    take(worker, turn, id, How::Started, step);
    if let Some(adopted) = &mut worker.adopted {
        adopted.generation = worker.generation;
    }
    mark_pointer_stale(worker);
}

/// A pointer that could not be read is written all the same after a launch or start: what it said
/// before cannot be right any more.
fn mark_pointer_stale(worker: &mut Worker) {
    worker.pointer.get_or_insert(None);
}

fn failed(worker: &mut Worker, turn: &mut Turn<'_>, error: &CloudError) {
    let count = worker
        .last_failure
        .as_ref()
        .map_or(0, |failure| failure.count)
        + 1;
    let (kind, pause) = match error.kind {
        CloudErrorKind::NoCapacity => (FailureKind::NoCapacity, None),
        CloudErrorKind::Throttled => {
            let pause = error.retry_after.unwrap_or_else(|| backoff(count));
            (FailureKind::Throttled, Some(pause))
        }
        CloudErrorKind::Denied => (FailureKind::Denied, None),
        CloudErrorKind::NotVisibleYet
        | CloudErrorKind::Conflict
        | CloudErrorKind::Transient
        | CloudErrorKind::Permanent => (FailureKind::Other, None),
    };
    fail(worker, turn, kind, error.to_string(), pause);
}

fn fail(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    kind: FailureKind,
    text: String,
    pause: Option<Millis>,
) {
    let count = worker
        .last_failure
        .as_ref()
        .map_or(0, |failure| failure.count);
    let count = count.saturating_add(1);
    turn.notice(
        worker,
        Step::ProvisionFailed,
        text.clone(),
        &[("count", &count.to_string())],
    );
    worker.last_failure = Some(Failure {
        kind,
        text,
        at: turn.now,
        count,
        backs_off_until: pause.map(|pause| turn.now + pause),
    });
}

/// Enters the mutation into the budgets of worker, pool and host (G10).
fn spend(worker: &mut Worker, turn: &mut Turn<'_>, kind: MutationKind) {
    let Some(spending) = Spending::of(kind) else {
        return;
    };
    let now = turn.now;
    worker
        .ledger
        .enter(now, spending, worker.pool.limits.worker_budget);
    turn.shared.ledger.enter(now, spending, turn.shared.budget);
    if let Some(pool) = turn.shared.pools.get_mut(&worker.spec.pool) {
        pool.ledger
            .enter(now, spending, pool.spec.limits.pool_budget);
    }
}

/// Counts an end that the host itself brought about.
pub(crate) fn ended_by_host(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    let Some(known) = worker.instances.get_mut(id) else {
        return;
    };
    known.ended_by_host = true;
    let served = known.handed_out.is_some();
    count_end(worker, turn, served);
}

/// Enters the instance into the record as the worker's own.
pub(crate) fn take(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    how: How,
    step: Step,
) {
    let generation = worker.generation_of(id);
    let pointed = worker.pointer.clone().flatten();
    let old = worker.adopted.take().map(|adopted| adopted.id).or(pointed);
    let old = old.map_or_else(|| "none".to_owned(), String::from);
    turn.withdraw(worker);
    worker.address_watch = None;
    worker.adopted = Some(Adopted {
        id: id.clone(),
        generation,
        since: turn.now,
        how,
        unfinished_before: worker.record.activity().unfinished(),
    });
    worker.former = None;
    worker.unfinished_since = None;
    turn.notice(
        worker,
        step,
        format!("{id} is the worker's instance now (before: {old})"),
        &[("old_instance_id", &old), ("new_instance_id", id.as_str())],
    );
}

/// Makes the pointer say what the record says, if it does not and nothing is under way.
pub(crate) fn repair_pointer(worker: &mut Worker, turn: &mut Turn<'_>) {
    let agrees = match (&worker.adopted, &worker.pointer) {
        (Some(adopted), Some(Some(named))) => &adopted.id == named,
        // An unread pointer is left alone until it can be read: the cloud has trouble enough.
        (Some(_), Some(None)) => false,
        (None, _) | (_, None) => true,
    };
    if agrees || worker.is_changing() || !record::may_act(worker, turn) {
        return;
    }
    let decision = worker.last_decision.as_ref().map(|last| last.id);
    write_pointer(worker, turn, decision.unwrap_or_default());
}

/// Makes the pointer name the adopted instance, as far as it may be live and the guard agrees. Returns whether the
/// write has been announced.
pub(crate) fn write_pointer(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
) -> bool {
    if !worker.adopted_is_live(turn.now) {
        return false;
    }
    let permit = turn.permit(worker, decision, &Proposal::RepairPointer);
    let Ok(permit) = permit else {
        return false;
    };
    send(worker, turn, permit);
    true
}

/// The pointer write came to an end.
pub(crate) fn pointer_written(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    error: Option<CloudError>,
) {
    let name = worker.spec.pointer.clone();
    match error {
        None => turn.notice(
            worker,
            Step::PointerWritten,
            format!("{name} names {id}"),
            &[("pointer", name.as_str()), ("instance_id", id.as_str())],
        ),
        Some(error) => {
            worker.pointer = None;
            turn.notice(
                worker,
                Step::PointerWriteFailed,
                format!(
                    "{name} could not be made to name {id}: {error}; the next pass tries again"
                ),
                &[("pointer", name.as_str()), ("instance_id", id.as_str())],
            );
        }
    }
}

/// A stop or termination came to an end.
fn ended(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    pointer_cleared: bool,
    is_ok: bool,
) {
    if let Some(known) = worker.instances.get_mut(id) {
        // Whatever came of it: if it lives on as an orphan, its grace begins anew.
        known.orphan = None;
    }
    if pointer_cleared {
        // On success it is `none`; after a failure either step may have been the one that failed.
        worker.pointer = is_ok.then_some(None);
    }
    if !is_ok {
        return;
    }
    if worker.is_adopted(id) {
        worker.former = worker.embodied_last();
        worker.adopted = None;
        worker.address_watch = None;
    }
    ended_by_host(worker, turn, id);
}

/// An instance went down: a run of instances that never served is cycling (I1).
pub(crate) fn count_end(worker: &mut Worker, turn: &mut Turn<'_>, served: bool) {
    if served {
        worker.unserved_in_row = 0;
        return;
    }
    worker.unserved_in_row = worker.unserved_in_row.saturating_add(1);
    worker.unserved_at = Some(turn.now);
    if worker.unserved_in_row >= CYCLING {
        turn.notice(
            worker,
            Step::WorkerCycling,
            format!(
                "{} instances in a row went down without ever having been handed out",
                worker.unserved_in_row
            ),
            &[("unserved_in_row", &worker.unserved_in_row.to_string())],
        );
    }
}
