//! The lengths of time that these tests speak of, and the time at which they begin.

use reeve_core::time::{Instant, Millis};

pub(crate) const BEGINS: Instant = Instant::from_ms(1_760_428_800_000);
pub(crate) const SECOND: Millis = Millis::from_secs(1);
pub(crate) const MINUTE: Millis = Millis::from_secs(60);
pub(crate) const HOUR: Millis = Millis::from_secs(3_600);
