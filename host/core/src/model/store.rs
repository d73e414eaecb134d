//! The store's data: one record per worker that all hosts agree on. The store is a SQLite file for
//! one host, or DynamoDB where several share the workers.
//!
//! The record is the authority; the pointer is a published hint, and the provider's tags are
//! evidence. The record has two halves that never overwrite each other:
//!
//! - The [`WorkerRecord`] changes by compare-and-set on its [`Version`] only
//!   ([`Store::commit`](crate::ports::Store::commit)). It holds the lease and the epoch, the
//!   intent, and the adopted instance.
//! - The [`Activity`] is refreshed attribute by attribute
//!   ([`Store::refresh`](crate::ports::Store::refresh)) by any host that takes a report. A refresh
//!   checks no version, never moves a time backwards, and happens only while the worker runs.
//!
//! No clock is compared between hosts. A lease is stale when its record has not changed for the
//! lease's length *as the observer measured it*.

mod record;
mod upgrade;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::id::{Version, WorkerId};
use crate::model::time::Instant;

pub use record::{
    Adopted, Credential, DrainReason, Draining, EndedElsewhere, FailedStarts, Former, How, Intent,
    LastError, Offered, Paused, Phase, Replaced, WorkerRecord,
};
pub use upgrade::{MustUnderstand, Unknown};

/// The records of a fleet as one reading found them, each with why it cannot be read, if it cannot.
pub type Records = BTreeMap<WorkerId, Result<Stored, StoreError>>;

/// A record as read from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The version; it rises by one with every commit and is 0 if the record was never written.
    pub version: Version,
    /// The half that changes by compare-and-set.
    pub record: WorkerRecord,
    /// The half that is refreshed.
    pub activity: Activity,
}

/// The activity of a worker, the refreshed half of its record. A time that never was is `None`,
/// never 0 (docs/incidents.md#frozen-activity).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Activity {
    /// When a host last handed the worker's address out, to the minute.
    pub handed_out_at: Option<Instant>,
    /// When a delivery last succeeded.
    pub delivered_at: Option<Instant>,
    /// Deliveries so far.
    pub delivered: u64,
    /// When the instance last reported processed work.
    pub processed_at: Option<Instant>,
    /// Deliveries reported processed so far.
    pub processed: u64,
    /// When the last heartbeat arrived.
    pub heartbeat_at: Option<Instant>,
    /// Until when the box holds a busy lease.
    pub busy_until: Option<Instant>,
}

impl Activity {
    /// Folds a refresh in. Times never go backwards, and counts only rise.
    pub fn refresh(&mut self, refresh: Refresh) {
        match refresh {
            Refresh::HandedOut { at } => self.handed_out_at = self.handed_out_at.max(Some(at)),
            Refresh::Delivered { at, count } => {
                self.delivered_at = self.delivered_at.max(Some(at));
                self.delivered = self.delivered.saturating_add(count);
            }
            Refresh::Processed { at, count } => {
                self.processed_at = self.processed_at.max(Some(at));
                self.processed = self.processed.saturating_add(count);
            }
            Refresh::Heartbeat { at } => self.heartbeat_at = self.heartbeat_at.max(Some(at)),
            Refresh::Busy { until } => self.busy_until = self.busy_until.max(Some(until)),
        }
    }

    /// The later of each time and the higher of each count. Either side may be the newer.
    pub fn with(self, other: Self) -> Self {
        Self {
            handed_out_at: self.handed_out_at.max(other.handed_out_at),
            delivered_at: self.delivered_at.max(other.delivered_at),
            delivered: self.delivered.max(other.delivered),
            processed_at: self.processed_at.max(other.processed_at),
            processed: self.processed.max(other.processed),
            heartbeat_at: self.heartbeat_at.max(other.heartbeat_at),
            busy_until: self.busy_until.max(other.busy_until),
        }
    }

    /// Deliveries that were not reported processed.
    pub fn unfinished(&self) -> u64 {
        self.delivered.saturating_sub(self.processed)
    }

    /// Whether the worker was in use after `since`, or a busy lease is held at `now`.
    pub fn in_use(&self, test: IdleTest) -> bool {
        let newer = |at: Option<Instant>| at.is_some_and(|at| at > test.since);
        newer(self.handed_out_at)
            || newer(self.delivered_at)
            || newer(self.processed_at)
            || self.busy_until.is_some_and(|until| until > test.now)
    }
}

/// One refresh of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// A host handed the worker's address out.
    HandedOut {
        /// When the address was handed out.
        at: Instant,
    },
    /// This many deliveries succeeded.
    Delivered {
        /// When the last of them succeeded.
        at: Instant,
        /// The number of deliveries.
        count: u64,
    },
    /// The instance has processed this many deliveries.
    Processed {
        /// When the host took the report.
        at: Instant,
        /// The number of deliveries.
        count: u64,
    },
    /// The instance is alive.
    Heartbeat {
        /// When the host took the report.
        at: Instant,
    },
    /// The box holds a busy lease.
    Busy {
        /// The end of the lease.
        until: Instant,
    },
}

