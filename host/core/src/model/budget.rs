//! The ledger of recent mutations, by which budgets hold over a rolling window (G10).

use std::collections::VecDeque;
use std::fmt;

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

    fn allowed(self, budget: Budget) -> usize {
        let allowed = match self {
            Self::Launch => budget.launches,
            Self::Start => budget.starts,
            Self::Stop => budget.stops,
        };
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Launch => "launches",
            Self::Start => "starts",
            Self::Stop => "stops",
        })
    }
}

/// The mutations within the window that were done or may have been done, oldest first. The budget
/// bounds the length: a mutation over budget is not permitted and so not entered.
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

    /// Gives back the spending that was entered at this instant: it was certainly not done (V2).
    /// Returns whether there was one.
    pub fn give_back(&mut self, at: Instant, spending: Spending) -> bool {
        let found = self.entries.iter().rposition(|it| *it == (at, spending));
        found.and_then(|place| self.entries.remove(place)).is_some()
    }

    /// The number of spendings of this kind within the window.
    pub fn spent(&self, now: Instant, spending: Spending, budget: Budget) -> usize {
        self.within(now, spending, budget).count()
    }

    /// Whether one more of this kind stays within the budget.
    pub fn affords(&self, now: Instant, spending: Spending, budget: Budget) -> bool {
        self.spent(now, spending, budget) < spending.allowed(budget)
    }

    /// When one more of this kind stays within the budget: when enough of the oldest have left the
    /// window. `None`: never, because the budget allows none.
    pub fn opens_at(&self, now: Instant, spending: Spending, budget: Budget) -> Option<Instant> {
        let allowed = spending.allowed(budget);
        if allowed == 0 {
            return None;
        }
        match self.spent(now, spending, budget).checked_sub(allowed) {
            None => Some(now),
            Some(over) => {
                let leaves_last = self.within(now, spending, budget).nth(over);
                leaves_last.map(|at| at + budget.window)
            }
        }
    }

    /// The instants of the spendings of this kind within the window, oldest first.
    fn within(
        &self,
        now: Instant,
        spending: Spending,
        budget: Budget,
    ) -> impl Iterator<Item = Instant> {
        let entries = self.entries.iter();
        let of_kind = entries.filter(move |(_, kind)| *kind == spending);
        of_kind
            .map(|(at, _)| *at)
            .filter(move |at| now.since(*at) < budget.window)
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

    #[test]
    fn a_share_that_is_given_back_can_be_spent_again_at_once() {
        let mut ledger = Ledger::default();
        ledger.enter(at(0), Spending::Launch, BUDGET);
        ledger.enter(at(10), Spending::Launch, BUDGET);
        assert!(!ledger.give_back(at(10), Spending::Stop));
        assert!(ledger.give_back(at(10), Spending::Launch));
        assert!(!ledger.give_back(at(10), Spending::Launch), "only once");
        assert!(ledger.affords(at(10), Spending::Launch, BUDGET));
    }

    #[test]
    fn a_spent_budget_opens_when_the_oldest_leaves_the_window() {
        let opens_at = |ledger: &Ledger, spending| ledger.opens_at(at(20), spending, BUDGET);
        let mut ledger = Ledger::default();
        assert_eq!(opens_at(&ledger, Spending::Launch), Some(at(20)));
        ledger.enter(at(0), Spending::Launch, BUDGET);
        ledger.enter(at(10), Spending::Launch, BUDGET);
        assert_eq!(opens_at(&ledger, Spending::Launch), Some(at(60)));
        assert_eq!(opens_at(&ledger, Spending::Start), None, "none is allowed");
    }
}
