//! The restart of a worker: begun once, whoever asks how often, and over only when the worker is really there.
//!
//! ```text
//! asked ─▶ debounce (programs) ─▶ guard ─▶ record and stop ─▶ Ending ─▶ Provisioning ─▶ Done
//!             │ drop: counted         │ joins the one in flight            passes bring it up   address and heartbeat
//!             └ defer: after this one
//! ```
//!
//! While it is in flight the route is withdrawn, `reap` is not asked and callers are told `restarting`: nothing
//! is concluded from how the worker looks meanwhile (docs/incidents.md#self-fire).

use crate::event::WorkerTimer;
use crate::guard::Proposal;
use crate::model::cloud::MutationKind;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::notice::Step;
use crate::model::operator::{CommandOutcome, Refused, RefusedCode};
use crate::model::point::Input;
use crate::model::point::debounce::Choice;
use crate::model::restart::{Initiator, Restart, RestartRequest, RestartStage};
use crate::model::time::Millis;
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::worker::Worker;
use crate::{act, record};

/// A stop has taken 20 minutes (public reports), a boot some more; after that nobody waits for it.
const RESTART_MAX: Millis = Millis::from_secs(1_800);
/// How long an instance that is up with an address may take to its first heartbeat: a box that never speaks must not
/// keep callers away for as long as a stop may take.
const SPEAKS_MAX: Millis = Millis::from_secs(600);
/// Between looks at a restart in flight.
const FOLLOW: Millis = Millis::from_secs(2);
/// When a stop without an answer is sent again: by then the cloud shows whether it was carried out.
const END_AGAIN: Millis = Millis::from_secs(30);
/// Causes that drops are counted by; more come from somebody who names each request anew.
const CAUSES_MAX: usize = 64;

/// What asking comes to.
pub(super) enum Asked {
    /// The `debounce` policy is asked first.
    Decides(DecisionId),
    /// This.
    Comes(Result<CommandOutcome, Refused>),
}

/// A restart is asked for. `choice` is what the `debounce` policy has said of it.
pub(super) fn ask(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    operation: DecisionId,
    request: &RestartRequest,
    choice: Option<Choice>,
) -> Asked {
    let is_program = request.initiator == Initiator::Program;
    let Some(choice) = choice.or((!is_program).then_some(Choice::Go)) else {
        let input = worker.debounce_input(turn.now, request);
        return Asked::Decides(turn.decide(worker, Input::Debounce(input)));
    };
    Asked::Comes(match choice {
        Choice::Drop => Ok(dropped(worker, turn, request, "the policy says so")),
        Choice::Defer => defer(worker, turn, request),
        Choice::Go => begin(worker, turn, operation, request),
    })
}

/// Single flight: one restart, and one mutation, at a time.
fn begin(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    operation: DecisionId,
    request: &RestartRequest,
) -> Result<CommandOutcome, Refused> {
    let may = turn.scene(worker, operation, |scene| scene.may_restart(request));
    if let Err(veto) = may {
        turn.vetoed(worker, operation, &veto);
        return Ok(dropped(worker, turn, request, &veto.text));
    }
    if worker.is_restarting() {
        return Ok(CommandOutcome::RestartJoined);
    }
    if comes_up(worker) {
        return Ok(match request.initiator {
            Initiator::Person => CommandOutcome::RestartJoined,
            Initiator::Program => dropped(
                worker,
                turn,
                request,
                "an instance is being brought up already",
            ),
        });
    }
    let paused = turn.scene(worker, operation, |scene| scene.not_paused());
    paused.map_err(|veto| refused(&veto))?;
    record::may_follow_command(worker, turn)?;
    let live = worker.adopted.as_ref().map(|adopted| adopted.id.clone());
    let live = live.filter(|_| worker.adopted_is_live(turn.now));
    match live {
        Some(id) => end_instance(worker, turn, operation, request, id)?,
        None => {
            started(worker, turn, request, None);
            record::write(worker, turn, None);
        }
    }
    Ok(CommandOutcome::RestartBegun)
}

/// Whether an instance is being brought up already.
fn comes_up(worker: &Worker) -> bool {
    let is_sent = worker
        .in_flight
        .as_ref()
        .is_some_and(|it| matches!(it.kind, MutationKind::Launch | MutationKind::Start));
    worker.attempt.is_some() || is_sent
}

fn end_instance(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    operation: DecisionId,
    request: &RestartRequest,
    id: InstanceId,
) -> Result<(), Refused> {
    let proposal = Proposal::Restart {
        id: id.clone(),
        initiator: request.initiator,
    };
    let permit = turn
        .permit(worker, operation, &proposal)
        .map_err(|veto| refused(&veto))?;
    started(worker, turn, request, Some(id));
    act::send(worker, turn, permit);
    Ok(())
}

