//! Registers and reports: in which order things are read, judged, written and answered.
//!
//! A *register* waits for a reading of its instance that was asked for after it came, then for the write that
//! makes its token known; only then is the box answered. A *report* of a box is judged by what is known here, and
//! by the record read anew before it is refused: another host may have registered the box. What is reported is
//! refreshed in the store, together with all that was reported meanwhile ([`refresh`]), and answered when that has come
//! to an end, whatever the end.

mod answers;
mod refresh;
mod tokens;

use crate::effect::Effect;
use crate::event::Asker;
use crate::model::boxes::{Refusal, RefusalCode, Reporter, Statement};
use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::notice::Step;
use crate::model::store::StoreError;
use crate::model::time::{Instant, Millis};
use crate::model::token::Secret;
use crate::turn::Turn;
use crate::worker::{Visitor, WaitsFor, Worker};
use answers::{refuse, turn_away};
use refresh::refresh;
pub(super) use refresh::{answer_touched, touched};
pub(super) use tokens::record_written;
use tokens::{gate, shown_now};

/// Registers and reports of one worker that may wait at once. A box registers once and heartbeats twice a
/// minute; more than this is somebody gone wild, who is told to come back.
const VISITORS_MAX: usize = 256;
/// When they come back.
const SOON: Millis = Millis::from_secs(2);

/// A box registers, or somebody reports.
pub(super) fn came(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    said: Statement,
    fresh: Secret,
) {
    if let Statement::Unproven { text } = &said {
        let refusal = Refusal::stands(RefusalCode::ProofWrong, text.clone());
        return refuse(worker, turn, request, &said, refusal);
    }
    if worker.visitors.len() >= VISITORS_MAX {
        let text = format!("{VISITORS_MAX} registers and reports of this worker wait already");
        let refusal = Refusal::come_back(RefusalCode::TooManyAtOnce, SOON, text);
        return refuse(worker, turn, request, &said, refusal);
    }
    let is_register = matches!(said, Statement::Register { .. });
    let visitor = Visitor {
        said,
        came_at: turn.now,
        waits_for: WaitsFor::Record,
        fresh: Some(fresh),
    };
    worker.visitors.insert(request, visitor);
    if is_register && (turn.shared.store_is_shared || worker.record.stored.is_none()) {
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
        return;
    }
    listen(worker, turn, request, false);
}

/// The record was read: those who waited for it go on.
pub(super) fn record_read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    error: Option<&StoreError>,
) {
    let for_it =
        |visitor: &Visitor| visitor.waits_for == WaitsFor::Record && visitor.came_at <= asked_at;
    for request in waiting(worker, for_it) {
        match error {
            None => listen(worker, turn, request, true),
            Some(error) => {
                let text = error.to_string();
                let refusal = Refusal::come_back(RefusalCode::StoreUnreachable, SOON, text);
                turn_away(worker, turn, request, refusal);
            }
        }
    }
}

/// The instance was read: the gate decides.
pub(super) fn instance_read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    asked_at: Instant,
    error: Option<&CloudError>,
) {
    let for_it = |visitor: &Visitor| {
        matches!(&visitor.waits_for, WaitsFor::Instance(it) if it == id)
            && visitor.came_at <= asked_at
    };
    for request in waiting(worker, for_it) {
        match error {
            None => gate(worker, turn, request),
            Some(error) => {
                let text = error.to_string();
                let refusal = Refusal::come_back(RefusalCode::CloudUnreachable, SOON, text);
                turn_away(worker, turn, request, refusal);
            }
        }
    }
}

/// Who said it waits for no answer any more. What was reported is stored all the same: it happened.
pub(super) fn gone(worker: &mut Worker, request: RequestId) {
    let is_report_in_line = worker
        .visitors
        .get(&request)
        .is_some_and(|visitor| matches!(visitor.waits_for, WaitsFor::Turn(_)));
    if !is_report_in_line {
        worker.visitors.remove(&request);
    }
}

/// Says once that a worker takes deliveries and finishes none.
pub(super) fn after_scan(worker: &mut Worker, turn: &mut Turn<'_>) {
    let stuck_for = worker.unresponsive_for(turn.now);
    if let (Some(stuck_for), false) = (stuck_for, worker.unresponsive_told) {
        let in_flight = worker.work_in_flight().to_string();
        let text = format!(
            "{in_flight} deliveries are not processed, and none was for {stuck_for}, whatever the heartbeat says"
        );
        turn.notice(
            worker,
            Step::WorkerUnresponsive,
            text,
            &[("work_in_flight", &in_flight)],
        );
    }
    worker.unresponsive_told = stuck_for.is_some();
}

/// Begins with a visitor: a register has its instance read, a report is judged.
fn listen(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, record_is_fresh: bool) {
    let Some(visitor) = worker.visitors.get_mut(&request) else {
        return;
    };
    match visitor.said.clone() {
        Statement::Unproven { .. } => {}
        Statement::Register { claim, .. } => {
            let id = claim.instance;
            visitor.waits_for = WaitsFor::Instance(id.clone());
            turn.effects.push(Effect::Query {
                asker: Asker::Worker(worker.id.clone()),
                query: worker.query_of(id),
            });
        }
        Statement::Report { by, report } => {
            if let Reporter::Box(token) = &by {
                let shown = turn.scene(worker, DecisionId::default(), |scene| {
                    scene.recognise(token)
                });
                match shown {
                    Ok(shown) => shown_now(worker, turn, shown),
                    Err(refusal) => {
                        let may_be_news = refusal.code == RefusalCode::TokenUnknown
                            && (turn.shared.store_is_shared || worker.record.stored.is_none());
                        if may_be_news && !record_is_fresh {
                            turn.effects.push(Effect::ReadRecord(worker.id.clone()));
                            return;
                        }
                        return turn_away(worker, turn, request, refusal);
                    }
                }
            }
            refresh(worker, turn, request, report);
        }
    }
}

fn waiting(worker: &Worker, for_it: impl Fn(&Visitor) -> bool) -> Vec<RequestId> {
    let visitors = worker.visitors.iter();
    visitors
        .filter(|(_, visitor)| for_it(visitor))
        .map(|(request, _)| *request)
        .collect()
}
