//! The worker's ledger, which counts acts that were done or may have been (G10, V2).

use crate::facts::{Facts, InFlight};
use crate::model::budget::Spending;
use crate::model::cloud::MutationKind;
use crate::turn::Turn;

/// Enters a mutation that is about to be sent into the worker's ledger. Entries are kept for the
/// longest window that they count in.
pub(super) fn spend(facts: &mut Facts, turn: &Turn<'_>, kind: MutationKind) {
    let Some(spending) = Spending::of(kind) else {
        return;
    };
    let limits = &facts.pool.limits;
    let of_workers = limits.worker_budget.window.max(limits.pool_budget.window);
    let keep = of_workers.max(turn.shared.budget.window);
    facts.change().ledger.enter(turn.now, spending, keep);
}

/// Enters an end on a verdict of `reap` that is about to be sent, for the pool's pace.
pub(super) fn spend_reap(facts: &mut Facts, turn: &Turn<'_>) {
    let keep = facts.pool.limits.reap_pace.window;
    facts.change().reaped.enter(turn.now, Spending::Stop, keep);
}

/// Gives back the share of the intent, which was certainly not carried out. Another host, or an
/// earlier life of this one, may have announced it.
pub(super) fn give_back(facts: &mut Facts) {
    let Some(intent) = facts.intent.as_ref() else {
        return;
    };
    if let Some(spending) = Spending::of(intent.mutation.kind()) {
        let at = intent.since;
        let facts = facts.change();
        facts.ledger.give_back(at, spending);
        facts.reaped.give_back(at, spending);
    }
}

/// Gives back the share of a mutation whose record was not written, so that it is not sent. A
/// launch that was sent before and not answered may have been carried out, and keeps its share.
pub(crate) fn give_back_unsent(facts: &mut Facts) {
    let waits = facts.record.writing.as_ref();
    let is_waiting = waits.is_some_and(|writing| writing.waiting.is_some());
    let is_ours = |it: &InFlight| it.is_ours;
    let may_be_done = facts.attempt.as_ref().is_some_and(|it| it.in_doubt);
    if is_waiting && !may_be_done && facts.in_flight.as_ref().is_some_and(is_ours) {
        give_back(facts);
    }
}