fn refused(veto: &Veto) -> Refused {
    let code = match veto.rule {
        Rule::MutationInFlight | Rule::RecordBeingWritten => RefusedCode::MutationInFlight,
        Rule::LeaseHeld => RefusedCode::LeaseHeld,
        Rule::RecordUnknown => RefusedCode::StoreUnreachable,
        Rule::Paused => RefusedCode::Paused,
        _ => RefusedCode::Vetoed,
    };
    let text = match code {
        RefusedCode::Vetoed => veto.to_string(),
        // The code says as much as the rule's name.
        _ => veto.text.clone(),
    };
    Refused::new(code, text)
}

fn started(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: &RestartRequest,
    instance: Option<InstanceId>,
) {
    let text = match &instance {
        Some(id) => format!("{request}; {id} is ended first"),
        None => format!("{request}; nothing is up, so there is only to provision"),
    };
    let fields = [("cause", request.cause.as_str())];
    turn.notice(worker, Step::RestartBegun, text, &fields);
    turn.withdraw(worker);
    worker.draining = None;
    worker.restarts_dropped = 0;
    worker.restart = Some(Restart {
        request: request.clone(),
        started_at: turn.now,
        stage: match instance {
            Some(_) => RestartStage::Ending,
            None => RestartStage::Provisioning,
        },
        instance,
        deferred: None,
    });
    // Nothing that was seen before is of the life that follows (docs/incidents.md#self-fire).
    worker.watch_present_life(turn.now);
    later(worker, turn);
}

/// Each drop is counted by its cause, logged, and shown (docs/incidents.md#self-fire).
fn dropped(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: &RestartRequest,
    why: &str,
) -> CommandOutcome {
    worker.restarts_dropped = worker.restarts_dropped.saturating_add(1);
    let is_known = worker.restart_drops.contains_key(&request.cause);
    let cause = match is_known || worker.restart_drops.len() < CAUSES_MAX {
        true => request.cause.clone(),
        false => "other".to_owned(),
    };
    let count = worker.restart_drops.entry(cause).or_default();
    *count = count.saturating_add(1);
    let count = count.to_string();
    let text = format!("{request}: dropped, {why}");
    let fields = [("cause", request.cause.as_str()), ("count", &count)];
    turn.notice(worker, Step::RestartDropped, text, &fields);
    CommandOutcome::RestartDropped
}

fn defer(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: &RestartRequest,
) -> Result<CommandOutcome, Refused> {
    record::may_follow_command(worker, turn)?;
    let Some(restart) = worker.restart.as_mut() else {
        // There is nothing to come after.
        return Ok(dropped(
            worker,
            turn,
            request,
            "deferred, and no restart came before",
        ));
    };
    restart.deferred = Some(request.clone());
    record::write(worker, turn, None);
    later(worker, turn);
    Ok(CommandOutcome::RestartDeferred)
}

/// The stop of a restart came to an end. What is not certain shows at the next look.
pub(super) fn ended(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId, is_ok: bool) {
    let Some(restart) = worker.restart.as_mut() else {
        return;
    };
    let is_this = restart.stage == RestartStage::Ending && restart.instance.as_ref() == Some(id);
    if is_this && is_ok {
        restart.stage = RestartStage::Provisioning;
    }
    if is_this {
        later(worker, turn);
    }
}

/// Looks at a restart in flight, and at what follows one that is over. A timer that an earlier one has
/// overtaken is without effect. Returns whether the worker is to be looked at in the cloud.
pub(super) fn follow(worker: &mut Worker, turn: &mut Turn<'_>) -> bool {
    if worker.restart_look_at.is_none_or(|at| turn.now < at) {
        return false;
    }
    worker.restart_look_at = None;
    finish_if_there(worker, turn);
    let Some(restart) = worker.restart.clone() else {
        return false;
    };
    let age = turn.now.since(restart.started_at);
    if !restart.is_in_flight() {
        run_deferred(worker, turn, &restart);
        return false;
    }
    let up_for = worker
        .adopted
        .as_ref()
        .map(|adopted| turn.now.since(adopted.since));
    let is_silent = is_up_again(worker, &restart) && up_for >= Some(SPEAKS_MAX);
    if age >= RESTART_MAX || is_silent {
        over(worker, turn, RestartStage::Failed);
        return false;
    }
    if restart.stage == RestartStage::Ending && worker.in_flight.is_none() {
        go_on_ending(worker, turn, &restart, age);
    }
    later(worker, turn);
    // With nothing but the heartbeat to come there is nothing to look at in the cloud.
    !is_up_again(worker, &restart)
}

