//! The ledgers of worker, pool and host (G10). They count what was done or may have been done (V2).

use crate::facts::Facts;
use crate::model::budget::Spending;
use crate::model::cloud::MutationKind;
use crate::turn::Turn;

/// Enters a mutation that is about to be sent into the ledgers.
pub(super) fn spend(facts: &mut Facts, turn: &mut Turn<'_>, kind: MutationKind) {
    let Some(spending) = Spending::of(kind) else {
        return;
    };
    let now = turn.now;
    let budget = facts.pool.limits.worker_budget;
    facts.change().ledger.enter(now, spending, budget);
    turn.shared.ledger.enter(now, spending, turn.shared.budget);
    if let Some(pool) = turn.shared.pools.get_mut(&facts.spec.pool) {
        let budget = pool.spec.limits.pool_budget;
        pool.ledger.enter(now, spending, budget);
    }
}

/// Gives back the share of the mutation under way, which was certainly not carried out. A launch
/// that another host or an earlier life began has no share here.
pub(super) fn give_back(facts: &mut Facts, turn: &mut Turn<'_>) {
    let in_flight = facts.in_flight.as_ref();
    let spent = in_flight.and_then(|it| Some((it.since, Spending::of(it.kind)?)));
    let Some((at, spending)) = spent else {
        return;
    };
    if !facts.change().ledger.give_back(at, spending) {
        return;
    }
    turn.shared.ledger.give_back(at, spending);
    if let Some(pool) = turn.shared.pools.get_mut(&facts.spec.pool) {
        pool.ledger.give_back(at, spending);
    }
}

/// Gives back the share of a mutation whose record was not written, so that it is not sent. A
/// launch that was sent before and not answered may have been carried out, and keeps its share.
pub(crate) fn give_back_unsent(facts: &mut Facts, turn: &mut Turn<'_>) {
    let waits = facts.record.writing.as_ref();
    let is_waiting = waits.is_some_and(|writing| writing.waiting.is_some());
    let may_be_done = facts.attempt.as_ref().is_some_and(|it| it.in_doubt);
    if is_waiting && !may_be_done {
        give_back(facts, turn);
    }
}
