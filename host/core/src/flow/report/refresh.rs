//! What is reported, on its way to the store. One refresh of a kind is under way for a worker; what is reported
//! meanwhile goes together with the next one. So a worker of which much is reported costs one write after the other,
//! however many report at once, and each is still answered only after a write that holds what it has reported.

use std::mem;

use super::answers::note;
use super::tokens::rotate_or_note;
use crate::effect::Effect;
use crate::model::boxes::{Report, ReportOutcome, Reporter, Statement};
use crate::model::id::RequestId;
use crate::model::notice::Step;
use crate::model::store::{StoreError, Touch, Touched};
use crate::turn::Turn;
use crate::worker::{Visitor, WaitsFor, Worker};

/// Has a report refreshed in the store, now or in its turn.
pub(super) fn refresh(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    report: Report,
) {
    if is_of_another_instance(worker, request) {
        return note(worker, turn, request, ReportOutcome::NotRunning, None);
    }
    if turn.shared.dry_run {
        return note(worker, turn, request, ReportOutcome::NotStored, None);
    }
    let at = turn.now;
    let touch = match report {
        Report::Heartbeat => Touch::Heartbeat { at },
        Report::Delivered(count) => Touch::Delivered { at, count },
        Report::Processed(count) => Touch::Processed { at, count },
        Report::Busy(lasting) => Touch::Busy {
            until: at + lasting,
        },
    };
    if let Some(visitor) = worker.visitors.get_mut(&request) {
        visitor.waits_for = WaitsFor::Turn(touch);
    }
    let is_under_way = |sent: &Touch| sent.with(touch).is_some();
    if !worker.touches.values().any(is_under_way) {
        send_next(worker, turn, touch);
    }
}

/// A refresh has come to an end, and is taken in: it happened, whatever the store says of it. Its reporters are answered
/// by [`answer_touched`].
pub(in crate::flow) fn touched(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    touch: Touch,
    result: Result<Touched, StoreError>,
) -> ReportOutcome {
    worker.touched_at = Some(turn.now);
    let outcome = match result {
        Ok(Touched::Refreshed) => ReportOutcome::Stored,
        Ok(Touched::NotRunning) => ReportOutcome::NotRunning,
        Err(error) => {
            let instance = worker
                .adopted
                .as_ref()
                .map(|adopted| adopted.id.to_string());
            let text = format!("the worker's activity was not refreshed: {error}");
            let fields = [("instance_id", instance.as_deref().unwrap_or("none"))];
            turn.notice(worker, Step::ActivityRefreshFailed, text, &fields);
            ReportOutcome::NotStored
        }
    };
    if outcome != ReportOutcome::NotRunning {
        let mut activity = worker.record.activity();
        activity.refresh(touch);
        worker.take_activity(activity, turn.now);
    }
    outcome
}

/// Answers all whose reports were refreshed together, and sends what waits for its turn.
pub(in crate::flow) fn answer_touched(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    touch: Touch,
    outcome: ReportOutcome,
) {
    let sent_with_it = |visitor: &Visitor| visitor.waits_for == WaitsFor::Touch(request);
    for request in super::waiting(worker, sent_with_it) {
        rotate_or_note(worker, turn, request, outcome);
    }
    // What hosts tell of themselves is not in line.
    if worker.touches.remove(&request).is_some() {
        send_next(worker, turn, touch);
    }
}

/// Sends everything of this kind that waits for its turn, as one refresh.
fn send_next(worker: &mut Worker, turn: &mut Turn<'_>, kind: Touch) {
    let in_line = |visitor: &Visitor| match visitor.waits_for {
        WaitsFor::Turn(touch) => kind.with(touch).is_some(),
        _ => false,
    };
    let mut next: Option<(RequestId, Touch)> = None;
    for request in super::waiting(worker, in_line) {
        if is_of_another_instance(worker, request) {
            note(worker, turn, request, ReportOutcome::NotRunning, None);
            continue;
        }
        let Some(visitor) = worker.visitors.get_mut(&request) else {
            continue;
        };
        let sent_as = next.map_or(request, |(first, _)| first);
        let waited_for = mem::replace(&mut visitor.waits_for, WaitsFor::Touch(sent_as));
        if let WaitsFor::Turn(touch) = waited_for {
            let all = next.and_then(|(_, before)| before.with(touch));
            next = Some((sent_as, all.unwrap_or(touch)));
        }
    }
    if let Some((request, touch)) = next {
        worker.touches.insert(request, touch);
        turn.effects.push(Effect::Touch {
            worker: worker.id.clone(),
            request,
            touch,
        });
    }
}

/// Whether an application says that it delivered to an instance that is not the worker's, or not any more.
fn is_of_another_instance(worker: &Worker, request: RequestId) -> bool {
    let said = worker.visitors.get(&request).map(|visitor| &visitor.said);
    let Some(Statement::Report {
        by: Reporter::Application(Some(instance)),
        ..
    }) = said
    else {
        return false;
    };
    !worker.is_adopted(instance)
}
