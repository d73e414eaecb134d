//! Registers and reports: in which order things are read, judged, written and answered.
//!
//! A *register* waits for a reading of its instance that was asked for after it came, then for the write that makes its
//! token known; only then is the box answered. A *report* of a box is judged by what is known here, and by the record read
//! anew before it is refused: another host may have registered the box. What is reported is refreshed in the store, together
//! with all that is reported while an earlier refresh is under way ([`refresh`]), and answered when the refresh has ended,
//! whatever its end.

mod answers;
mod pending;
mod refresh;
mod tokens;

use std::collections::BTreeMap;

use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::{Flow, Progress};
use crate::happened::{Happened, WriteEnd};
use crate::model::boxes::{Refusal, RefusalCode, ReportOutcome, Reporter, Statement};
use crate::model::cloud::{CloudError, Query};
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::request::Request;
use crate::model::store::{StoreError, Touch};
use crate::model::time::{Instant, Millis};
use crate::model::token::Secret;
use crate::turn::Turn;
use pending::{Pending, WaitsFor};

/// Registers and reports of one worker that may wait at once. A box registers once and heartbeats twice a
/// minute; a box or an application that sends more than this is told to come back.
const PENDING_MAX: usize = 256;
/// When they come back.
const SOON: Millis = Millis::from_secs(2);

/// Registers and reports that have no response yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    pending: BTreeMap<RequestId, Pending>,
    /// Whether people were told that the worker finishes no work.
    unresponsive_told: bool,
    heard: Vec<Heard>,
}

/// What concerns this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A box registers, or a box or an application reports.
    Came(RequestId, Statement, Secret),
    /// The record was asked for at this instant, and read or not.
    RecordRead(Instant, Option<StoreError>),
    /// The instance was asked for at this instant, and read or not.
    InstanceRead(InstanceId, Instant, Option<CloudError>),
    /// A write of the record ended.
    Written(Option<StoreError>),
    /// The refresh that was sent under this request ended.
    Refreshed(RequestId, Touch, ReportOutcome),
    /// A scan ended.
    Scanned,
}

impl Flow for Reports {
    fn hear(&mut self, _facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        let heard = match happened {
            Happened::Asked {
                request,
                what: Request::Statement { statement, fresh },
            } => Heard::Came(*request, statement.clone(), fresh.clone()),
            Happened::Gone(request) => return self.gone(*request),
            Happened::RecordRead {
                asked_at, result, ..
            } => Heard::RecordRead(*asked_at, result.as_ref().err().cloned()),
            Happened::Queried {
                query: Query::Instance { id, .. },
                asked_at,
                result,
            } => Heard::InstanceRead(id.clone(), *asked_at, result.as_ref().err().cloned()),
            Happened::Written(end) => Heard::Written(match end {
                WriteEnd::InDoubt { error, .. } => Some(error.clone()),
                WriteEnd::NotRenewed(error) => Some(error.clone()),
                _ => None,
            }),
            Happened::Refreshed {
                request,
                refresh,
                outcome,
            } => Heard::Refreshed(*request, *refresh, *outcome),
            Happened::Scanned { .. } => Heard::Scanned,
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.unresponsive_told = false;
                return;
            }
            _ => return,
        };
        self.heard.push(heard);
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Progress {
        for heard in std::mem::take(&mut self.heard) {
            match heard {
                Heard::Came(request, statement, fresh) => {
                    self.came(facts, turn, request, statement, fresh);
                }
                Heard::RecordRead(asked_at, error) => {
                    self.record_read(facts, turn, asked_at, error.as_ref());
                }
                Heard::InstanceRead(id, asked_at, error) => {
                    self.instance_read(facts, turn, &id, asked_at, error.as_ref());
                }
                Heard::Written(error) => self.record_written(facts, turn, error.as_ref()),
                Heard::Refreshed(request, refresh, outcome) => {
                    self.answer_refreshed(facts, turn, request, refresh, outcome);
                }
                Heard::Scanned => self.tell_unresponsive(facts, turn),
            }
        }
        match self.pending.is_empty() {
            true => Progress::Quiet,
            false => Progress::answered("a reading or a write that registers and reports wait for"),
        }
    }
}

