//! Time as data. The core never reads a clock: events carry instants, and policies see ages.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A point in time in milliseconds. The shell anchors it at the wall clock when it starts, and
/// counts monotonically from there. So an instant can be compared with a provider's time stamps,
/// and time never runs backwards while the host lives.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(transparent)]
pub struct Instant(u64);

/// A length of time in milliseconds.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(transparent)]
pub struct Millis(u64);

/// The offset of local time from UTC at any time. The core knows no time zones: the reader of the
/// configuration looks up the zone's rules and passes their result in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UtcOffset {
    /// Minutes east of UTC before the first change.
    first_min: i16,
    /// The changes in order. They are shared, because every worker of a pool holds the pool's
    /// configuration.
    changes: Arc<[OffsetChange]>,
}

/// A change of a zone's offset, such as the begin of daylight saving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetChange {
    /// From when on the new offset holds.
    pub at: Instant,
    /// Minutes east of UTC from then on.
    pub offset_min: i16,
}

impl UtcOffset {
    /// An offset that never changes.
    pub fn fixed(offset_min: i16) -> Self {
        Self::changing(offset_min, Vec::new())
    }

    /// An offset that begins with `first_min` and changes at these times.
    pub fn changing(first_min: i16, mut changes: Vec<OffsetChange>) -> Self {
        changes.sort();
        Self {
            first_min,
            changes: changes.into(),
        }
    }

    /// Minutes east of UTC at this instant.
    pub fn at(&self, now: Instant) -> i16 {
        let begun = self.changes.partition_point(|change| change.at <= now);
        let last = begun.checked_sub(1).and_then(|last| self.changes.get(last));
        last.map_or(self.first_min, |change| change.offset_min)
    }
}

impl Instant {
    /// The instant this many milliseconds after the clock's zero.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds after the clock's zero.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// This many milliseconds.
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// This many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The number of milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The contract's form: `u32` milliseconds, saturating at about 49.7 days.
    pub fn saturating_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// Whole seconds, rounded up, as `Retry-After` wants them.
    pub const fn ceil_secs(self) -> u64 {
        self.0.div_ceil(1000)
    }
}

impl Add<Millis> for Instant {
    type Output = Self;

    fn add(self, length: Millis) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl AddAssign<Millis> for Instant {
    fn add_assign(&mut self, length: Millis) {
        *self = *self + length;
    }
}

impl Add for Millis {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<u32> for Millis {
    fn from(ms: u32) -> Self {
        Self(u64::from(ms))
    }
}

impl From<Millis> for Duration {
    fn from(length: Millis) -> Self {
        Self::from_millis(length.0)
    }
}

impl From<Duration> for Millis {
    fn from(length: Duration) -> Self {
        Self(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Millis {
    /// In seconds with as many decimals as are needed: `2.5s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0 as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_holds_from_its_change_to_the_next() {
        let change = |at, offset_min| OffsetChange {
            at: Instant::from_ms(at),
            offset_min,
        };
        let offset = UtcOffset::changing(53, vec![change(200, 120), change(100, 60)]);
        let at = |ms| offset.at(Instant::from_ms(ms));
        assert_eq!([at(0), at(99)], [53, 53]);
        assert_eq!([at(100), at(199)], [60, 60]);
        assert_eq!([at(200), at(u64::MAX)], [120, 120]);
        assert_eq!(UtcOffset::fixed(-720).at(Instant::from_ms(5)), -720);
    }
}
