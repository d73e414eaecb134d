//! Finishing what an earlier life, another host, or a lost reply left behind: a launch is sent again with its token or its
//! instance is found by tag, a pointer is written again, anything else is left to what the cloud shows.

use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::guard::Proposal;
use crate::model::backoff::{BACKOFF_FIRST, backoff};
use crate::model::cloud::{CloudError, Mutation, MutationKind, Outcome};
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::Instance;
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::store::Intent;
use crate::model::time::Instant;
use crate::model::veto::Rule;
use crate::turn::Turn;
use crate::worker::{InFlight, Lease, Worker};
use crate::{act, record};

/// What was recovered, as far as other flows must hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovered {
    /// Nothing that others wait for.
    Nothing,
    /// An intent that was left behind was finished or given up.
    LeftBehind,
    /// A launch came to its end without an answer.
    Settled,
}

/// Works on an intent that nobody works on, or reads the record to see whether its lease has become void.
pub(super) fn recover_or_look(worker: &mut Worker, turn: &mut Turn<'_>) -> Recovered {
    let unknown = worker.record.stored.is_none() || worker.record.in_doubt;
    let is_left = worker.in_flight.as_ref().is_some_and(|it| !it.is_ours);
    if unknown || (is_left && turn.shared.store_is_shared) {
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
        return Recovered::Nothing;
    }
    recover(worker, turn)
}

/// Finishes or gives up what another host, or an earlier life, intended and did not end: a launch is sent
/// again with its token, which finds the instance or makes it; a pointer is written again if its instance still
/// is the worker's; a start that may have been carried out is taken for carried out, because readings of before it
/// would say otherwise for a while; anything else is given up, because the next look shows what came of it.
pub(super) fn recover(worker: &mut Worker, turn: &mut Turn<'_>) -> Recovered {
    let Some(left) = worker.in_flight.clone().filter(|it| !it.is_ours) else {
        return Recovered::Nothing;
    };
    let lease = turn.scene(worker, left.decision, |scene| scene.lease());
    if let Lease::Theirs { stale_at, .. } = lease {
        turn.timer(worker, stale_at, WorkerTimer::Recover);
        return Recovered::Nothing;
    }
    if worker.record.writing.is_some() || turn.shared.dry_run {
        return Recovered::Nothing;
    }
    let text = format!("the {} of an earlier lease is taken up again", left.kind);
    if worker.attempt.is_some() {
        if worker.paused.is_some() {
            return Recovered::Nothing;
        }
        turn.notice(worker, Step::IntentRecovered, text, &[]);
        return replay_launch(worker, turn);
    }
    let intent = worker.intent.take();
    worker.in_flight = None;
    // It may have cleared the pointer, or not.
    worker.pointer = None;
    let finishes = left.kind == MutationKind::WritePointer
        && worker.paused.is_none()
        && act::write_pointer(worker, turn, left.decision);
    let what_becomes_of_it = if finishes {
        "taken up again"
    } else {
        let started = intent.and_then(|intent| perhaps_started(worker, turn.now, &intent, &lease));
        if let Some(id) = &started {
            act::started(worker, turn, id, Step::LaunchUnanswered);
        }
        record::write(worker, turn, None);
        match started {
            Some(_) => "taken for carried out until readings of after it say otherwise",
            None => "left to what the cloud shows",
        }
    };
    let text = format!(
        "the {} of an earlier lease is {what_becomes_of_it}",
        left.kind
    );
    turn.notice(worker, Step::IntentRecovered, text, &[]);
    // It may be this host's own, which it did not send because the write that announces it was heard as an error.
    Recovered::LeftBehind
}

/// The instance that an intent left behind has started, or may have: of its own ones a host knows. One that would have
/// come up beside an adopted instance is not taken in its place (G2).
fn perhaps_started(
    worker: &Worker,
    now: Instant,
    intent: &Intent,
    lease: &Lease,
) -> Option<InstanceId> {
    let Mutation::Start { id, .. } = &intent.mutation else {
        return None;
    };
    let known = worker.instances.get(id);
    let accepted = known.and_then(|known| known.start_accepted);
    let may_be_started =
        *lease != Lease::Ours || accepted.is_some_and(|accepted| accepted >= intent.since);
    let is_beside = !worker.is_adopted(id) && worker.adopted_is_live(now);
    (may_be_started && !is_beside).then(|| id.clone())
}

