//! Which workers of a pool were reaped of late, and which are about to be: what the pace of reaps
//! counts (G10). A fact of the pool.

use std::collections::BTreeSet;

use super::WorkerFacts;
use crate::model::budget::{Ledgers, Spending, Spent};
use crate::model::id::WorkerId;
use crate::model::spec::Budget;
use crate::model::time::Instant;

/// The reaps of a pool's workers, whichever host carried them out.
#[derive(Clone, Debug, Default)]
pub struct Reaps {
    ended: Ledgers,
    draining: BTreeSet<WorkerId>,
}

impl Reaps {
    /// Notes the worker's recent reaps, and whether its instance drains before one.
    pub(crate) fn note(&mut self, facts: &WorkerFacts) {
        self.ended.note(&facts.id, &facts.reaped);
        match &facts.draining {
            Some(_) => self.draining.insert(facts.id.clone()),
            None => self.draining.remove(&facts.id),
        };
    }

    /// The ends that were done or may have been done.
    pub(crate) fn ended(&self, now: Instant, budget: Budget) -> Spent {
        self.ended.spent(now, Spending::Stop, budget)
    }

    /// How many workers other than this one have an instance that drains.
    pub(crate) fn others_draining(&self, worker: &WorkerId) -> usize {
        self.draining.len() - usize::from(self.draining.contains(worker))
    }
}
