//! An operator's commands, one at a time for a worker: the record is read first where other hosts write it
//! too, then written by compare-and-set like everything else, and the operator hears of it when it is
//! durable. A write that is lost to another host is tried once more on what that host wrote.

use super::restart::{self, Asked};
use super::{Turn, mutation, pass, record};
use crate::answer::{NotYet, NotYetCode};
use crate::cloud::MutationKind;
use crate::effect::Effect;
use crate::guard::Rule;
use crate::id::{DecisionId, RequestId};
use crate::journal::Entry;
use crate::notice::Step;
use crate::operator::{Command, Operated, Refused, RefusedCode};
use crate::point::debounce::Choice;
use crate::store::{Paused, StoreError};
use crate::time::Millis;
use crate::worker::{Operation, OperationStage, Worker};

/// When callers of a paused worker come back: people end a pause, not seconds.
const PAUSED_RETRY_AFTER: Millis = Millis::from_secs(10);

/// An operator tells the host something. It is written down first, like every decision.
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
        go_on(worker, turn);
    }
}

/// The `debounce` policy has answered; `None`: it gave no usable answer.
pub(super) fn decided(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    choice: Option<Choice>,
) -> bool {
    let choice = choice.unwrap_or_else(|| restart::safe_default(worker));
    let Some(operation) = worker.operations.front_mut() else {
        return false;
    };
    if operation.stage != OperationStage::Deciding(decision) {
        return false;
    }
    operation.stage = OperationStage::Decided(choice);
    go_on(worker, turn);
    true
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
        None => {
            operation.stage = OperationStage::Ready;
            go_on(worker, turn);
        }
    }
}

/// Follows the command, once no write is under way: its end is waited for.
pub(super) fn go_on(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(operation) = worker.operations.front() else {
        return;
    };
    let choice = match operation.stage {
        OperationStage::Ready => None,
        OperationStage::Decided(choice) => Some(choice),
        _ => return,
    };
    if worker.record.writing.is_some() {
        return;
    }
    let decision = operation.decision;
    let begun = match operation.command.clone() {
        Command::Pause { reason } => pause(worker, turn, reason),
        Command::Resume => resume(worker, turn),
        Command::Forget => forget(worker, turn),
        Command::Restart(request) => match restart::ask(worker, turn, decision, &request, choice) {
            Asked::Comes(begun) => begun,
            Asked::Decides(decision) => {
                if let Some(operation) = worker.operations.front_mut() {
                    operation.stage = OperationStage::Deciding(decision);
                }
                return;
            }
        },
    };
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
) -> Result<Operated, Refused> {
    let (paused, operated) = match &worker.paused {
        None => {
            let paused = Paused {
                since: turn.now,
                reason,
                by: turn.shared.us.clone(),
            };
            (paused, Operated::Paused)
        }
        // A pause without a reason takes nobody's reason away.
        Some(before) if reason.is_none() || reason == before.reason => {
            return Ok(Operated::AlreadyPaused);
        }
        Some(before) => {
            let paused = Paused {
                reason,
                ..before.clone()
            };
            (paused, Operated::ReasonChanged)
        }
    };
    may_write(worker, turn)?;
    worker.paused = Some(paused);
    record::write(worker, turn, None);
    Ok(operated)
}

fn resume(worker: &mut Worker, turn: &mut Turn<'_>) -> Result<Operated, Refused> {
    if worker.paused.is_none() {
        return Ok(Operated::NotPaused);
    }
    may_write(worker, turn)?;
    worker.paused = None;
    record::write(worker, turn, None);
    Ok(Operated::Resumed)
}

fn forget(worker: &mut Worker, turn: &mut Turn<'_>) -> Result<Operated, Refused> {
    may_write(worker, turn)?;
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
    Ok(Operated::Forgotten)
}

