//! The one clock of the host.

use jiff::Timestamp;
use reeve_core::time::Instant;

/// Anchored at the wall clock when the host starts, monotonic from there. Instants can be compared
/// with a provider's time stamps and never run backwards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor_ms: u64,
    started: std::time::Instant,
}

impl Clock {
    /// A clock anchored at the present wall time. A wall clock before 1970 counts as 1970.
    pub fn start() -> Self {
        let wall = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            anchor_ms: whole_ms(wall),
            started: std::time::Instant::now(),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now(&self) -> Instant {
        let elapsed_ms = whole_ms(self.started.elapsed());
        Instant::from_ms(self.anchor_ms.saturating_add(elapsed_ms))
    }

    /// The same time as a timestamp.
    pub(crate) fn timestamp(&self) -> Timestamp {
        let ms = i64::try_from(self.now().as_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
    }

    /// The time since the host's start.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// The same instant for tokio's timers. A past instant becomes the present one.
    pub(crate) fn to_tokio(self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::now() + at.since(self.now()).into()
    }
}

fn whole_ms(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
