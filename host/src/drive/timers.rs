//! The core's timers. The loop sleeps until the next one is due.

use std::collections::BTreeMap;

use reeve_core::event::Timer;
use reeve_core::time::Instant;

/// Timers ordered by instant; timers of one instant in the order they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeMap<(Instant, u64), Timer>,
    count: u64,
}

impl Timers {
    /// Sets a timer.
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.count += 1;
        self.set.insert((at, self.count), timer);
    }

    /// When the next timer is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.set.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes one timer that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let entry = self.set.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reeve_core::event::WorkerTimer;
    use reeve_core::id::WorkerId;

    #[test]
    fn timers_run_out_in_order_and_not_before_their_instant() {
        let at = Instant::from_ms;
        let follow = |name: &str| Timer::Worker(WorkerId::from(name), WorkerTimer::Follow);
        let mut timers = Timers::default();
        for (ms, name) in [(20, "late"), (10, "first"), (10, "second")] {
            timers.set(at(ms), follow(name));
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.take_due(at(15)), Some(follow("first")));
        assert_eq!(timers.take_due(at(15)), Some(follow("second")));
        assert_eq!(timers.take_due(at(15)), None);
        assert_eq!(timers.take_due(at(20)), Some(follow("late")));
        assert_eq!(timers.next(), None);
    }
}
