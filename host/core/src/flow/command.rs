//! An operator's commands, one at a time for a worker: the record is read first where other hosts write it
//! too, then written by compare-and-set like everything else, and the operator hears of it when it is
//! durable. A write that is lost to another host is tried once more on what that host wrote.

use crate::effect::Effect;
use crate::model::id::{DecisionId, RequestId};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::operator::{Command, CommandOutcome, Refused, RefusedCode};
use crate::model::point::debounce::Choice;
use crate::model::response::Response;
use crate::model::restart::RestartRequest;
use crate::model::store::{Paused, StoreError};
use crate::record;
use crate::turn::Turn;
use crate::worker::{Operation, OperationStage, Worker};

/// An operator tells the host something. It is written down first, like every decision.
/// [`go_on`] follows it.
pub(super) fn ask(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, command: Command) {
    turn.shared.decisions = turn.shared.decisions.next();
    let decision = turn.shared.decisions;
    turn.journal(worker, decision, Entry::Commanded(command.clone()));
    worker.operations.push_back(Operation {
        request,
        decision,
        command,
        stage: OperationStage::Queued,
        was_lost: false,
    });
    take_up(worker, turn);
}

/// Takes up the next command, unless one is under way.
fn take_up(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(operation) = worker.operations.front_mut() else {
        return;
    };
    if operation.stage != OperationStage::Queued {
        return;
    }
    if turn.shared.dry_run {
        let text = "`dry_run` is set, so nothing is written either; take it out of the host's configuration first";
        return end(worker, turn, Err(Refused::new(RefusedCode::DryRun, text)));
    }
    if turn.shared.store_is_shared || worker.record.stored.is_none() {
        operation.stage = OperationStage::Reading;
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
    } else {
        operation.stage = OperationStage::Ready;
    }
}

/// The `debounce` policy has answered.
pub(super) fn decided(worker: &mut Worker, decision: DecisionId, choice: Choice) {
    let front = worker.operations.front_mut();
    if let Some(operation) = front.filter(|it| it.stage == OperationStage::Deciding(decision)) {
        operation.stage = OperationStage::Decided(choice);
    }
}

/// The record was read, or could not be.
pub(super) fn record_read(worker: &mut Worker, turn: &mut Turn<'_>, error: Option<&StoreError>) {
    let Some(operation) = worker.operations.front_mut() else {
        return;
    };
    if operation.stage != OperationStage::Reading {
        return;
    }
    match error {
        Some(error) => end(worker, turn, Err(unreachable(error))),
        None => operation.stage = OperationStage::Ready,
    }
}

/// A restart that the command at hand asks for.
pub(super) struct Wanted {
    /// The command's decision.
    pub(super) decision: DecisionId,
    /// The request.
    pub(super) request: RestartRequest,
    /// What the `debounce` policy has said of it; `None`: it was not asked.
    pub(super) choice: Option<Choice>,
}

/// Follows the commands one after the other, as far as they go: no command is followed while a write is under way.
/// Returns the restart that the command at hand asks for: [`restart_waits`] or [`begun`] follows.
pub(super) fn go_on(worker: &mut Worker, turn: &mut Turn<'_>) -> Option<Wanted> {
    loop {
        let operation = worker.operations.front()?;
        let choice = match operation.stage {
            OperationStage::Ready => None,
            OperationStage::Decided(choice) => Some(choice),
            _ => return None,
        };
        if worker.record.writing.is_some() {
            return None;
        }
        let decision = operation.decision;
        let result = match operation.command.clone() {
            Command::Pause { reason } => pause(worker, turn, reason),
            Command::Resume => resume(worker, turn),
            Command::Forget => forget(worker, turn),
            Command::Restart(request) => {
                return Some(Wanted {
                    decision,
                    request,
                    choice,
                });
            }
        };
        begun(worker, turn, result);
    }
}

/// The `debounce` policy is asked about the restart first.
pub(super) fn restart_waits(worker: &mut Worker, decision: DecisionId) {
    if let Some(operation) = worker.operations.front_mut() {
        operation.stage = OperationStage::Deciding(decision);
    }
}

/// The command at hand has begun: it is over, or its write is.
pub(super) fn begun(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    begun: Result<CommandOutcome, Refused>,
) {
    match begun {
        Err(refused) => end(worker, turn, Err(refused)),
        Ok(operated) if !operated.is_change() => end(worker, turn, Ok(operated)),
        Ok(operated) => {
            if let Some(operation) = worker.operations.front_mut() {
                operation.stage = OperationStage::Writing(operated);
            }
        }
    }
}

fn pause(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    reason: Option<String>,
) -> Result<CommandOutcome, Refused> {
    let (paused, operated) = match &worker.paused {
        None => {
            let paused = Paused {
                since: turn.now,
                reason,
                by: turn.shared.us.clone(),
            };
            (paused, CommandOutcome::Paused)
        }
        // A pause without a reason takes nobody's reason away.
        Some(before) if reason.is_none() || reason == before.reason => {
            return Ok(CommandOutcome::AlreadyPaused);
        }
        Some(before) => {
            let paused = Paused {
                reason,
                ..before.clone()
            };
            (paused, CommandOutcome::ReasonChanged)
        }
    };
    record::may_follow_command(worker, turn)?;
    worker.paused = Some(paused);
    record::write(worker, turn, None);
    Ok(operated)
}

