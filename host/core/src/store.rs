//! The store: one record per worker that all hosts agree on, and the narrow trait behind which it
//! stands. SQLite in a file for one host, DynamoDB where several share the workers.
//!
//! The record is the authority; the pointer is a published hint and the provider's tags are evidence. It
//! has two halves that never overwrite each other:
//!
//! - the [`WorkerRecord`] changes by compare-and-set on its [`Version`] only ([`Store::commit`]): who may act
//!   (lease, epoch), what is under way (intent), which instance embodies the worker;
//! - the [`Activity`] is refreshed attribute by attribute ([`Store::touch`]) by whoever delivers, without
//!   a version, never backwards, and only while the worker runs.
//!
//! No clock is compared between hosts: a lease is stale when its record has not changed for the lease's
//! length *as the observer measured it*.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::cloud::Mutation;
use crate::id::{DecisionId, Epoch, Generation, HostId, InstanceId, Version, WorkerId};
use crate::point::Reason;
use crate::point::reap::Choice;
use crate::restart::Restart;
use crate::time::Instant;
use crate::token::SecretHash;

/// Keeps the records of one fleet's workers.
///
/// A record is never removed: versions, epochs and generations only rise.
///
/// Guarantees an implementation gives: a commit that is answered [`Committed::Written`] survives the end of
/// the process and of the machine's power; of two commits that expect the same version one is
/// written; a commit whose own earlier try was written is answered `Written`, however often it was sent.
/// `conformance` in `reeve-sim` holds every implementation to it.
pub trait Store: Send + Sync + 'static {
    /// Whether other hosts may write the same records. Where they cannot, a lease found at the start
    /// is of an earlier life and void.
    fn is_shared(&self) -> bool;

    /// Reads one worker's record; `None`: it was never written.
    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>>;

    /// Reads all records of the fleet, page by page.
    fn read_all(&self) -> StoreFuture<'_, BTreeMap<WorkerId, Stored>>;

    /// Replaces a record if it still has the version that the write expects.
    fn commit(&self, write: Write) -> StoreFuture<'_, Committed>;

    /// Refreshes activity, one attribute, if the worker's record is there and runs.
    fn touch(&self, worker: WorkerId, touch: Touch) -> StoreFuture<'_, Touched>;
}

/// What a call to the store comes to.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

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

/// What changes by compare-and-set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkerRecord {
    /// The fencing token: the next one for each lease that is taken. Only rises (G6).
    pub epoch: Epoch,
    /// Who may act for the worker; `None`: whoever takes the lease next.
    pub lease: Option<HostId>,
    /// Who wrote this. It tells two hosts apart that write the same content at the same time: only one of them has
    /// written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HostId>,
    /// The latest provisioning attempt. Only rises (G1).
    pub generation: Generation,
    /// Where the worker stands in its life.
    pub phase: Phase,
    /// The mutation under way; written before it is sent, cleared with its outcome.
    pub intent: Option<Intent>,
    /// The instance that embodies the worker.
    pub adopted: Option<Adopted>,
    /// The one that embodied it last, while none does: a box of an older one was told that it is superseded, and
    /// has ended for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
    /// The last failure, until something succeeds.
    pub last_error: Option<LastError>,
    /// What the worker's box has registered; `None`: none has since the worker was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The last register that was refused, until one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_error: Option<LastError>,
    /// An operator's pause; `None`: there is none. Left out of the JSON then, so that a host which knows of no
    /// pauses reads every other record, and refuses this one instead of acting for the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The latest restart; `None`: there was none since the worker was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// The adopted instance is about to be reaped, unless it comes into use; `None`: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Draining>,
}

/// Nothing is changed in the cloud for the worker, whoever asks, until an operator resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Paused {
    /// Since when, by the clock of the host that took the command. For people; no rule looks at it.
    pub since: Instant,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The host that took the command.
    pub by: HostId,
}

/// Where a worker stands in its life. Activity counts in [`Phase::Running`] only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing embodies it.
    #[default]
    Absent,
    /// A launch or start is under way.
    Provisioning,
    /// An instance is adopted.
    Running,
    /// Its instance is being stopped or terminated.
    Ending,
}

impl Phase {
    /// The text the store keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Ending => "ending",
        }
    }
}

