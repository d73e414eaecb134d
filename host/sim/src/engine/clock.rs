//! The clock of one host, with an offset and a rate of its own.

use reeve_core::time::Instant;

/// The unit of a rate: parts of a million.
const MILLION: i128 = 1_000_000;

/// A clock that a host reads instead of the true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The true time at which it shows `shows`.
    at: Instant,
    shows: Instant,
    /// The seconds that it counts in a million true seconds.
    rate: i128,
}

impl Clock {
    /// A clock that shows the true time.
    pub(crate) fn right(at: Instant) -> Self {
        Self {
            at,
            shows: at,
            rate: MILLION,
        }
    }

    /// A clock that is `off_ms` ahead at `at`, and gains `gains` parts of a million.
    pub(crate) fn wrong(at: Instant, off_ms: i64, gains: i64) -> Self {
        Self {
            at,
            shows: Instant::from_ms(at.as_ms().saturating_add_signed(off_ms)),
            rate: MILLION + i128::from(gains),
        }
    }

    /// The time that it shows at this true time.
    pub(crate) fn read(&self, now: Instant) -> Instant {
        let passed = i128::from(now.as_ms()) - i128::from(self.at.as_ms());
        let shown = i128::from(self.shows.as_ms()) + passed * self.rate / MILLION;
        Instant::from_ms(u64::try_from(shown).unwrap_or(0))
    }

    /// The first true time at which it shows at least `shows`.
    pub(crate) fn when(&self, shows: Instant) -> Instant {
        let passes = i128::from(shows.as_ms()) - i128::from(self.shows.as_ms());
        let passed = (passes * MILLION).div_euclid(self.rate);
        let mut at = i128::from(self.at.as_ms()) + passed;
        while self.read(instant(at)) < shows {
            at += 1;
        }
        instant(at)
    }
}

fn instant(ms: i128) -> Instant {
    Instant::from_ms(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_first_time_that_shows_at_least_the_time_asked_for() {
        let base = Instant::from_ms(1_000_000);
        for (off, gains) in [(0, 0), (-4_000, 10_000), (4_000, -10_000), (17, 333)] {
            let clock = Clock::wrong(base, off, gains);
            for ms in [1_000_000, 1_000_001, 1_234_567, 9_999_999] {
                let shows = Instant::from_ms(ms);
                let at = clock.when(shows);
                assert!(clock.read(at) >= shows, "{off} {gains} {ms}");
                let before = Instant::from_ms(at.as_ms() - 1);
                assert!(clock.read(before) < shows, "{off} {gains} {ms}");
            }
        }
    }
}