/// Begins to follow a restart that this host finds in the record.
pub(super) fn found(worker: &mut Worker, turn: &mut Turn<'_>) {
    let is_open = |it: &Restart| it.is_in_flight() || it.deferred.is_some();
    if worker.restart.as_ref().is_some_and(is_open) {
        later(worker, turn);
    }
}

/// Nobody knows what became of the stop: what the cloud shows decides.
fn go_on_ending(worker: &mut Worker, turn: &mut Turn<'_>, restart: &Restart, age: Millis) {
    if !record::may_write(worker, turn) {
        return;
    }
    let still_up = restart.instance.clone().filter(|id| {
        let known = worker.instances.get(id);
        worker.is_adopted(id) && known.is_some_and(|known| known.instance.state.is_live())
    });
    let Some(instance) = still_up else {
        if let Some(restart) = worker.restart.as_mut() {
            restart.stage = RestartStage::Provisioning;
        }
        return record::write(worker, turn, None);
    };
    let is_time = age >= END_AGAIN && worker.restart_end_again.is_none_or(|at| turn.now >= at);
    if is_time {
        worker.restart_end_again = Some(turn.now + END_AGAIN);
        let decision = worker
            .last_decision
            .as_ref()
            .map(|last| last.id)
            .unwrap_or_default();
        let proposal = Proposal::Restart {
            id: instance,
            initiator: restart.request.initiator,
        };
        if let Ok(permit) = turn.permit(worker, decision, &proposal) {
            act::send(worker, turn, permit);
        }
    }
}

/// "Really there": up with an address, adopted since the restart began and, where boxes register, with a
/// heartbeat of that life.
pub(super) fn finish_if_there(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(restart) = worker.restart.as_ref().filter(|it| it.is_in_flight()) else {
        return;
    };
    let adopted_since = worker.adopted.as_ref().map(|adopted| adopted.since);
    let heartbeat = worker.record.activity().heartbeat_at;
    let speaks = worker.pool.boxes.is_none() || heartbeat > adopted_since;
    if is_up_again(worker, restart) && speaks {
        over(worker, turn, RestartStage::Done);
    }
}

/// Up with an address, and adopted since the restart began. While another one is being brought up, by whatever host, what
/// is adopted is of the life before.
fn is_up_again(worker: &Worker, restart: &Restart) -> bool {
    let adopted = worker.adopted.as_ref();
    let is_of_new_life = adopted.is_some_and(|adopted| adopted.since >= restart.started_at);
    let is_reachable = worker
        .adopted_known()
        .is_some_and(|known| known.instance.is_reachable());
    is_of_new_life && is_reachable && !comes_up(worker)
}

fn over(worker: &mut Worker, turn: &mut Turn<'_>, stage: RestartStage) {
    let Some(restart) = worker.restart.as_mut() else {
        return;
    };
    restart.stage = stage;
    let took = turn.now.since(restart.started_at);
    let cause = restart.request.cause.clone();
    let dropped = worker.restarts_dropped.to_string();
    let fields = [("cause", cause.as_str()), ("dropped", &dropped)];
    match stage {
        RestartStage::Done => {
            let text =
                format!("the worker is there again {took} after its restart ({cause}) began");
            turn.notice(worker, Step::RestartDone, text, &fields);
        }
        _ => {
            let text = format!("the worker is not there {took} after its restart ({cause}) began");
            turn.notice(worker, Step::RestartFailed, text, &fields);
        }
    }
    if record::may_write_soon(worker, turn) {
        record::write(worker, turn, None);
    }
    later(worker, turn);
}

/// One that was put off begins when the window of the one before is over: it is a cycle of its own. It waits for an
/// instance that is being brought up, which may have read already what the restart is to make it read anew.
fn run_deferred(worker: &mut Worker, turn: &mut Turn<'_>, restart: &Restart) {
    let Some(request) = restart.deferred.clone() else {
        return;
    };
    let may = turn.scene(worker, DecisionId::default(), |scene| {
        scene.may_restart(&request)
    });
    if may.is_err() || comes_up(worker) {
        return later(worker, turn);
    }
    turn.shared.decisions = turn.shared.decisions.next();
    let decision = turn.shared.decisions;
    if let Some(restart) = worker.restart.as_mut() {
        restart.deferred = None;
    }
    if begin(worker, turn, decision, &request).is_err() {
        if let Some(restart) = worker.restart.as_mut() {
            restart.deferred = Some(request);
        }
        later(worker, turn);
    }
}

fn later(worker: &mut Worker, turn: &mut Turn<'_>) {
    let at = turn.now + FOLLOW;
    if worker
        .restart_look_at
        .is_none_or(|look_at| look_at <= turn.now || at < look_at)
    {
        worker.restart_look_at = Some(at);
        turn.timer(worker, at, WorkerTimer::FollowRestart);
    }
}