/// A mutation that was permitted, with all that it takes to send it again unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Intent {
    /// What is about to be done; a launch with its token.
    pub mutation: Mutation,
    /// The generation it belongs to.
    pub generation: Generation,
    /// The epoch that was current when it was committed.
    pub epoch: Epoch,
    /// The decision it rests on, of the host that committed it.
    pub decision: DecisionId,
    /// When it was first committed, by the clock of that host. For that host and for people; no other host goes by it.
    pub since: Instant,
}

/// The instance that embodies a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Adopted {
    /// Which.
    pub id: InstanceId,
    /// Its generation; 0 when something else launched it and reeve has launched nothing since.
    pub generation: Generation,
    /// Since when, by the clock of the host that adopted it.
    pub since: Instant,
    /// How it came about.
    pub how: How,
    /// Deliveries that were not reported processed when it was adopted. The instance before took them with
    /// it, so they are no work of this one.
    #[serde(default)]
    pub unfinished_before: u64,
}

/// An instance that embodied a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Former {
    /// Which.
    pub id: InstanceId,
    /// Its generation.
    pub generation: Generation,
}

/// How an instance became the adopted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Launched by a host.
    Launched,
    /// Started by a host.
    Started,
    /// Found running, by its tags or because the pointer named it.
    Found,
}

/// The last failure of a worker: what, when, how often (I3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LastError {
    /// A stable code, or the provider's own.
    pub code: String,
    /// The sentence for people.
    pub text: String,
    /// When it came up last.
    pub at: Instant,
    /// How often in a row.
    pub count: u32,
}

/// The adopted instance is not handed out any more, and is ended after a while if nobody used it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Draining {
    /// The instance.
    pub instance: InstanceId,
    /// Since when, by the clock of the host that marked it.
    pub since: Instant,
    /// What the `reap` policy has said, of that host.
    pub decision: DecisionId,
    /// What is to be done with it.
    pub choice: Choice,
    /// Why.
    pub reason: Reason,
}

/// What a box may show for an instance: hashes of its tokens. At any time one is in force, its successor may
/// have been handed out, and its predecessor is still good for what was on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Credential {
    /// The instance that registered.
    pub instance: InstanceId,
    /// The generation it was then.
    pub generation: Generation,
    /// The nonce of that register: a reply that was lost is made good for the same one.
    pub nonce: SecretHash,
    /// The token in force.
    pub token: SecretHash,
    /// Since when, by the clock of the host that minted it.
    pub minted_at: Instant,
    /// The successor that a heartbeat was answered with. It comes into force when it is first shown, so that
    /// a reply that is lost locks nobody out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
    /// The predecessor, while requests that show it may be on their way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
}

/// A token that a box was given and has not shown yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Offered {
    /// Its hash.
    pub token: SecretHash,
    /// When it was minted.
    pub at: Instant,
}

/// A token whose successor is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Replaced {
    /// Its hash.
    pub token: SecretHash,
    /// Until when it is still good.
    pub until: Instant,
}

/// What is refreshed beside the record. A time that was never is `None`, never 0 (I5).
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
    /// There is no record, or it is not in phase `running`: nothing was written. Harmless.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_a_pause_looks_as_it_did_before_there_were_pauses() {
        let before = r#"{"epoch":3,"lease":"host","generation":2,"phase":"running","intent":null,"adopted":null,"last-error":null}"#;
        let record: WorkerRecord = serde_json::from_str(before).unwrap();
        assert_eq!(record.paused, None);
        assert_eq!(serde_json::to_string(&record).unwrap(), before);
    }

    #[test]
    fn a_pause_is_a_field_that_a_host_without_pauses_refuses_to_read() {
        let paused = Paused {
            since: Instant::from_ms(7),
            reason: None,
            by: HostId::from("host"),
        };
        let record = WorkerRecord {
            paused: Some(paused),
            ..WorkerRecord::default()
        };
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.ends_with(r#""paused":{"since":7,"reason":null,"by":"host"}}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<WorkerRecord>(&text).unwrap(), record);
        let unknown = text.replace("paused", "a-field-of-a-newer-reeve");
        assert!(serde_json::from_str::<WorkerRecord>(&unknown).is_err());
    }
}
