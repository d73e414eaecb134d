//! The worker's record as this host last read or wrote it, and the write that is under way.

use crate::facts::{InFlight, LaunchAttempt, WorkerFacts};
use crate::model::cloud::MutationKind;
use crate::model::id::{DecisionId, Epoch, HostId, Version};
use crate::model::store::{Activity, Intent, MustUnderstand, Phase, Stored, Unknown, WorkerRecord};
use crate::model::time::{Instant, Millis};

/// What this host knows of a worker's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// The record as it was last read or written; `None` if it could not be read yet.
    pub stored: Option<Stored>,
    /// When this version was first seen. A lease ages from here, by this host's own clock.
    pub seen_at: Instant,
    /// When a reading or a write last confirmed this version.
    pub read_at: Instant,
    /// The write that is under way; `None` if there is none.
    pub writing: Option<Writing>,
    /// Whether another write follows when the write under way has ended.
    pub dirty: bool,
    /// Whether a write was not answered. It may have reached the store, so the record is read
    /// again.
    pub in_doubt: bool,
    /// Failed calls to the store in a row.
    pub failures: u32,
    /// When the last failed call is tried again. Further failures before that wait for the same try.
    pub again_at: Instant,
    /// When the lease is renewed; `None` if this host does not hold it.
    pub renew_at: Option<Instant>,
}

/// A write of the record that has not been answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// The record after the write.
    pub record: WorkerRecord,
    /// The decision whose mutation waits for the write.
    pub waiting: Option<DecisionId>,
    /// When it was sent.
    pub since: Instant,
}

/// The lease of a worker, as far as this host can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The record could not be read, so the holder is unknown.
    Unknown,
    /// No host holds the lease, or the lease of its holder is void.
    Free,
    /// This host holds the lease.
    Ours,
    /// Another host holds the lease.
    Theirs {
        /// The holder.
        host: HostId,
        /// When the lease is stale: this host will then have seen the record unchanged for the
        /// lease's length.
        stale_at: Instant,
    },
}

impl RecordView {
    /// The view of a record that was read when the host started; `None` if the store did not
    /// answer.
    pub fn new(stored: Option<Stored>) -> Self {
        Self {
            stored,
            seen_at: Instant::default(),
            read_at: Instant::default(),
            writing: None,
            dirty: false,
            in_doubt: false,
            failures: 0,
            again_at: Instant::default(),
            renew_at: None,
        }
    }

    /// The lease of the worker. `is_shared` says whether other hosts write the same store. In a
    /// private store, a lease of another host id belongs to an earlier life and is void. In a
    /// shared store, a lease is stale when this host has seen the record unchanged for the lease's
    /// length. Only this host's clock counts: no two clocks are compared.
    pub fn lease(&self, us: &HostId, is_shared: bool, length: Millis) -> Lease {
        let Some(stored) = &self.stored else {
            return Lease::Unknown;
        };
        match &stored.record.lease {
            None => Lease::Free,
            Some(host) if host == us => Lease::Ours,
            Some(_) if !is_shared => Lease::Free,
            Some(_) if self.read_at.since(self.seen_at) >= length => Lease::Free,
            Some(host) => Lease::Theirs {
                host: host.clone(),
                stale_at: self.seen_at + length,
            },
        }
    }

    /// Whether a write is under way, or another one follows.
    pub fn is_being_written(&self) -> bool {
        self.writing.is_some() || self.dirty
    }

    /// The version that the next write replaces.
    pub fn version(&self) -> Version {
        self.stored
            .as_ref()
            .map_or(Version::default(), |stored| stored.version)
    }

    /// The fields of the record in the store that this version does not know.
    pub fn unknown(&self) -> Unknown {
        let stored = self.stored.as_ref();
        stored.map_or_else(Unknown::default, |stored| stored.record.unknown.clone())
    }

    /// The epoch of the record in the store.
    pub fn epoch(&self) -> Epoch {
        self.stored
            .as_ref()
            .map_or(Epoch::default(), |stored| stored.record.epoch)
    }

    /// The activity that is stored next to the record, as last read.
    pub fn activity(&self) -> Activity {
        self.stored
            .as_ref()
            .map_or(Activity::default(), |stored| stored.activity)
    }
}

impl WorkerFacts {
    /// The record that the store should hold. A host with an intent holds the lease until the
    /// outcome is written. Without an intent, no lease is held.
    pub fn to_record(&self, us: &HostId, epoch: Epoch) -> WorkerRecord {
        WorkerRecord {
            epoch,
            lease: self.intent.is_some().then(|| us.clone()),
            by: Some(us.clone()),
            generation: self.generation,
            phase: self.phase(),
            intent: self.intent.clone(),
            adopted: self.adopted.clone(),
            former: self.former.clone(),
            last_error: self.failures.to_recorded(),
            failed_starts: self.failed_starts.clone(),
            ended_elsewhere: self.ended_elsewhere,
            ended_elsewhere_last: self.ended_elsewhere().cloned(),
            ledger: self.ledger.clone(),
            reaped: self.reaped.clone(),
            credential: self.credential.clone(),
            register_error: self.register_error.clone(),
            paused: self.paused.clone(),
            restart: self.restart.clone(),
            deferred: self.deferred.clone(),
            draining: self.draining.clone(),
            must_understand: MustUnderstand::of(self.paused.is_some()),
            unknown: self.record.unknown(),
        }
    }