/// Shows that this host is alive, as long as it holds the lease for something. A timer that a later one
/// has overtaken is without effect.
pub(super) fn renew(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.record.renew_at.is_none_or(|at| turn.now < at) {
        return;
    }
    worker.record.renew_at = None;
    let lease = turn.scene(worker, DecisionId::default(), |scene| scene.lease());
    if lease == Lease::Ours && worker.intent.is_some() {
        record::write(worker, turn, None);
    }
}

/// Sends the unanswered launch again.
pub(super) fn replay_launch(worker: &mut Worker, turn: &mut Turn<'_>) -> Recovered {
    let Some(attempt) = &worker.attempt else {
        return Recovered::Nothing;
    };
    let (decision, since) = (attempt.decision, attempt.since);
    if attempt.proved_at.is_some() {
        look_for_launched(worker, turn);
        return Recovered::Nothing;
    }
    if worker.in_flight.as_ref().is_some_and(|it| it.is_ours) {
        return Recovered::Nothing;
    }
    if worker.paused.is_some() {
        // The attempt stands; whoever resumes the worker sends it again.
        return Recovered::Nothing;
    }
    if !record::may_write(worker, turn) {
        // A write ends soon; a lease that somebody else holds is looked at first.
        let again = match worker.record.writing {
            Some(_) => WorkerTimer::ReplayLaunch,
            None => WorkerTimer::Recover,
        };
        turn.timer(worker, turn.now + BACKOFF_FIRST, again);
        return Recovered::Nothing;
    }
    if let Some(until) = worker.provider_backs_off_until(turn.now) {
        turn.timer(worker, until, WorkerTimer::ReplayLaunch);
        return Recovered::Nothing;
    }
    let permit = match turn.permit(worker, decision, &Proposal::ReplayLaunch) {
        Ok(permit) => permit,
        Err(veto) if veto.rule == Rule::TokenExpired => {
            act::give_up(worker, turn, veto.text);
            return Recovered::Settled;
        }
        Err(_) => return Recovered::Nothing,
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
    worker.intent = Some(act::intent(&permit, since));
    act::commit(worker, turn, permit);
    Recovered::Nothing
}

/// Looks for the instance for the first time, and says why.
pub(super) fn launch_was_carried_out(worker: &mut Worker, turn: &mut Turn<'_>, error: &CloudError) {
    let text = format!(
        "the launch was refused ({error}): an earlier try was carried out, and its instance is looked for by tag"
    );
    turn.notice(worker, Step::LaunchUnanswered, text, &[]);
    look_for_launched(worker, turn);
}

/// Scans, and looks again later: a scan may not show the instance yet (EC2 developer guide, "Eventual consistency").
fn look_for_launched(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(attempt) = &mut worker.attempt else {
        return;
    };
    attempt.sent = attempt.sent.saturating_add(1);
    let pause = backoff(attempt.sent);
    turn.scan(&worker.spec.pool);
    turn.timer(worker, turn.now + pause, WorkerTimer::ReplayLaunch);
}

/// A complete scan was taken in: the launch has come to the instance that it shows. One that still shows none when
/// every fresh instance would be shown proves that the instance has come and gone.
pub(super) fn after_scan(worker: &mut Worker, turn: &mut Turn<'_>, asked_at: Instant) -> Recovered {
    let Some(attempt) = &worker.attempt else {
        return Recovered::Nothing;
    };
    let Some(proved_at) = attempt.proved_at else {
        return Recovered::Nothing;
    };
    if !record::may_write_soon(worker, turn) {
        return Recovered::Nothing;
    }
    let (decision, generation) = (attempt.decision, attempt.generation);
    let is_of_attempt = |instance: &&Instance| attempt.mutation.made(instance);
    let mut shown = worker.instances.values().map(|known| &known.instance);
    if let Some(instance) = shown.find(is_of_attempt).cloned() {
        worker.intent = None;
        let outcome = Entry::Outcome(Ok(Outcome::Launched(instance.clone())));
        turn.journal(worker, decision, outcome);
        act::take_launched(worker, turn, &instance.id, instance.state);
        act::settle(worker, turn);
        return Recovered::Settled;
    }
    let grace = worker.pool.limits.not_visible_grace;
    if asked_at.since(proved_at) >= grace {
        let why = format!(
            "an earlier try of the launch of generation {generation} was carried out, and {grace} later no scan shows \
             its instance: it has come and gone"
        );
        act::give_up(worker, turn, why);
        return Recovered::Settled;
    }
    Recovered::Nothing
}
