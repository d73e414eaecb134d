//! The responses to registers and reports, and the notices about them.

use super::Reports;
use crate::facts::{Facts, WorkerFacts};
use crate::model::boxes::{
    Accepted, Receipt, Refusal, RefusalKind, Registered, ReportOutcome, Statement,
};
use crate::model::id::RequestId;
use crate::model::notice::Step;
use crate::model::response::Response;
use crate::model::store::LastError;
use crate::model::token::Token;
use crate::turn::Turn;
use crate::{act, record};

impl Reports {
    pub(super) fn hand_out(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        request: RequestId,
        token: Token,
        reported: Option<ReportOutcome>,
    ) {
        if let Some(outcome) = reported {
            return self.accept(facts, turn, request, outcome, Some(token));
        }
        let generation = facts.credential.as_ref().map(|it| it.generation);
        let heartbeat = facts.pool.boxes.map(|boxes| boxes.heartbeat);
        let registered = Registered {
            token,
            generation: generation.unwrap_or(facts.generation),
            heartbeat: heartbeat.unwrap_or_default(),
        };
        self.respond(facts, turn, request, Receipt::Registered(registered));
    }

    pub(super) fn accept(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        request: RequestId,
        outcome: ReportOutcome,
        token: Option<Token>,
    ) {
        let pending = self.pending.get(&request);
        let is_box = pending.is_some_and(|pending| pending.is_of_box());
        let boxes = facts.pool.boxes.filter(|_| is_box);
        let accepted = Accepted {
            outcome,
            token,
            heartbeat: boxes.map(|boxes| boxes.heartbeat),
            ending_in: facts.ends_in(turn.now).filter(|_| is_box),
        };
        self.respond(facts, turn, request, Receipt::Accepted(accepted));
    }

    pub(super) fn turn_away(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        refusal: Refusal,
    ) {
        if let Some(pending) = self.pending.get(&request) {
            let statement = pending.statement.clone();
            self.refuse(facts, turn, request, &statement, refusal);
        }
    }

    /// Refuses a request and announces the refusal. The facts keep the last refused register
    /// (docs/incidents.md#double-provision). The notice of an alarm is an error.
    pub(super) fn refuse(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        statement: &Statement,
        refusal: Refusal,
    ) {
        let step = match refusal.code.kind() {
            RefusalKind::Alarm => Step::BoxAlarm,
            RefusalKind::Superseded => Step::BoxSuperseded,
            RefusalKind::Retry | RefusalKind::Trouble | RefusalKind::NotOffered => Step::BoxRefused,
        };
        let instance = match statement {
            Statement::Register { claim, .. } => claim.instance.as_str(),
            Statement::Report { .. } | Statement::Unproven { .. } => "unknown",
        };
        let fields = [("code", refusal.code.as_str()), ("instance_id", instance)];
        turn.notice(facts, step, refusal.detail.clone(), &fields);
        let concerns_the_worker =
            matches!(refusal.code.kind(), RefusalKind::Retry | RefusalKind::Alarm);
        if matches!(statement, Statement::Register { .. }) && concerns_the_worker {
            remember(facts, turn, &refusal);
        }
        self.respond(facts, turn, request, Receipt::Refused(refusal));
    }

    fn respond(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        request: RequestId,
        receipt: Receipt,
    ) {
        self.pending.remove(&request);
        turn.respond(facts, request, Response::Statement(receipt));
    }
}

fn remember(facts: &mut Facts, turn: &mut Turn<'_>, refusal: &Refusal) {
    let before = facts.register_error.as_ref();
    let count = before.map_or(0, |error| error.count).saturating_add(1);
    let error = LastError {
        code: refusal.code.as_str().to_owned(),
        text: refusal.detail.clone(),
        at: turn.now,
        count,
        act: None,
        capacity_option: 0,
        unknown: Default::default(),
    };
    act::note_register_error(facts, error);
    // The count is written at each power of two: a box that tries for days costs a handful of
    // writes.
    if count.is_power_of_two() && record::may_write_soon(facts, turn) {
        record::write(facts, turn, None);
    }
}