    /// Whether the record in the store counts the worker as running, so that its activity is taken.
    pub(crate) fn is_recorded_running(&self) -> bool {
        let stored = self.record.stored.as_ref();
        stored.is_some_and(|stored| stored.record.phase == Phase::Running)
    }

    fn phase(&self) -> Phase {
        use MutationKind::{Launch, Reboot, Start, Stop, Terminate, WritePointer};
        let kind = self.intent.as_ref().map(|intent| intent.mutation.kind());
        match kind {
            Some(Launch | Start) => return Phase::Provisioning,
            Some(Stop | Terminate) if self.ends_adopted() => return Phase::Ending,
            // The end of an orphan does not change the worker's own phase. During a reboot the
            // box's first heartbeat must count.
            Some(Stop | Terminate | Reboot | WritePointer) | None => {}
        }
        match (&self.adopted, self.adopted_instance()) {
            (None, _) => Phase::Absent,
            // A reading during the settling time of a start may show the state before it.
            (Some(_), Some(known))
                if known.instance.state.is_down() && self.start_settles_since().is_none() =>
            {
                Phase::Absent
            }
            (Some(_), _) => Phase::Running,
        }
    }

    /// Whether the intent ends the adopted instance, or may.
    fn ends_adopted(&self) -> bool {
        let ended = self
            .intent
            .as_ref()
            .and_then(|intent| intent.mutation.instance());
        self.adopted
            .as_ref()
            .is_none_or(|adopted| Some(&adopted.id) == ended)
    }

    /// Takes over the record from the store. What this host meant to write and could not is
    /// dropped. An intent in the record is a mutation that waits for recovery, unless this host has
    /// sent it and waits for the answer. The activity stays as this host knows it, if it does:
    /// [`activity_as_read`](Self::activity_as_read) folds in a reading of it.
    pub(crate) fn fold(&mut self, stored: Stored) {
        let record = &stored.record;
        // Each holder of the lease has its own epochs, so no other host has the same intent.
        let is_awaited = self.in_flight.as_ref().is_some_and(|it| it.is_ours)
            && self.intent.is_some()
            && self.intent == record.intent;
        self.generation = self.generation_floor.max(record.generation);
        self.adopted.clone_from(&record.adopted);
        self.former.clone_from(&record.former);
        self.intent.clone_from(&record.intent);
        self.credential.clone_from(&record.credential);
        self.register_error.clone_from(&record.register_error);
        self.paused.clone_from(&record.paused);
        self.failed_starts.clone_from(&record.failed_starts);
        self.ended_elsewhere = record.ended_elsewhere;
        self.ended_elsewhere_last
            .clone_from(&record.ended_elsewhere_last);
        self.ledger.clone_from(&record.ledger);
        self.reaped.clone_from(&record.reaped);
        self.restart.clone_from(&record.restart);
        self.deferred.clone_from(&record.deferred);
        self.draining.clone_from(&record.draining);
        if !is_awaited {
            self.leave(record.intent.as_ref());
        }
        if let Some(error) = &record.last_error {
            self.failures.recover(error);
        }
        self.note_end();
        let known = self.record.stored.as_ref().map(|known| known.activity);
        self.record.stored = Some(Stored {
            activity: known.unwrap_or(stored.activity),
            ..stored
        });
    }

    /// Stops waiting for answers. This intent, if any, is left to be recovered.
    fn leave(&mut self, intent: Option<&Intent>) {
        let was_under_way = self.in_flight.take();
        if was_under_way.is_some_and(|it| it.kind == MutationKind::WritePointer) {
            // The pointer write may or may not have been carried out.
            self.pointer = None;
        }
        self.attempt = intent.and_then(LaunchAttempt::of);
        self.in_flight = intent.map(InFlight::left_by);
    }
}

impl LaunchAttempt {
    /// The launch of an intent; `None` for any other mutation.
    fn of(intent: &Intent) -> Option<Self> {
        use crate::model::cloud::Mutation;
        matches!(intent.mutation, Mutation::Launch { .. }).then(|| Self {
            mutation: intent.mutation.clone(),
            generation: intent.generation,
            decision: intent.decision,
            sent: 0,
            in_doubt: true,
            since: intent.since,
            proved_at: None,
        })
    }
}

impl InFlight {
    /// A mutation that a record announces and that this host has not sent.
    fn left_by(intent: &Intent) -> Self {
        Self {
            kind: intent.mutation.kind(),
            instance: intent.mutation.instance().cloned(),
            decision: intent.decision,
            since: intent.since,
            is_ours: false,
        }
    }
}

#[cfg(test)]
mod tests;