impl Reports {
    /// A box registers, or a box or an application reports.
    fn came(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        statement: Statement,
        fresh: Secret,
    ) {
        if let Statement::Unproven { text } = &statement {
            let refusal = Refusal::stands(RefusalCode::ProofWrong, text.clone());
            return self.refuse(facts, turn, request, &statement, refusal);
        }
        if self.pending.len() >= PENDING_MAX {
            let text = format!("{PENDING_MAX} registers and reports of this worker wait already");
            let refusal = Refusal::come_back(RefusalCode::TooManyAtOnce, SOON, text);
            return self.refuse(facts, turn, request, &statement, refusal);
        }
        let is_register = matches!(statement, Statement::Register { .. });
        let pending = Pending {
            statement,
            came_at: turn.now,
            waits_for: WaitsFor::Record,
            fresh: Some(fresh),
        };
        self.pending.insert(request, pending);
        if is_register && (turn.shared.store_is_shared || facts.record.stored.is_none()) {
            turn.read_record(facts);
            return;
        }
        self.begin(facts, turn, request, false);
    }

    /// The record was read: requests that waited for it go on.
    fn record_read(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        asked_at: Instant,
        error: Option<&StoreError>,
    ) {
        let for_it = |pending: &Pending| {
            pending.waits_for == WaitsFor::Record && pending.came_at <= asked_at
        };
        for request in self.waiting(for_it) {
            match error {
                None => self.begin(facts, turn, request, true),
                Some(error) => {
                    let text = error.to_string();
                    let refusal = Refusal::come_back(RefusalCode::StoreUnreachable, SOON, text);
                    self.turn_away(facts, turn, request, refusal);
                }
            }
        }
    }

    /// The instance was read: the gate decides.
    fn instance_read(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        asked_at: Instant,
        error: Option<&CloudError>,
    ) {
        let for_it = |pending: &Pending| {
            matches!(&pending.waits_for, WaitsFor::Instance(it) if it == id)
                && pending.came_at <= asked_at
        };
        for request in self.waiting(for_it) {
            match error {
                None => self.gate(facts, turn, request),
                Some(error) => {
                    let text = error.to_string();
                    let refusal = Refusal::come_back(RefusalCode::CloudUnreachable, SOON, text);
                    self.turn_away(facts, turn, request, refusal);
                }
            }
        }
    }

    /// The sender waits for no response. What was reported is stored all the same: it happened.
    fn gone(&mut self, request: RequestId) {
        let is_report_in_line = self
            .pending
            .get(&request)
            .is_some_and(|pending| matches!(pending.waits_for, WaitsFor::Turn(_)));
        if !is_report_in_line {
            self.pending.remove(&request);
        }
    }

    /// Says once that a worker takes deliveries and finishes none.
    fn tell_unresponsive(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let stuck_for = facts.unresponsive_for(turn.now);
        if let (Some(stuck_for), false) = (stuck_for, self.unresponsive_told) {
            let in_flight = facts.work_in_flight().to_string();
            let text = format!(
                "{in_flight} deliveries are not processed, and none was for {stuck_for}, whatever the heartbeat says"
            );
            turn.notice(
                facts,
                Step::WorkerUnresponsive,
                text,
                &[("work_in_flight", &in_flight)],
            );
        }
        self.unresponsive_told = stuck_for.is_some();
    }

    /// Begins with a request: a register has its instance read, a report is judged.
    fn begin(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        record_is_fresh: bool,
    ) {
        let Some(pending) = self.pending.get_mut(&request) else {
            return;
        };
        match pending.statement.clone() {
            Statement::Unproven { .. } => {}
            Statement::Register { claim, .. } => {
                let id = claim.instance;
                pending.waits_for = WaitsFor::Instance(id.clone());
                turn.query(facts, facts.query_of(id));
            }
            Statement::Report { by, report } => {
                if let Reporter::Box(token) = &by {
                    let shown =
                        turn.scene(facts, DecisionId::default(), |scene| scene.recognise(token));
                    match shown {
                        Ok(shown) => tokens::shown_now(facts, turn, shown),
                        Err(refusal) => {
                            let may_be_news = refusal.code == RefusalCode::TokenUnknown
                                && (turn.shared.store_is_shared || facts.record.stored.is_none());
                            if may_be_news && !record_is_fresh {
                                return turn.read_record(facts);
                            }
                            return self.turn_away(facts, turn, request, refusal);
                        }
                    }
                }
                self.refresh(facts, turn, request, report);
            }
        }
    }

    fn waiting(&self, for_it: impl Fn(&Pending) -> bool) -> Vec<RequestId> {
        let pending = self.pending.iter();
        pending
            .filter(|(_, pending)| for_it(pending))
            .map(|(request, _)| *request)
            .collect()
    }
}
