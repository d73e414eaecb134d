//! Limits log lines to one per second, and counts the omitted ones.

use reeve_core::time::{Instant, Millis};

/// A person can read about a line per second, and a day's 86,400 lines do not overload a log.
const BETWEEN: Millis = Millis::from_secs(1);

/// The pace of one kind of line that any client can cause.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the next line may be written. `None`: at once.
    opens_at: Option<Instant>,
    left_out: u64,
}

impl Pace {
    /// Claims a line and returns how many lines were omitted before it. `None`: this line is
    /// omitted.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u64> {
        if !self.is_open(now) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.opens_at = Some(now + BETWEEN);
        Some(std::mem::take(&mut self.left_out))
    }

    /// Claims a line that only reports omitted lines. `None`: no line was omitted, or it is too
    /// early.
    pub(crate) fn take_left_out(&mut self, now: Instant) -> Option<u64> {
        if self.left_out == 0 || !self.is_open(now) {
            return None;
        }
        self.take(now)
    }

    fn is_open(&self, now: Instant) -> bool {
        self.opens_at.is_none_or(|at| now >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_has_one_line_a_second_and_every_one_of_it_is_counted() {
        let mut pace = Pace::default();
        let (mut lines, mut counted) = (0, 0);
        for ms in 0..10_000 {
            if let Some(left_out) = pace.take(Instant::from_ms(ms)) {
                lines += 1;
                counted += 1 + left_out;
            }
        }
        assert_eq!((lines, counted), (10, 9_001));
        assert_eq!(pace.take_left_out(Instant::from_ms(9_999)), None);
        assert_eq!(pace.take_left_out(Instant::from_ms(10_000)), Some(999));
        assert_eq!(pace.take_left_out(Instant::from_ms(20_000)), None);
        assert_eq!(pace.take(Instant::from_ms(20_000)), Some(0));
    }
}
