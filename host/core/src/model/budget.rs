//! The ledger of recent mutations, by which budgets hold over a rolling window (G10).

use std::collections::VecDeque;

use crate::model::cloud::MutationKind;
use crate::model::spec::Budget;
use crate::model::time::Instant;

/// The kinds of mutation a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// The launch of an instance.
    Launch,
    /// The start of a stopped instance.
    Start,
    /// The stop or the termination of an instance.
    Stop,
}

impl Spending {
    /// The spending of a kind of mutation; `None` for a pointer write, which spends nothing.
    pub fn of(kind: MutationKind) -> Option<Self> {
        match kind {
            MutationKind::Launch => Some(Self::Launch),
            MutationKind::Start => Some(Self::Start),
            MutationKind::Stop | MutationKind::Terminate => Some(Self::Stop),
            MutationKind::WritePointer => None,
        }
    }

    fn allowed(self, budget: Budget) -> u32 {
        match self {
            Self::Launch => budget.launches,
            Self::Start => budget.starts,
            Self::Stop => budget.stops,
        }
    }
}

/// The mutations within the window, oldest first. The budget bounds the length: a mutation over
/// budget is not permitted and so not entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: VecDeque<(Instant, Spending)>,
}

impl Ledger {
    /// Enters a spending, and drops the entries that have left the window.
    pub fn enter(&mut self, now: Instant, spending: Spending, budget: Budget) {
        while let Some((at, _)) = self.entries.front() {
            if now.since(*at) < budget.window {
                break;
            }
            self.entries.pop_front();
        }
        self.entries.push_back((now, spending));
    }

    /// The number of spendings of this kind within the window.
    pub fn spent(&self, now: Instant, spending: Spending, budget: Budget) -> usize {
        let within = |at: Instant| now.since(at) < budget.window;
        self.entries
            .iter()
            .filter(|(at, kind)| *kind == spending && within(*at))
            .count()
    }

    /// Whether one more of this kind stays within the budget.
    pub fn affords(&self, now: Instant, spending: Spending, budget: Budget) -> bool {
        let allowed = usize::try_from(spending.allowed(budget)).unwrap_or(usize::MAX);
        self.spent(now, spending, budget) < allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Millis;

    const BUDGET: Budget = Budget {
        launches: 2,
        starts: 0,
        stops: 1,
        window: Millis::from_secs(60),
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_ms(seconds * 1000)
    }

    #[test]
    fn a_budget_of_two_allows_two_spendings_per_window() {
        let mut ledger = Ledger::default();
        for second in [0, 10] {
            assert!(ledger.affords(at(second), Spending::Launch, BUDGET));
            ledger.enter(at(second), Spending::Launch, BUDGET);
        }
        assert!(!ledger.affords(at(59), Spending::Launch, BUDGET));
        assert!(ledger.affords(at(60), Spending::Launch, BUDGET));
    }

    #[test]
    fn kinds_are_counted_apart_and_zero_allows_none() {
        let mut ledger = Ledger::default();
        ledger.enter(at(0), Spending::Launch, BUDGET);
        assert!(ledger.affords(at(0), Spending::Stop, BUDGET));
        assert!(!ledger.affords(at(0), Spending::Start, BUDGET));
    }
}
