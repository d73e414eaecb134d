//! What the store keeps: one record per worker that all hosts agree on. SQLite in a file for one host, DynamoDB where
//! several share the workers.
//!
//! The record is the authority; the pointer is a published hint and the provider's tags are evidence. It
//! has two halves that never overwrite each other:
//!
//! - the [`WorkerRecord`] changes by compare-and-set on its [`Version`] only ([`Store::commit`](crate::ports::Store::commit)): who may act
//!   (lease, epoch), what is under way (intent), which instance embodies the worker;
//! - the [`Activity`] is refreshed attribute by attribute ([`Store::touch`](crate::ports::Store::touch)) by whoever delivers, without
//!   a version, never backwards, and only while the worker runs.
//!
//! No clock is compared between hosts: a lease is stale when its record has not changed for the lease's
//! length *as the observer measured it*.

mod record;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::id::{Version, WorkerId};
use crate::model::time::Instant;

pub use record::{
    Adopted, Credential, Draining, Former, How, Intent, LastError, Offered, Paused, Phase,
    Replaced, WorkerRecord,
};

/// A record as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Rises by one with every commit; 0: never written.
    pub version: Version,
    /// What was committed.
    pub record: WorkerRecord,
    /// What was refreshed beside it.
    pub activity: Activity,
}

/// What is refreshed beside the record. A time that was never is `None`, never 0 (docs/incidents.md#frozen-activity).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Activity {
    /// The last time a host handed its address out, to the minute.
    pub handed_out_at: Option<Instant>,
    /// The last successful delivery.
    pub delivered_at: Option<Instant>,
    /// Deliveries so far.
    pub delivered: u64,
    /// The last time the instance said it was done with one.
    pub processed_at: Option<Instant>,
    /// Done so far.
    pub processed: u64,
    /// The last heartbeat.
    pub heartbeat_at: Option<Instant>,
    /// Until when the busy lease is held.
    pub busy_until: Option<Instant>,
}

impl Activity {
    /// Folds a refresh in. Times never go backwards; counts only rise.
    pub fn refresh(&mut self, touch: Touch) {
        match touch {
            Touch::HandedOut { at } => self.handed_out_at = self.handed_out_at.max(Some(at)),
            Touch::Delivered { at, count } => {
                self.delivered_at = self.delivered_at.max(Some(at));
                self.delivered = self.delivered.saturating_add(count);
            }
            Touch::Processed { at, count } => {
                self.processed_at = self.processed_at.max(Some(at));
                self.processed = self.processed.saturating_add(count);
            }
            Touch::Heartbeat { at } => self.heartbeat_at = self.heartbeat_at.max(Some(at)),
            Touch::Busy { until } => self.busy_until = self.busy_until.max(Some(until)),
        }
    }

    /// The later of each time and the higher of each count: what is known from two sides, neither of which need be the
    /// newer.
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

    /// Whether the worker was in use after `since`, or is held busy at `now`.
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
pub enum Touch {
    /// A host has handed the worker's address out.
    HandedOut {
        /// When.
        at: Instant,
    },
    /// So many deliveries succeeded, the last of them then.
    Delivered {
        /// When the last of them was.
        at: Instant,
        /// How many.
        count: u64,
    },
    /// The instance is done with so many.
    Processed {
        /// When it said so.
        at: Instant,
        /// How many.
        count: u64,
    },
    /// The instance is alive.
    Heartbeat {
        /// When it said so.
        at: Instant,
    },
    /// Do not reap before then.
    Busy {
        /// The end of the lease.
        until: Instant,
    },
}

impl Touch {
    /// This refresh and another one of the same kind as one, which leaves behind what the two would; `None`: they are
    /// of different kinds.
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

    /// The phases in which the store takes it in. A report about an instance that is being ended comes too late, and
    /// whoever made it is told so. That callers were sent there cannot be taken back: a host that had not read of the
    /// end has sent them, and if the end comes to nothing the instance must not look unused (G5).
    pub fn phases(self) -> &'static [Phase] {
        match self {
            Self::HandedOut { .. } => &[Phase::Running, Phase::Ending],
            _ => &[Phase::Running],
        }
    }

    /// Whether it tells that the instance is in use, and not only that it is there.
    pub fn is_use(self) -> bool {
        matches!(
            self,
            Self::Delivered { .. } | Self::Processed { .. } | Self::Busy { .. }
        )
    }
}

/// What a refresh came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// It is in the store.
    Refreshed,
    /// There is no record, or it is in none of the refresh's [phases](Touch::phases): nothing was written. Harmless.
    NotRunning,
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Whose.
    pub worker: WorkerId,
    /// The version it replaces; 0: there must be none yet.
    pub expected: Version,
    /// The new content, which gets the next version.
    pub record: WorkerRecord,
    /// Refuse it if the worker was in use meanwhile: tested in the same step that writes (G5).
    pub if_idle: Option<IdleTest>,
}

/// "Not in use since then, and not held busy now."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTest {
    /// Activity after this instant refuses the write.
    pub since: Instant,
    /// A busy lease that ends after this instant refuses the write.
    pub now: Instant,
}

/// What a commit came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are a few per mutation, and each is taken apart at once"
)]
pub enum Committed {
    /// It is in the store, with this version.
    Written(Version),
    /// The record has another version: this is how it stands; `None`: there is none.
    Lost(Option<Stored>),
    /// The version is right, and the worker was in use.
    InUse(Activity),
}

/// Why the store could not be asked. Nothing is known about whether a write was carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {doing} in the store ({kind}): {message}")]
pub struct StoreError {
    /// What was tried: `read the record of chat`.
    pub doing: String,
    /// What to make of it.
    pub kind: StoreErrorKind,
    /// The store's own words, its code first.
    pub message: String,
}

/// What to make of a store that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreErrorKind {
    /// It does not answer, or answers with an error of its own.
    Unavailable,
    /// Calls come too fast.
    Throttled,
    /// The credentials are missing, wrong or not allowed to.
    Denied,
    /// There is no room, or it may not be written.
    NotWritable,
    /// What it holds cannot be read.
    Corrupt,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::NotWritable => "not writable",
            Self::Corrupt => "corrupt",
        })
    }
}
