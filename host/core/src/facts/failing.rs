//! Rows of readings that failed.

use crate::model::cloud::CloudError;
use crate::model::time::{Instant, Millis};

/// The longest pause between two failed readings of one row. A worker that is wanted is looked for
/// every five minutes at least. Failures that are further apart may be two short ones.
pub(super) const GAP_MAX: Millis = Millis::from_secs(600);

/// A row of readings of one thing that all failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedReadings {
    /// When the first of them was asked for.
    pub since: Instant,
    /// When the last of them was asked for.
    pub last_asked_at: Instant,
    /// Why the last of them failed.
    pub error: CloudError,
}

impl FailedReadings {
    /// For how long readings have failed, from the first of them to the last. One reading whose answer
    /// a host that stands still hears a minute later has failed once, not for a minute.
    pub fn lasted(&self) -> Millis {
        self.last_asked_at.since(self.since)
    }

    /// Adds a reading that failed to the row before it, or begins a row.
    pub(super) fn add(row: &mut Option<Self>, asked_at: Instant, error: &CloudError) {
        let before = row.take();
        let before = before.filter(|row| asked_at.since(row.last_asked_at) <= GAP_MAX);
        *row = Some(Self {
            since: before.map_or(asked_at, |row| row.since),
            last_asked_at: asked_at,
            error: error.clone(),
        });
    }
}
