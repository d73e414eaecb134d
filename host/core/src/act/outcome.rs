//! Taking in what came of a mutation.

use super::adoption::{pointer_written, repair_pointer, take};
use crate::event::WorkerTimer;
use crate::model::backoff::backoff;
use crate::model::cloud::{CloudError, CloudErrorKind, Mutation, Outcome};
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::{Instance, InstanceState};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::point::resolve::FailureKind;
use crate::model::time::Millis;
use crate::record;
use crate::turn::Turn;
use crate::worker::observe::Changes;
use crate::worker::{CYCLING, Failure, How, InFlight, Worker};

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
            started(worker, turn, id, Step::InstanceLaunched);
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
    take(worker, turn, id, How::Launched, Step::InstanceLaunched);
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
        Step::LaunchUnanswered,
        format!(
            "the launch was not answered ({error}); it is sent again in {pause} with the same token"
        ),
        &[("sent", &sent.to_string())],
    );
    turn.timer(worker, turn.now + pause, WorkerTimer::ReplayLaunch);
    Concluded::Taken
}

/// Without a definite answer it may have been carried out all the same: it is taken for started until readings of after
/// it say otherwise, by every host.
fn start_failed(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId, error: &CloudError) {
    if !error.kind.is_definite() {
        started(worker, turn, id, Step::LaunchUnanswered);
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
        Step::LaunchFailed,
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

/// Counts an end that the host itself brought about.
fn ended_by_host(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    let Some(known) = worker.instances.get_mut(id) else {
        return;
    };
    known.ended_by_host = true;
    let served = known.handed_out.is_some();
    count_end(worker, turn, served);
}

/// An instance went down: a run of instances that never served is cycling (docs/incidents.md#stale-pointer).
fn count_end(worker: &mut Worker, turn: &mut Turn<'_>, served: bool) {
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

/// Tells what a reading changed.
pub(crate) fn tell_changes(worker: &mut Worker, turn: &mut Turn<'_>, changes: Changes) {
    if changes.route_broken {
        turn.withdraw(worker);
    }
    for (id, state, served) in changes.lost {
        turn.notice(
            worker,
            Step::InstanceLost,
            format!("{id} went down by itself: it is {}", state.as_str()),
            &[("instance_id", id.as_str()), ("state", state.as_str())],
        );
        count_end(worker, turn, served);
    }
}
