//! The pause before a failed call is tried again: 1 s, doubling to 60 s, in the shape of the EC2
//! developer guide's "Retries and exponential backoff".

use crate::model::time::Millis;

/// The shortest pause.
pub(crate) const BACKOFF_FIRST: Millis = Millis::from_secs(1);
const BACKOFF_MAX: Millis = Millis::from_secs(60);

/// The pause after this many failed tries in a row.
pub(crate) fn backoff(tries: u32) -> Millis {
    let doublings = tries.saturating_sub(1).min(6);
    Millis::new(BACKOFF_FIRST.get() << doublings).min(BACKOFF_MAX)
}
