//! The worker's record as this host last saw it in the store, and the write of it that is under way.

use crate::facts::{Failure, InFlight, LaunchAttempt, WorkerFacts};
use crate::model::cloud::MutationKind;
use crate::model::id::{DecisionId, Epoch, HostId, Version};
use crate::model::store::{Activity, Intent, Phase, Stored, WorkerRecord};
use crate::model::time::{Instant, Millis};

/// What this host knows of a worker's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// As it was last read or written; `None`: it could not be read yet.
    pub stored: Option<Stored>,
    /// When this version was first seen. A lease ages from here, by this host's own clock.
    pub seen_at: Instant,
    /// When it was last known to have this version still.
    pub read_at: Instant,
    /// The write under way.
    pub writing: Option<Writing>,
    /// Whether there is more to write once the write under way has ended.
    pub dirty: bool,
    /// Whether a write was not answered: it may stand in the store all the same, so the record is read again.
    pub in_doubt: bool,
    /// Failed calls to the store in a row.
    pub failures: u32,
    /// When the lease is to be renewed.
    pub renew_at: Option<Instant>,
}

/// A write of the record that has not been answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// What the record will be.
    pub record: WorkerRecord,
    /// The decision whose mutation waits for it.
    pub waiting: Option<DecisionId>,
    /// When it was sent.
    pub since: Instant,
}

/// Who may act for a worker, as far as this host can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The record could not be read, so nobody knows.
    Unknown,
    /// Nobody holds it, or only one who cannot be alive any more.
    Free,
    /// This host does.
    Ours,
    /// Another host does; until then it cannot be called stale.
    Theirs {
        /// Who.
        host: HostId,
        /// When this host will have seen it unchanged for the lease's length.
        stale_at: Instant,
    },
}

impl RecordView {
    /// A record as it was read at the start; `None` where the store did not answer.
    pub fn new(stored: Option<Stored>) -> Self {
        Self {
            stored,
            seen_at: Instant::default(),
            read_at: Instant::default(),
            writing: None,
            dirty: false,
            in_doubt: false,
            failures: 0,
            renew_at: None,
        }
    }

    /// Who may act. `is_shared`: whether other hosts write the same store; where none does, a lease of
    /// somebody else is of an earlier life and void. A lease is stale when the record was seen unchanged
    /// for its whole length *by this host's clock*: no two clocks are compared.
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

    /// Whether a write is under way, or follows the one that has just ended.
    pub fn is_being_written(&self) -> bool {
        self.writing.is_some() || self.dirty
    }

    /// The version the next write replaces.
    pub fn version(&self) -> Version {
        self.stored
            .as_ref()
            .map_or(Version::default(), |stored| stored.version)
    }

    /// The epoch of the record in the store.
    pub fn epoch(&self) -> Epoch {
        self.stored
            .as_ref()
            .map_or(Epoch::default(), |stored| stored.record.epoch)
    }

    /// What was refreshed beside the record, as last read.
    pub fn activity(&self) -> Activity {
        self.stored
            .as_ref()
            .map_or(Activity::default(), |stored| stored.activity)
    }
}

impl WorkerFacts {
    /// The record as it should stand in the store. Whoever has an intent holds the lease until its
    /// outcome is written too; without one there is nothing to hold it for.
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
            last_error: self.last_failure.as_ref().map(Failure::to_recorded),
            credential: self.credential.clone(),
            register_error: self.register_error.clone(),
            paused: self.paused.clone(),
            restart: self.restart.clone(),
            draining: self.draining.clone(),
        }
    }

    /// Whether the record in the store counts the worker as running, so that its activity is taken.
    pub(crate) fn is_recorded_running(&self) -> bool {
        let stored = self.record.stored.as_ref();
        stored.is_some_and(|stored| stored.record.phase == Phase::Running)
    }

    fn phase(&self) -> Phase {
        use MutationKind::{Launch, Start, Stop, Terminate, WritePointer};
        let kind = self.intent.as_ref().map(|intent| intent.mutation.kind());
        match kind {
            Some(Launch | Start) => return Phase::Provisioning,
            Some(Stop | Terminate) if self.ends_adopted() => return Phase::Ending,
            // Ending an orphan says nothing of the worker's own instance.
            Some(Stop | Terminate | WritePointer) | None => {}
        }
        match (&self.adopted, self.adopted_known()) {
            (None, _) => Phase::Absent,
            // The reading may be of before its start.
            (Some(_), Some(known))
                if known.instance.state.is_down() && self.start_settles_since().is_none() =>
            {
                Phase::Absent
            }
            (Some(_), _) => Phase::Running,
        }
    }

    /// Whether the intent is about the instance that embodies the worker, or may.
    fn ends_adopted(&self) -> bool {
        let ended = self
            .intent
            .as_ref()
            .and_then(|intent| intent.mutation.instance());
        self.adopted
            .as_ref()
            .is_none_or(|adopted| Some(&adopted.id) == ended)
    }

    /// Takes over what the store says: who embodies the worker, and what is under way. What this host meant to write and
    /// could not is given up. An intent that stands there is nobody's mutation in flight until it is recovered, unless
    /// this host has sent it and waits for the answer. The activity stays what is known of it, if anything is:
    /// [`activity_as_read`](Self::activity_as_read) says what a reading adds.
    pub(crate) fn fold(&mut self, stored: Stored) {
        let record = &stored.record;
        // Each holder of the lease has epochs of its own, so nobody else has the same intent.
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
        self.restart.clone_from(&record.restart);
        self.draining.clone_from(&record.draining);
        if !is_awaited {
            self.leave(record.intent.as_ref());
        }
        if let (Some(error), None) = (&record.last_error, &self.last_failure) {
            self.last_failure = Some(Failure::recorded(error));
        }
        let known = self.record.stored.as_ref().map(|known| known.activity);
        self.record.stored = Some(Stored {
            activity: known.unwrap_or(stored.activity),
            ..stored
        });
    }

    /// Waits for nothing any more; this intent is what is left to be recovered.
    fn leave(&mut self, intent: Option<&Intent>) {
        let was_under_way = self.in_flight.take();
        if was_under_way.is_some_and(|it| it.kind == MutationKind::WritePointer) {
            // What it was to say is not sure to be said.
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
    /// A mutation that somebody intended, and of which this host has sent nothing.
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
