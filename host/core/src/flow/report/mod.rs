//! Registers and reports: the order in which they are read, judged, written and answered.
//!
//! A *register* waits for a reading of its instance that was asked for after it arrived, then for
//! the write that makes its token known. Only then does the box get its response.
//!
//! A *report* of a box is judged by the facts. Before it is refused, the record is read again,
//! because another host may have registered the box. The report is refreshed in the store, together
//! with all reports that arrive while an earlier refresh is under way ([`refresh`]). Its sender
//! gets the response when the refresh has ended, successful or not.

mod answers;
mod pending;
mod refresh;
mod tokens;

use std::collections::{BTreeMap, VecDeque};

use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::happened::{Happened, WriteEnd};
use crate::model::boxes::{Refusal, RefusalCode, ReportOutcome, Reporter, Statement};
use crate::model::cloud::{CloudError, Query};
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::request::Request;
use crate::model::store::{Refresh, StoreError};
use crate::model::time::{Instant, Millis};
use crate::model::token::Secret;
use crate::turn::Turn;
use pending::{Pending, WaitsFor};

/// The limit of pending registers and reports of one worker. A box registers once and sends a
/// heartbeat twice a minute; a sender above the limit is told to retry.
const PENDING_MAX: usize = 256;
/// The pause before such a retry.
const SOON: Millis = Millis::from_secs(2);

/// Registers and reports that have no response yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    pending: BTreeMap<RequestId, Pending>,
    /// Whether people were told that the worker finishes no work.
    unresponsive_told: bool,
    heard: VecDeque<Heard>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A box registers, or a box or an application reports.
    Arrived(RequestId, Statement, Secret),
    /// The record was asked for at this instant, and read or not.
    RecordRead(Instant, Option<StoreError>),
    /// The instance was asked for at this instant, and read or not.
    InstanceRead(InstanceId, Instant, Option<CloudError>),
    /// A write of the record ended.
    Written(Option<StoreError>),
    /// The refresh that was sent under this request ended.
    Refreshed(RequestId, Refresh, ReportOutcome),
    /// A scan ended.
    Scanned,
}

impl Flow for Reports {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        let heard = match happened {
            Happened::Asked {
                request,
                what: Request::Statement { statement, fresh },
            } => Heard::Arrived(*request, statement.clone(), fresh.clone()),
            Happened::Gone(request) => return self.on_gone(*request),
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
            Happened::Scanned { .. }
                if self.unresponsive_told || facts.unfinished_since.is_some() =>
            {
                Heard::Scanned
            }
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.unresponsive_told = false;
                return;
            }
            _ => return,
        };
        self.heard.push_back(heard);
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        match self.heard.pop_front()? {
            Heard::Arrived(request, statement, fresh) => {
                self.on_statement(facts, turn, request, statement, fresh);
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
        None
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        let wait = Wait::answered("a reading or a write that registers and reports wait for");
        (!self.pending.is_empty()).then_some(wait)
    }
}

impl Reports {
    /// A box registers, or a box or an application reports.
    fn on_statement(
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

    /// Continues the requests that waited for the record.
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

    /// Has the gate decide about the registers that waited for their instance.
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

    /// Drops a request whose sender has disconnected. A report is stored all the same, because its
    /// event happened.
    fn on_gone(&mut self, request: RequestId) {
        let is_report_in_line = self
            .pending
            .get(&request)
            .is_some_and(|pending| matches!(pending.waits_for, WaitsFor::Turn(_)));
        if !is_report_in_line {
            self.pending.remove(&request);
        }
    }

    /// Announces once that a worker takes deliveries and processes none.
    fn tell_unresponsive(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let stuck_for = facts.unresponsive_for(turn.now);
        if let (Some(stuck_for), false) = (stuck_for, self.unresponsive_told) {
            let in_flight = facts.work_in_flight().to_string();
            let text = format!(
                "{in_flight} deliveries are not processed, and none was for {stuck_for}, although heartbeats may arrive"
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

    /// Begins a request: the instance of a register is read, a report is judged.
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
