//! The rate limit: a rolling minute.

use std::collections::VecDeque;

use reeve_core::time::{Instant, Millis};

/// The window of the rate limit.
pub(crate) const MINUTE: Millis = Millis::from_secs(60);

/// The messages started in the last minute.
#[derive(Debug)]
pub(crate) struct Pace {
    per_minute_max: usize,
    /// When the messages were started, oldest first; at most as many as the limit.
    begun: VecDeque<Instant>,
}

impl Pace {
    /// A limit of at least one per minute.
    pub(crate) fn new(per_minute_max: usize) -> Self {
        Self {
            per_minute_max: per_minute_max.max(1),
            begun: VecDeque::new(),
        }
    }

    /// Takes a place in the window. `false`: the window is full.
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

    /// When the next place is free.
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
