//! Turns at something scarce. Each party has one turn at a time, and those that wait are served one
//! after the other in a circle, so a party with much to do delays another by one turn at most.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Hands out turns to parties.
pub(crate) struct Turns<P> {
    most: usize,
    state: Mutex<State<P>>,
    changed: Condvar,
}

struct State<P> {
    /// The parties that have a turn.
    busy: BTreeSet<P>,
    /// How many wait, by their party.
    waiting: BTreeMap<P, usize>,
    /// The party that was served last.
    last: Option<P>,
}

/// A turn. Dropping it ends the turn.
pub(crate) struct Turn<'a, P: Ord + Clone> {
    turns: &'a Turns<P>,
    party: P,
}

impl<P: Ord + Clone> Turns<P> {
    /// At most so many turns at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::new(State {
                busy: BTreeSet::new(),
                waiting: BTreeMap::new(),
                last: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for the party's turn.
    pub(crate) fn enter(&self, party: P) -> Turn<'_, P> {
        let mut state = self.state();
        *state.waiting.entry(party.clone()).or_default() += 1;
        let mut state = self
            .changed
            .wait_while(state, |state| state.next(self.most) != Some(&party))
            .unwrap_or_else(PoisonError::into_inner);
        state.serve(&party);
        drop(state);
        // The next one may be free to go as well.
        self.changed.notify_all();
        Turn { turns: self, party }
    }

    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Ord + Clone> State<P> {
    /// The party whose turn is next; `None` while all turns are taken, or no party waits that has
    /// none.
    fn next(&self, most: usize) -> Option<&P> {
        if self.busy.len() >= most {
            return None;
        }
        let is_free = |party: &&P| !self.busy.contains(party);
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.waiting.range((after, Bound::Unbounded));
        let mut circle = later.chain(&self.waiting).map(|(party, _)| party);
        circle.find(is_free)
    }

    fn serve(&mut self, party: &P) {
        if let Some(count) = self.waiting.get_mut(party) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(party);
            }
        }
        self.busy.insert(party.clone());
        self.last = Some(party.clone());
    }
}

impl<P: Ord + Clone> Drop for Turn<'_, P> {
    fn drop(&mut self) {
        self.turns.state().busy.remove(&self.party);
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    fn waiting(turns: &Turns<&'static str>) -> usize {
        turns.state().waiting.values().sum()
    }

    fn until(is_so: impl Fn() -> bool) {
        let patience = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < patience, "waited in vain");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_party_has_one_turn_at_a_time_and_the_others_come_in_a_circle() {
        let turns = Turns::new(2);
        let (tell, order) = mpsc::channel();
        thread::scope(|scope| {
            let first = turns.enter("b");
            let second = turns.enter("x");
            for (count, party) in ["b", "b", "c", "a", "c"].into_iter().enumerate() {
                let (turns, tell) = (&turns, tell.clone());
                scope.spawn(move || {
                    let _turn = turns.enter(party);
                    tell.send(party).unwrap();
                });
                until(|| waiting(turns) == count + 1);
            }
            drop(second);
            until(|| waiting(&turns) == 2);
            let served: Vec<_> = order.iter().take(3).collect();
            assert_eq!(served, ["a", "c", "c"], "`b` has a turn already");
            drop(first);
        });
        drop(tell);
        assert_eq!(order.iter().collect::<Vec<_>>(), ["b", "b"]);
    }
}
