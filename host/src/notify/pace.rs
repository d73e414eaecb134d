//! The rate limit: a rolling minute.

use std::collections::VecDeque;

use reeve_core::time::{Instant, Millis};

/// The window.
pub(crate) const MINUTE: Millis = Millis::from_secs(60);

/// How many messages were begun within the last minute.
#[derive(Debug)]
pub(crate) struct Pace {
    per_minute_max: usize,
    /// When they were begun, oldest first; as many as the limit at most.
    begun: VecDeque<Instant>,
}

impl Pace {
    /// At least one a minute.
    pub(crate) fn new(per_minute_max: usize) -> Self {
        Self {
            per_minute_max: per_minute_max.max(1),
            begun: VecDeque::new(),
        }
    }

    /// Takes a place in the window; `false`: there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.room_at() > now {
            return false;
        }
        if self.begun.len() == self.per_minute_max {
            self.begun.pop_front();
        }
        self.begun.push_back(now);
        true
    }

    /// From when on there is a place.
    pub(crate) fn room_at(&self) -> Instant {
        match self.begun.front() {
            Some(oldest) if self.begun.len() == self.per_minute_max => *oldest + MINUTE,
            _ => Instant::from_ms(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_messages_than_the_limit_wherever_it_begins() {
        let mut pace = Pace::new(3);
        let taken: Vec<u64> = (0..200_000)
            .step_by(500)
            .filter(|ms| pace.take(Instant::from_ms(*ms)))
            .collect();
        assert_eq!(taken[..4], [0, 500, 1_000, 60_000]);
        for begin in &taken {
            let within = taken
                .iter()
                .filter(|ms| (*begin..begin + 60_000).contains(ms));
            assert!(within.count() <= 3, "from {begin}: {taken:?}");
        }
        assert_eq!(taken.len(), 12);
    }
}
