//! The ledgers of recent mutations, by which budgets hold over a rolling window (G10).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::cloud::MutationKind;
use crate::model::id::WorkerId;
use crate::model::spec::Budget;
use crate::model::time::{Instant, Millis};

/// The kinds of mutation a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spending {
    /// The launch of an instance.
    Launch,
    /// The start of a stopped instance.
    Start,
    /// The stop, the termination or the reboot of an instance: each takes it down.
    Stop,
}

impl Spending {
    /// The spending of a kind of mutation; `None` for a pointer write, which spends nothing.
    pub fn of(kind: MutationKind) -> Option<Self> {
        match kind {
            MutationKind::Launch => Some(Self::Launch),
            MutationKind::Start => Some(Self::Start),
            MutationKind::Stop | MutationKind::Terminate | MutationKind::Reboot => Some(Self::Stop),
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

    /// The name for people, in the plural.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Launch => "launches",
            Self::Start => "starts",
            Self::Stop => "stops",
        }
    }
}

impl fmt::Display for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The mutations of one worker that were done or may have been done, by any host. It is kept in the
/// worker's record. The budget bounds the length: a mutation over budget is not permitted and so
/// not entered, and one older entry of each kind stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    /// The instants of each kind, oldest first.
    entries: BTreeMap<Spending, VecDeque<Instant>>,
}

impl Ledger {
    /// Whether nothing is entered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Enters a spending, and drops the entries of its kind that are as old as `keep` or older, except
    /// the latest of these: it may be what ended the worker's instance.
    pub fn enter(&mut self, now: Instant, spending: Spending, keep: Millis) {
        let entries = self.entries.entry(spending).or_default();
        let is_old = |at: &Instant| now.since(*at) >= keep;
        let latest_old = entries.iter().copied().filter(is_old).max();
        entries.retain(|at| !is_old(at) || Some(*at) == latest_old);
        entries.push_back(now);
    }

    /// Gives back the spending that was entered at this instant: it was certainly not done (V2).
    pub fn give_back(&mut self, at: Instant, spending: Spending) {
        let Some(entries) = self.entries.get_mut(&spending) else {
            return;
        };
        if let Some(place) = entries.iter().rposition(|entry| *entry == at) {
            entries.remove(place);
        }
        self.entries.retain(|_, entries| !entries.is_empty());
    }

    /// When the last spending of this kind was entered; `None` if none is kept.
    pub fn last(&self, spending: Spending) -> Option<Instant> {
        self.of(spending).last()
    }

    /// What is spent of this budget.
    pub fn spent(&self, now: Instant, spending: Spending, budget: Budget) -> Spent {
        Spent::of(self.of(spending), now, spending, budget)
    }

    /// The instants of each kind, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (Spending, impl Iterator<Item = Instant>)> {
        let entries = self.entries.iter();
        entries.map(|(spending, instants)| (*spending, instants.iter().copied()))
    }

    fn of(&self, spending: Spending) -> impl Iterator<Item = Instant> {
        let entries = self.entries.get(&spending);
        entries.into_iter().flatten().copied()
    }
}

/// The ledgers of many workers, whose budget is a sum over their records.
#[derive(Clone, Debug, Default)]
pub struct Ledgers {
    of: BTreeMap<WorkerId, Ledger>,
}

impl Ledgers {
    /// Notes the present ledger of a worker.
    pub fn note(&mut self, worker: &WorkerId, ledger: &Ledger) {
        if ledger.is_empty() {
            self.of.remove(worker);
        } else if self.of.get(worker) != Some(ledger) {
            self.of.insert(worker.clone(), ledger.clone());
        }
    }

    /// What is spent of this budget.
    pub fn spent(&self, now: Instant, spending: Spending, budget: Budget) -> Spent {
        let entries = self.of.values().flat_map(|ledger| ledger.of(spending));
        Spent::of(entries, now, spending, budget)
    }
}

/// The spendings of one kind within a budget's window.
#[derive(Clone, Debug)]
pub struct Spent {
    /// Oldest first.
    entries: Vec<Instant>,
    allowed: usize,
    now: Instant,
    window: Millis,
}