fn resume(worker: &mut Worker, turn: &mut Turn<'_>) -> Result<CommandOutcome, Refused> {
    if worker.paused.is_none() {
        return Ok(CommandOutcome::NotPaused);
    }
    record::may_follow_command(worker, turn)?;
    worker.paused = None;
    record::write(worker, turn, None);
    Ok(CommandOutcome::Resumed)
}

fn forget(worker: &mut Worker, turn: &mut Turn<'_>) -> Result<CommandOutcome, Refused> {
    record::may_follow_command(worker, turn)?;
    let under_way = match (&worker.in_flight, &worker.attempt) {
        (Some(in_flight), _) => Some(in_flight.kind.to_string()),
        (None, Some(_)) => Some("launch without a definite answer".to_owned()),
        (None, None) => None,
    };
    if let Some(under_way) = under_way {
        let text = format!(
            "a {under_way} is under way, and what comes of it must not be forgotten; ask again when it has ended"
        );
        return Err(Refused::new(RefusedCode::MutationInFlight, text));
    }
    record::write_forgotten(worker, turn);
    Ok(CommandOutcome::Forgotten)
}

/// A write of the record is durable. Returns what the command has come to whose write it was.
pub(super) fn written(worker: &mut Worker, turn: &mut Turn<'_>) -> Option<CommandOutcome> {
    let operated = writing(worker)?;
    match operated {
        CommandOutcome::Paused | CommandOutcome::ReasonChanged => {
            let veto = turn.scene(worker, Default::default(), |scene| scene.not_paused());
            let text = veto.err().map(|veto| veto.text).unwrap_or_default();
            turn.notice(worker, Step::WorkerPaused, text, &[]);
        }
        CommandOutcome::Resumed => {
            let text = "an operator has resumed the worker".to_owned();
            turn.notice(worker, Step::WorkerResumed, text, &[]);
        }
        CommandOutcome::Forgotten => forgotten(worker, turn),
        // Each has told of itself when it began.
        CommandOutcome::RestartBegun | CommandOutcome::RestartDeferred => {}
        CommandOutcome::AlreadyPaused
        | CommandOutcome::NotPaused
        | CommandOutcome::RestartJoined
        | CommandOutcome::RestartDropped => {}
    }
    Some(operated)
}

/// The command is done: its giver is told.
pub(super) fn done(worker: &mut Worker, turn: &mut Turn<'_>, operated: CommandOutcome) {
    end(worker, turn, Ok(operated));
}

/// The host begins to learn anew.
fn forgotten(worker: &mut Worker, turn: &mut Turn<'_>) {
    turn.withdraw(worker);
    worker.forget();
    worker.record.dirty = false;
    let text = format!(
        "an operator has the worker forgotten; it is learned anew from the cloud, generation {} stands",
        worker.generation
    );
    turn.notice(worker, Step::WorkerForgotten, text, &[]);
}

/// Another host has written the record in between, and the worker is now as that host left it: the command
/// is followed once more from there.
pub(super) fn lost(worker: &mut Worker, turn: &mut Turn<'_>) {
    if writing(worker).is_none() {
        return;
    }
    let Some(operation) = worker.operations.front_mut() else {
        return;
    };
    if operation.was_lost {
        let text = "other hosts wrote the worker's record twice in between; look at the worker and ask again";
        let refused = Refused::new(RefusedCode::RecordChanged, text);
        return end(worker, turn, Err(refused));
    }
    operation.was_lost = true;
    operation.stage = OperationStage::Ready;
}

/// The store did not answer the write.
pub(super) fn failed(worker: &mut Worker, turn: &mut Turn<'_>, error: &StoreError) {
    if writing(worker).is_some() {
        end(worker, turn, Err(unreachable(error)));
    }
}

fn unreachable(error: &StoreError) -> Refused {
    let text = format!(
        "{error}; whether the command took effect is not known: ask again, which does no harm"
    );
    Refused::new(RefusedCode::StoreUnreachable, text)
}

/// What the command will come to whose write is under way.
fn writing(worker: &Worker) -> Option<CommandOutcome> {
    match worker.operations.front()?.stage {
        OperationStage::Writing(operated) => Some(operated),
        OperationStage::Queued
        | OperationStage::Reading
        | OperationStage::Ready
        | OperationStage::Deciding(_)
        | OperationStage::Decided(_) => None,
    }
}

/// Answers the operator, and turns to the next command.
fn end(worker: &mut Worker, turn: &mut Turn<'_>, result: Result<CommandOutcome, Refused>) {
    let Some(operation) = worker.operations.pop_front() else {
        return;
    };
    let entry = Entry::Answered(result.clone());
    turn.journal(worker, operation.decision, entry);
    turn.respond(worker, operation.request, Response::Command(result));
    take_up(worker, turn);
}
