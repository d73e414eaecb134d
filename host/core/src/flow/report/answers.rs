//! What registers and reports are answered, and what people are told of it.

use crate::model::boxes::{
    Accepted, Receipt, Refusal, RefusalKind, Registered, ReportOutcome, Reporter, Statement,
};
use crate::model::id::RequestId;
use crate::model::notice::Step;
use crate::model::response::Response;
use crate::model::store::LastError;
use crate::model::token::Token;
use crate::record;
use crate::turn::Turn;
use crate::worker::Worker;

pub(super) fn hand_out(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    token: Token,
    noted: Option<ReportOutcome>,
) {
    if let Some(outcome) = noted {
        return note(worker, turn, request, outcome, Some(token));
    }
    let generation = worker.credential.as_ref().map(|it| it.generation);
    let registered = Registered {
        token,
        generation: generation.unwrap_or(worker.generation),
        heartbeat: worker
            .pool
            .boxes
            .map(|boxes| boxes.heartbeat)
            .unwrap_or_default(),
    };
    answer(worker, turn, request, Receipt::Registered(registered));
}

pub(super) fn note(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    outcome: ReportOutcome,
    token: Option<Token>,
) {
    let is_box = worker.visitors.get(&request).is_some_and(|visitor| {
        matches!(
            visitor.said,
            Statement::Report {
                by: Reporter::Box(_),
                ..
            }
        )
    });
    let heartbeat = worker
        .pool
        .boxes
        .filter(|_| is_box)
        .map(|boxes| boxes.heartbeat);
    let noted = Accepted {
        outcome,
        token,
        heartbeat,
    };
    answer(worker, turn, request, Receipt::Accepted(noted));
}

pub(super) fn turn_away(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    refusal: Refusal,
) {
    if let Some(visitor) = worker.visitors.get(&request) {
        let said = visitor.said.clone();
        refuse(worker, turn, request, &said, refusal);
    }
}

/// Refuses, and tells people: a refused register stands on the worker (docs/incidents.md#double-provision), and an alarm is loud.
pub(super) fn refuse(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    said: &Statement,
    refusal: Refusal,
) {
    let step = match refusal.code.kind() {
        RefusalKind::Alarm => Step::BoxAlarm,
        RefusalKind::Superseded => Step::BoxSuperseded,
        RefusalKind::Retry | RefusalKind::Trouble | RefusalKind::NotOffered => Step::BoxRefused,
    };
    let instance = match said {
        Statement::Register { claim, .. } => claim.instance.as_str(),
        Statement::Report { .. } | Statement::Unproven { .. } => "unknown",
    };
    let fields = [("code", refusal.code.as_str()), ("instance_id", instance)];
    turn.notice(worker, step, refusal.detail.clone(), &fields);
    let concerns_the_worker =
        matches!(refusal.code.kind(), RefusalKind::Retry | RefusalKind::Alarm);
    if matches!(said, Statement::Register { .. }) && concerns_the_worker {
        remember(worker, turn, &refusal);
    }
    answer(worker, turn, request, Receipt::Refused(refusal));
}

fn remember(worker: &mut Worker, turn: &mut Turn<'_>, refusal: &Refusal) {
    let before = worker
        .register_error
        .as_ref()
        .map_or(0, |error| error.count);
    let count = before.saturating_add(1);
    worker.register_error = Some(LastError {
        code: refusal.code.as_str().to_owned(),
        text: refusal.detail.clone(),
        at: turn.now,
        count,
    });
    // Twice as many before it is written again: a box that tries for days costs a handful of writes.
    if count.is_power_of_two() && record::may_write_soon(worker, turn) {
        record::write(worker, turn, None);
    }
}

fn answer(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, receipt: Receipt) {
    worker.visitors.remove(&request);
    turn.respond(worker, request, Response::Statement(receipt));
}
