//! What a test sees of the hosts, the cloud and the store.

use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::facts::{WorkerFacts, WorkerStatus};
use reeve_core::fleet::Fleet;
use reeve_core::id::InstanceId;
use reeve_core::journal::Content;
use reeve_core::notice::{Notice, Step};
use reeve_core::store::{Committed, Stored, WorkerRecord, Write};

use super::prelude::*;

/// What a host knows, and what it did.
impl Rig {
    pub(crate) fn core(&self, host: usize) -> &Fleet {
        self.fleet(host).expect("the host is up")
    }

    pub(crate) fn worker(&self) -> &WorkerFacts {
        self.worker_of(0)
    }

    pub(crate) fn worker_of(&self, host: usize) -> &WorkerFacts {
        let worker = self.core(host).worker(&incidents::worker());
        worker.expect("the worker is configured")
    }

    pub(crate) fn status(&self) -> WorkerStatus {
        let status = self.core(0).status(&incidents::worker(), self.now());
        status.expect("the worker is configured")
    }

    /// The mutations that the host announced, in order.
    pub(crate) fn mutations(&self) -> Vec<Mutation> {
        let entries = self.journal(0).iter().map(|entry| &entry.content);
        let intents = entries.filter_map(|entry| match entry {
            Content::Intent { mutation, .. } => Some(mutation.clone()),
            _ => None,
        });
        intents.collect()
    }

    pub(crate) fn count(&self, kind: MutationKind) -> usize {
        let mutations = self.mutations();
        let of_kind = mutations.iter().filter(|mutation| mutation.kind() == kind);
        of_kind.count()
    }

    /// The host's notices of this step.
    pub(crate) fn told(&self, step: Step) -> Vec<&Notice> {
        let notices = self.notices(0).iter();
        notices.filter(|notice| notice.step == step).collect()
    }
}

/// The cloud and the store.
impl Rig {
    pub(crate) fn pointer(&self) -> Option<&str> {
        self.world.pointer(&incidents::pointer())
    }

    pub(crate) fn place_pointer(&mut self, value: &str) {
        self.world.place_pointer(&incidents::pointer(), value);
    }

    /// The instances that are up.
    pub(crate) fn up(&self) -> Vec<InstanceId> {
        let all = self.world.instances();
        let up = all.filter(|instance| instance.state.is_live());
        up.map(|instance| instance.id.clone()).collect()
    }

    /// All instances that the cloud shows.
    pub(crate) fn launched(&self) -> Vec<String> {
        let all = self.world.instances();
        all.map(|instance| instance.id.to_string()).collect()
    }

    /// The worker's record in the store.
    pub(crate) fn record(&self) -> Stored {
        let read = self.store.read_now(&incidents::worker()).unwrap();
        read.unwrap_or_default()
    }

    /// Writes the record with this change, as another host would.
    pub(crate) fn rewrite(&self, change: impl FnOnce(&mut WorkerRecord)) {
        let Stored {
            version,
            mut record,
            ..
        } = self.record();
        change(&mut record);
        let written = self.store.commit_now(&Write {
            worker: incidents::worker(),
            expected: version,
            record,
            if_idle: None,
        });
        assert!(matches!(written, Ok(Committed::Written(_))), "{written:?}");
    }

    /// One instance: adopted in the record, named by the pointer, and with nothing left to do.
    #[track_caller]
    pub(crate) fn assert_settled(&self) {
        let launched = self.launched();
        assert_eq!(launched.len(), 1, "{launched:?}");
        let record = self.record().record;
        let adopted = record.adopted.map(|adopted| adopted.id.to_string());
        assert_eq!(adopted.as_deref(), Some(launched[0].as_str()));
        assert_eq!((record.intent, record.lease), (None, None));
        assert_eq!(self.pointer(), Some(launched[0].as_str()));
    }
}