impl Refresh {
    /// Merges two refreshes of the same kind into one with the same effect; `None` if their kinds
    /// differ.
    pub fn with(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::HandedOut { at }, Self::HandedOut { at: other }) => {
                Self::HandedOut { at: at.max(other) }
            }
            (
                Self::Delivered { at, count },
                Self::Delivered {
                    at: other,
                    count: more,
                },
            ) => Self::Delivered {
                at: at.max(other),
                count: count.saturating_add(more),
            },
            (
                Self::Processed { at, count },
                Self::Processed {
                    at: other,
                    count: more,
                },
            ) => Self::Processed {
                at: at.max(other),
                count: count.saturating_add(more),
            },
            (Self::Heartbeat { at }, Self::Heartbeat { at: other }) => {
                Self::Heartbeat { at: at.max(other) }
            }
            (Self::Busy { until }, Self::Busy { until: other }) => Self::Busy {
                until: until.max(other),
            },
            _ => return None,
        })
    }

    /// The phases in which the store accepts the refresh. A report about an instance that is being
    /// ended is too late, and its sender is told so. A hand-out still counts: a host with an old
    /// view may have sent callers there, and if the end fails, the instance must not look unused
    /// (G5).
    pub fn phases(self) -> &'static [Phase] {
        match self {
            Self::HandedOut { .. } => &[Phase::Running, Phase::Ending],
            _ => &[Phase::Running],
        }
    }

    /// Whether the refresh says that the instance is in use, and not only that it is alive.
    pub fn is_use(self) -> bool {
        matches!(
            self,
            Self::Delivered { .. } | Self::Processed { .. } | Self::Busy { .. }
        )
    }
}

/// The outcome of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The refresh is in the store.
    Written,
    /// Nothing was written, because there is no record or it is in none of the refresh's
    /// [phases](Refresh::phases). This is harmless.
    NotRunning,
}

/// One compare-and-set write of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The worker whose record is written.
    pub worker: WorkerId,
    /// The version that the write replaces; 0 if there must be no record yet.
    pub expected: Version,
    /// The new content, which gets the next version.
    pub record: WorkerRecord,
    /// A test for use: the store refuses the write if the worker was in use. The same step tests
    /// and writes (G5).
    pub if_idle: Option<IdleTest>,
}

impl Write {
    /// Why a store whose record reads like this does not write; `None`: it writes. A write sent
    /// again counts as written, even if the worker was used since.
    pub fn refused_by(&self, current: Option<&Stored>) -> Option<Committed> {
        let version = current.map_or(Version::default(), |stored| stored.version);
        if version != self.expected {
            let own = current.filter(|stored| {
                stored.version == self.expected.next() && stored.record == self.record
            });
            return Some(match own {
                Some(stored) => Committed::Written(stored.version),
                None => Committed::Lost(current.cloned()),
            });
        }
        let activity = current?.activity;
        self.if_idle
            .filter(|test| activity.in_use(*test))
            .map(|_| Committed::InUse(activity))
    }
}

/// The condition "not in use since then, and no busy lease held".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTest {
    /// Activity after this instant refuses the write.
    pub since: Instant,
    /// A busy lease that ends after this instant refuses the write.
    pub now: Instant,
}

/// The outcome of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are a few per mutation, and each is taken apart at once"
)]
pub enum Committed {
    /// The write is in the store, with this version.
    Written(Version),
    /// The record has another version and reads like this; `None` if there is no record.
    Lost(Option<Stored>),
    /// The version matches, but the worker was in use.
    InUse(Activity),
}

/// A failed call to the store. Whether a write was carried out is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {doing} in the store ({kind}): {message}")]
pub struct StoreError {
    /// The operation that was tried: `read the record of chat`.
    pub doing: String,
    /// The kind of the error.
    pub kind: StoreErrorKind,
    /// The store's own words, its code first.
    pub message: String,
}

/// The kinds of store errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreErrorKind {
    /// The store does not answer, or answers with an error of its own.
    Unavailable,
    /// The store limits the rate of calls.
    Throttled,
    /// The credentials are missing, wrong or lack the permission.
    Denied,
    /// The store is full or read-only.
    NotWritable,
    /// The store is damaged as a whole.
    Corrupt,
    /// The record of one worker cannot be read: it is damaged, or it has a field that must be
    /// understood and is not. The store answers for the other workers.
    Unreadable,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::NotWritable => "not writable",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
        })
    }
}
