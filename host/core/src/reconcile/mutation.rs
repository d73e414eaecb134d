//! Sending what the guard permitted, and what came of it. The intent is journaled first; a launch
//! without a definite answer is sent again with the same token until there is one (G1).

use super::{Turn, adoption, count_end, lost_launch, pass, reaping, record, restart};
use crate::cloud::{CloudError, CloudErrorKind, Mutation, MutationKind, Outcome};
use crate::event::Timer;
use crate::guard::{Permit, Proposal, Rule, Spending};
use crate::id::{DecisionId, InstanceId};
use crate::instance::{Instance, InstanceState};
use crate::journal::Entry;
use crate::notice::Step;
use crate::point::resolve::FailureKind;
use crate::store::Intent;
use crate::time::{Instant, Millis};
use crate::worker::{Failure, How, InFlight, LaunchAttempt, Stage, Worker};

/// The pause after a rate limit or an unanswered launch: 1 s doubling to 60 s, the shape of the EC2
/// developer guide's "Retries and exponential backoff".
const BACKOFF_FIRST: Millis = Millis::from_secs(1);
const BACKOFF_MAX: Millis = Millis::from_secs(60);

/// Sends what was permitted: one mutation at a time for a worker. A pointer is no exception: a slow write of it
/// could name what another mutation has ended since (G3).
pub(super) fn send(worker: &mut Worker, turn: &mut Turn<'_>, permit: Permit) {
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
            if worker.is_adopted(id) && !restart::ends(worker, id) =>
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
pub(super) fn idle_since(worker: &Worker, now: Instant) -> Instant {
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
fn commit(worker: &mut Worker, turn: &mut Turn<'_>, permit: Permit) {
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
fn intent(permit: &Permit, now: Instant) -> Intent {
    Intent {
        mutation: permit.mutation().clone(),
        generation: permit.generation(),
        epoch: permit.epoch(),
        decision: permit.decision(),
        since: now,
    }
}

/// Sends the unanswered launch again.
pub(super) fn replay_launch(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(attempt) = &worker.attempt else {
        return;
    };
    let (decision, since) = (attempt.decision, attempt.since);
    if attempt.proved_at.is_some() {
        return lost_launch::look(worker, turn);
    }
    if worker.in_flight.as_ref().is_some_and(|it| it.is_ours) {
        return;
    }
    if worker.paused.is_some() {
        // The attempt stands; whoever resumes the worker sends it again.
        return;
    }
    if !record::may_write(worker, turn) {
        // A write ends soon; a lease that somebody else holds is looked at first.
        let again = match worker.record.writing {
            Some(_) => Timer::ReplayLaunch(worker.id.clone()),
            None => Timer::Recover(worker.id.clone()),
        };
        turn.timer(turn.now + BACKOFF_FIRST, again);
        return;
    }
    if let Some(until) = worker.provider_backs_off_until(turn.now) {
        return turn.timer(until, Timer::ReplayLaunch(worker.id.clone()));
    }
    let permit = match turn.permit(worker, decision, &Proposal::ReplayLaunch) {
        Ok(permit) => permit,
        Err(veto) if veto.rule == Rule::TokenExpired => return give_up(worker, turn, veto.text),
        Err(_) => return,
    };
    if let Some(attempt) = &mut worker.attempt {
        attempt.sent = attempt.sent.saturating_add(1);
    }
    worker.in_flight = Some(InFlight {
        kind: MutationKind::Launch,
        instance: None,
        decision,
        since,
        is_ours: true,
    });
    worker.intent = Some(intent(&permit, since));
    commit(worker, turn, permit);
}

/// Nobody will ever know what came of the launch. If there is an instance of it, the scan that the next one
/// waits for shows it.
pub(super) fn give_up(worker: &mut Worker, turn: &mut Turn<'_>, why: String) {
    worker.attempt = None;
    worker.in_flight = None;
    worker.intent = None;
    fail(worker, turn, FailureKind::Other, why, None);
    settle(worker, turn);
}

/// Writes the outcome into the record, and with it the end of the lease; a pointer that must follow goes with it.
pub(super) fn settle(worker: &mut Worker, turn: &mut Turn<'_>) {
    adoption::repair_pointer(worker, turn);
    record::write(worker, turn, None);
    if pass::awaits(worker, &Stage::Mutation) {
        pass::go_on(worker, turn);
    }
}

/// A mutation came to an end.
pub(super) fn on_outcome(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    mutation: &Mutation,
    result: Result<Outcome, CloudError>,
) {
    turn.journal(worker, decision, Entry::Outcome(result.clone()));
    if let Err(error) = &result {
        turn.cloud_failed(worker, error);
    }
    // One decision may have two mutations, one after the other: a launch, and the pointer that follows it.
    let of_flight =
        |it: &InFlight| it.is_ours && it.decision == decision && it.kind == mutation.kind();
    if !worker.in_flight.as_ref().is_some_and(of_flight) {
        // Another host has taken the lease over meanwhile: what came of it is its business.
        return;
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
        (Mutation::Launch { .. }, Err(error)) => launch_failed(worker, turn, &error),
        (Mutation::Start { id, .. }, Ok(_)) => {
            worker.last_failure = None;
            started(worker, turn, id, Step::ProvisionEc2Started);
        }
        (Mutation::Start { id, .. }, Err(error)) => start_failed(worker, turn, id, &error),
        (
            Mutation::Stop {
                id, clear_pointer, ..
            },
            result,
        )
        | (
            Mutation::Terminate {
                id, clear_pointer, ..
            },
            result,
        ) => {
            let result = result.map(|_| ()).map_err(|error| error.kind);
            reaping::ended(worker, turn, id, clear_pointer.is_some(), result);
            restart::ended(worker, turn, id, result.is_ok());
        }
        (Mutation::WritePointer { id, .. }, result) => {
            adoption::pointer_written(worker, turn, id, result.err());
        }
    }
    if worker.intent.is_none() {
        settle(worker, turn);
    } else if pass::awaits(worker, &Stage::Mutation) {
        pass::go_on(worker, turn);
    }
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
pub(super) fn take_launched(
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
    adoption::take(worker, turn, id, How::Launched, Step::ProvisionEc2Started);
    if let Some(adopted) = &mut worker.adopted {
        adopted.generation = generation;
    }
    mark_pointer_stale(worker);
}

fn launch_failed(worker: &mut Worker, turn: &mut Turn<'_>, error: &CloudError) {
    let Some(attempt) = &mut worker.attempt else {
        return;
    };
    if attempt.is_proved_by(error.kind) {
        attempt.proved_at = Some(turn.now);
        return lost_launch::look_first(worker, turn, error);
    }
    if attempt.is_ended_by(error.kind) {
        worker.attempt = None;
        return failed(worker, turn, error);
    }
    attempt.in_doubt = true;
    let sent = attempt.sent;
    if error.kind.is_definite() {
        // This try was refused, and what holds it back is heeded; the one before may have been carried out.
        failed(worker, turn, error);
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
pub(super) fn started(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId, step: Step) {
    if let Some(known) = worker.instances.get_mut(id) {
        known.start_accepted = Some(turn.now);
        known.ended_by_host = false;
        known.handed_out = None;
    }
    adoption::take(worker, turn, id, How::Started, step);
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

/// 1 s after the first, doubling, at most 60 s.
pub(super) fn backoff(count: u32) -> Millis {
    let doublings = count.saturating_sub(1).min(6);
    Millis::new(BACKOFF_FIRST.get() << doublings).min(BACKOFF_MAX)
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
pub(super) fn ended_by_host(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    let Some(known) = worker.instances.get_mut(id) else {
        return;
    };
    known.ended_by_host = true;
    let served = known.handed_out.is_some();
    count_end(worker, turn, served);
}
