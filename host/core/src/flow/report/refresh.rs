//! Reports on their way to the store. A worker has one refresh of a kind under way at a time, and
//! reports that arrive until it ends share the next one. So a busy worker costs one write after the
//! other, however many programs report at once, and every response still follows a write that holds
//! the report.

use std::mem;

use super::Reports;
use super::pending::{Pending, WaitsFor};
use crate::act;
use crate::effect::Effect;
use crate::facts::{Facts, WorkerFacts};
use crate::model::boxes::{Report, ReportOutcome, Reporter, Statement};
use crate::model::id::RequestId;
use crate::model::store::Refresh;
use crate::turn::Turn;

impl Reports {
    /// Has a report refreshed in the store, at once or with the next refresh.
    pub(super) fn refresh(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        report: Report,
    ) {
        if self.is_of_another_instance(facts, request) {
            return self.accept(facts, turn, request, ReportOutcome::NotRunning, None);
        }
        if let Report::Heartbeat(notices) = report {
            facts.observe_heartbeat(notices);
        }
        if turn.shared.dry_run {
            return self.accept(facts, turn, request, ReportOutcome::NotStored, None);
        }
        let at = turn.now;
        let refresh = match report {
            Report::Heartbeat(_) => Refresh::Heartbeat { at },
            Report::Delivered(count) => Refresh::Delivered { at, count },
            Report::Processed(count) => Refresh::Processed { at, count },
            Report::Busy(lasting) => Refresh::Busy {
                until: at + lasting,
            },
        };
        if let Some(pending) = self.pending.get_mut(&request) {
            pending.waits_for = WaitsFor::Turn(refresh);
        }
        let is_under_way = |sent: &Refresh| sent.with(refresh).is_some();
        if !facts.refreshes.values().any(is_under_way) {
            self.send_next(facts, turn, refresh);
        }
    }

    /// Responds to all reports of a refresh, and sends the next one.
    pub(super) fn answer_refreshed(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        refresh: Refresh,
        outcome: ReportOutcome,
    ) {
        let sent_with_it = |pending: &Pending| pending.waits_for == WaitsFor::Refresh(request);
        for request in self.waiting(sent_with_it) {
            self.rotate_or_accept(facts, turn, request, outcome);
        }
        // The hosts' own refreshes are not part of this queue.
        if act::refresh_ended(facts, request) {
            self.send_next(facts, turn, refresh);
        }
    }

    /// Sends all waiting reports of this kind as one refresh.
    fn send_next(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, kind: Refresh) {
        let in_line = |pending: &Pending| match pending.waits_for {
            WaitsFor::Turn(refresh) => kind.with(refresh).is_some(),
            _ => false,
        };
        let mut next: Option<(RequestId, Refresh)> = None;
        for request in self.waiting(in_line) {
            if self.is_of_another_instance(facts, request) {
                self.accept(facts, turn, request, ReportOutcome::NotRunning, None);
                continue;
            }
            let Some(pending) = self.pending.get_mut(&request) else {
                continue;
            };
            let sent_as = next.map_or(request, |(first, _)| first);
            let waited_for = mem::replace(&mut pending.waits_for, WaitsFor::Refresh(sent_as));
            if let WaitsFor::Turn(refresh) = waited_for {
                let all = next.and_then(|(_, before)| before.with(refresh));
                next = Some((sent_as, all.unwrap_or(refresh)));
            }
        }
        if let Some((request, refresh)) = next {
            act::refresh_sent(facts, request, refresh);
            turn.effects.push(Effect::Refresh {
                worker: facts.id.clone(),
                request,
                refresh,
            });
        }
    }

    /// Whether an application reports a delivery to an instance that is not the adopted one.
    fn is_of_another_instance(&self, facts: &WorkerFacts, request: RequestId) -> bool {
        let pending = self.pending.get(&request);
        let Some(Statement::Report {
            by: Reporter::Application(Some(instance)),
            ..
        }) = pending.map(|pending| &pending.statement)
        else {
            return false;
        };
        !facts.is_adopted(instance)
    }
}
