//! What registers and reports are answered, and what people are told of it.

use crate::effect::Effect;
use crate::model::boxes::{
    Noted, NotedOutcome, Refusal, RefusalKind, Registered, Reply, Reporter, Said,
};
use crate::model::id::RequestId;
use crate::model::notice::Step;
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
    noted: Option<NotedOutcome>,
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
    answer(worker, turn, request, Reply::Registered(registered));
}

pub(super) fn note(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    outcome: NotedOutcome,
    token: Option<Token>,
) {
    let is_box = worker.visitors.get(&request).is_some_and(|visitor| {
        matches!(
            visitor.said,
            Said::Report {
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
    let noted = Noted {
        outcome,
        token,
        heartbeat,
    };
    answer(worker, turn, request, Reply::Noted(noted));
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
    said: &Said,
    refusal: Refusal,
) {
    let step = match refusal.code.kind() {
        RefusalKind::Alarm => Step::BoxAlarm,
        RefusalKind::Superseded => Step::BoxSuperseded,
        RefusalKind::Retry | RefusalKind::Trouble | RefusalKind::NotOffered => Step::BoxRefused,
    };
    let instance = match said {
        Said::Register { claim, .. } => claim.instance.as_str(),
        Said::Report { .. } | Said::Unproven { .. } => "unknown",
    };
    let fields = [("code", refusal.code.as_str()), ("instance_id", instance)];
    turn.notice(worker, step, refusal.detail.clone(), &fields);
    let concerns_the_worker =
        matches!(refusal.code.kind(), RefusalKind::Retry | RefusalKind::Alarm);
    if matches!(said, Said::Register { .. }) && concerns_the_worker {
        remember(worker, turn, &refusal);
    }
    answer(worker, turn, request, Reply::Refused(refusal));
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

fn answer(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, reply: Reply) {
    worker.visitors.remove(&request);
    turn.effects.push(Effect::Reply {
        worker: worker.id.clone(),
        request,
        reply,
    });
}