impl Spent {
    fn of(
        entries: impl Iterator<Item = Instant>,
        now: Instant,
        spending: Spending,
        budget: Budget,
    ) -> Self {
        let mut entries: Vec<_> = entries
            .filter(|at| now.since(*at) < budget.window)
            .collect();
        entries.sort();
        Self {
            entries,
            allowed: spending.allowed(budget),
            now,
            window: budget.window,
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Whether one more stays within the budget.
    pub fn affords_one(&self) -> bool {
        self.affords_one_after(0)
    }

    /// Whether one more stays within the budget if as many as `awaited` follow before it.
    pub fn affords_one_after(&self, awaited: usize) -> bool {
        self.count() + awaited < self.allowed
    }

    /// When one more stays within the budget: when enough of the oldest have left the window.
    /// `None`: never, because the budget allows none.
    pub fn opens_at(&self) -> Option<Instant> {
        if self.allowed == 0 {
            return None;
        }
        match self.count().checked_sub(self.allowed) {
            None => Some(self.now),
            Some(over) => self.entries.get(over).map(|at| *at + self.window),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        launches: 2,
        starts: 0,
        stops: 1,
        window: Millis::new(60),
    };

    fn at(ms: u64) -> Instant {
        Instant::from_ms(ms)
    }

    fn with_launches(instants: &[u64]) -> Ledger {
        let mut ledger = Ledger::default();
        for ms in instants {
            ledger.enter(at(*ms), Spending::Launch, BUDGET.window);
        }
        ledger
    }

    fn affords(ledger: &Ledger, now: u64, spending: Spending) -> bool {
        ledger.spent(at(now), spending, BUDGET).affords_one()
    }

    #[test]
    fn a_window_slides() {
        let mut ledger = with_launches(&[0, 50]);
        assert!(!affords(&ledger, 59, Spending::Launch));
        assert!(affords(&ledger, 60, Spending::Launch));
        ledger.enter(at(60), Spending::Launch, BUDGET.window);
        assert!(!affords(&ledger, 60, Spending::Launch));
    }

    #[test]
    fn of_the_entries_older_than_the_window_the_latest_stays() {
        let mut ledger = with_launches(&[0, 10, 50]);
        ledger.enter(at(100), Spending::Launch, BUDGET.window);
        let kept: Vec<_> = ledger.of(Spending::Launch).collect();
        assert_eq!(kept, [at(10), at(50), at(100)]);
        ledger.enter(at(500), Spending::Launch, BUDGET.window);
        ledger.give_back(at(500), Spending::Launch);
        assert_eq!(ledger.last(Spending::Launch), Some(at(100)));
    }

    #[test]
    fn each_kind_has_its_own_count() {
        let ledger = with_launches(&[0, 0]);
        assert!(affords(&ledger, 0, Spending::Stop));
        assert!(!affords(&ledger, 0, Spending::Start));
    }

    #[test]
    fn a_share_that_is_given_back_can_be_spent_again_at_once() {
        let mut ledger = with_launches(&[0, 10]);
        ledger.give_back(at(10), Spending::Stop);
        ledger.give_back(at(11), Spending::Launch);
        assert!(!affords(&ledger, 10, Spending::Launch), "it was another");
        ledger.give_back(at(10), Spending::Launch);
        assert!(affords(&ledger, 10, Spending::Launch));
        ledger.give_back(at(0), Spending::Launch);
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_spent_budget_opens_when_the_oldest_leaves_the_window() {
        let opens_at =
            |ledger: &Ledger, spending| ledger.spent(at(20), spending, BUDGET).opens_at();
        let ledger = with_launches(&[0, 10]);
        assert_eq!(opens_at(&Ledger::default(), Spending::Launch), Some(at(20)));
        assert_eq!(opens_at(&ledger, Spending::Launch), Some(at(60)));
        assert_eq!(opens_at(&ledger, Spending::Start), None, "none is allowed");
    }

    #[test]
    fn the_workers_of_a_pool_share_its_budget() {
        let mut ledgers = Ledgers::default();
        ledgers.note(&"a".into(), &with_launches(&[10]));
        ledgers.note(&"b".into(), &with_launches(&[0]));
        let spent = ledgers.spent(at(20), Spending::Launch, BUDGET);
        assert!(!spent.affords_one());
        assert_eq!(spent.opens_at(), Some(at(60)));
        ledgers.note(&"b".into(), &Ledger::default());
        let spent = ledgers.spent(at(20), Spending::Launch, BUDGET);
        assert!(spent.affords_one());
    }
}