/// By the same rules as every write of the record.
pub(super) fn may_write(worker: &Worker, turn: &Turn<'_>) -> Result<(), Refused> {
    let decision = worker.last_decision.as_ref().map(|last| last.id);
    let may = turn.scene(worker, decision.unwrap_or_default(), |scene| {
        scene.may_write_record()
    });
    may.map_err(|veto| match veto.rule {
        Rule::LeaseHeld => Refused::new(
            RefusedCode::LeaseHeld,
            format!("{}; ask that host, or ask again then", veto.text),
        ),
        _ => Refused::new(RefusedCode::StoreUnreachable, veto.text),
    })
}

/// A write of the record is durable: if it was the command's, so is what the command came to.
pub(super) fn written(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(operated) = writing(worker) else {
        return;
    };
    match operated {
        Operated::Paused | Operated::ReasonChanged => {
            let veto = turn.scene(worker, Default::default(), |scene| scene.not_paused());
            let text = veto.err().map(|veto| veto.text).unwrap_or_default();
            turn.notice(worker, Step::WorkerPaused, text, &[]);
        }
        Operated::Resumed => {
            let text = "an operator has resumed the worker".to_owned();
            turn.notice(worker, Step::WorkerResumed, text, &[]);
        }
        Operated::Forgotten => forgotten(worker, turn),
        // Each has told of itself when it began.
        Operated::RestartBegun | Operated::RestartDeferred => {}
        Operated::AlreadyPaused
        | Operated::NotPaused
        | Operated::RestartJoined
        | Operated::RestartDropped => {}
    }
    end(worker, turn, Ok(operated));
    // What somebody left undone may have waited for this write, or for the end of the pause.
    record::recover_or_look(worker, turn);
    if operated == Operated::Resumed {
        if worker.in_flight.is_none() {
            mutation::replay_launch(worker, turn);
        }
        if worker.pass.is_none() && !worker.waiters.is_empty() {
            pass::begin(worker, turn);
        }
    }
}

/// The host begins to learn anew; whoever waits for an answer gets one from what it finds.
fn forgotten(worker: &mut Worker, turn: &mut Turn<'_>) {
    turn.withdraw(worker);
    worker.forget();
    worker.record.dirty = false;
    let text = format!(
        "an operator has the worker forgotten; it is learned anew from the cloud, generation {} stands",
        worker.generation
    );
    turn.notice(worker, Step::WorkerForgotten, text, &[]);
    if worker.pass.is_some() {
        pass::begin(worker, turn);
    }
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
fn writing(worker: &Worker) -> Option<Operated> {
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
fn end(worker: &mut Worker, turn: &mut Turn<'_>, result: Result<Operated, Refused>) {
    let Some(operation) = worker.operations.pop_front() else {
        return;
    };
    let entry = Entry::Answered(result.clone());
    turn.journal(worker, operation.decision, entry);
    turn.effects.push(Effect::Report {
        worker: worker.id.clone(),
        request: operation.request,
        result,
    });
    take_up(worker, turn);
}

/// What a caller is told of a worker that is paused, unless an answer is on its way all the same: what was
/// sent before the pause comes to its end, and what cannot be asked now may well be served.
pub(super) fn as_told(worker: &Worker, turn: &Turn<'_>, not_yet: NotYet) -> NotYet {
    let Err(veto) = turn.scene(worker, Default::default(), |scene| scene.not_paused()) else {
        return not_yet;
    };
    let sent = worker.in_flight.as_ref().is_some_and(|it| {
        it.is_ours && matches!(it.kind, MutationKind::Launch | MutationKind::Start)
    });
    let comes = sent || worker.adopted_is_live(turn.now);
    let unasked = matches!(
        not_yet.code,
        NotYetCode::CloudUnreachable | NotYetCode::StoreUnreachable
    );
    if not_yet.code != NotYetCode::Paused && (comes || unasked) {
        return not_yet;
    }
    NotYet {
        code: NotYetCode::Paused,
        detail: veto.text,
        retry_after: PAUSED_RETRY_AFTER,
        decision: not_yet.decision,
    }
}
