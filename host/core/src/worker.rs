//! One worker of a host: its facts and its flows.

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

/// One worker. It dereferences to its facts.
#[derive(Clone, Debug)]
pub struct Worker {
    pub(crate) facts: Facts,
    pub(crate) flows: Flows,
}

impl Worker {
    /// A worker about which only the store and the journal are known.
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

    /// The worker's status at `now`.
    pub fn status(&self, now: Instant) -> WorkerStatus {
        let flows = self.flows.status(&self.facts, now);
        self.facts.status(now, flows)
    }

    /// The input that `reap` would get for this instance at `now`; `None` if the instance is not
    /// known.
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
