//! One worker of a host: its facts, and the flows that look after it.

use std::ops::Deref;

use crate::facts::{Facts, Remembered, WorkerFacts};
use crate::flow::Flows;
use crate::model::id::{InstanceId, WorkerId};
use crate::model::point::reap;
use crate::model::spec::{PoolSpec, WorkerSpec};
use crate::model::time::Instant;

pub use crate::facts::{
    ActivityStatus, HealthStatus, InstanceStatus, RecordStatus, RegistrationStatus, RestartStatus,
    SignalStatus, WaitStatus, WorkerStatus,
};

/// One worker. Its facts can be read through it.
#[derive(Clone, Debug)]
pub struct Worker {
    pub(crate) facts: Facts,
    pub(crate) flows: Flows,
}

impl Worker {
    /// A worker of which nothing is known but what the store and the journal remember.
    pub(crate) fn new(
        id: WorkerId,
        spec: WorkerSpec,
        pool: PoolSpec,
        remembered: Remembered,
    ) -> Self {
        let facts = WorkerFacts::new(id, spec, pool, remembered);
        Self {
            facts: Facts::new(facts),
            flows: Flows::default(),
        }
    }

    /// The worker as people see it at `now`.
    pub fn status(&self, now: Instant) -> WorkerStatus {
        let flows = self.flows.status(&self.facts, now);
        self.facts.status(now, flows)
    }

    /// What `reap` would be told of this instance at `now`; `None` when it is not known.
    pub fn reap_input(&self, now: Instant, id: &InstanceId) -> Option<reap::Input> {
        self.facts.reap_input(now, id, self.flows.reap_memo(id))
    }
}

impl Deref for Worker {
    type Target = WorkerFacts;

    fn deref(&self) -> &WorkerFacts {
        &self.facts
    }
}
