//! How many requests an identity may send.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A second's requests may come at once.
const BURST: u64 = 1_000_000_000;

/// Admits this many requests a second, and a second's number at once (the generic cell rate algorithm
/// of ITU-T I.371).
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two requests, in nanoseconds.
    gap: u64,
    /// When the requests so far will have been paid off, in nanoseconds since the host's start.
    paid_at: AtomicU64,
}

impl Pace {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self {
            gap: BURST / u64::from(per_second.get()),
            paid_at: AtomicU64::new(0),
        }
    }

    /// Counts a request at this time since the host's start.
    ///
    /// # Errors
    /// How long the next request has to wait. A refused request does not count.
    pub(super) fn take(&self, now: Duration) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut ahead = 0;
        let counted = self
            .paid_at
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |paid_at| {
                let paid_at = paid_at.max(now).saturating_add(self.gap);
                ahead = paid_at - now;
                (ahead <= BURST).then_some(paid_at)
            });
        match counted {
            Ok(_) => Ok(()),
            Err(_) => Err(Duration::from_nanos(ahead - BURST)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_requests_pass_at_once_and_the_next_when_there_is_room() {
        let pace = Pace::new(NonZeroU32::new(10).unwrap());
        let at = Duration::from_millis;
        for _ in 0..10 {
            assert_eq!(pace.take(at(1_000)), Ok(()));
        }
        assert_eq!(pace.take(at(1_000)), Err(at(100)));
        assert_eq!(pace.take(at(1_050)), Err(at(50)));
        assert_eq!(pace.take(at(1_100)), Ok(()));
        assert_eq!(pace.take(at(1_100)), Err(at(100)));
        for _ in 0..10 {
            assert_eq!(pace.take(at(60_000)), Ok(()));
        }
        assert!(pace.take(at(60_000)).is_err());
    }
}
