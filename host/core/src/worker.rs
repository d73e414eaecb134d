//! One worker of a host: its facts and its flows.

use std::ops::Deref;

use crate::event::WorkerEvent;
use crate::facts::{Facts, Remembered, WorkerFacts};
use crate::flow::Flows;
use crate::model::cloud::CloudError;
use crate::model::demand::{Metric, Sample};
use crate::model::health::StatusChecks;
use crate::model::id::{InstanceId, WorkerId};
use crate::model::instance::Instance;
use crate::model::point::reap;
use crate::model::spec::{PoolSpec, WorkerSpec};
use crate::model::time::Instant;
use crate::turn::Turn;

pub use crate::facts::{
    ActivityStatus, HealthStatus, InstanceStatus, RecordStatus, RegistrationStatus, RestartStatus,
    SignalStatus, WaitStatus, WorkerStatus,
};

/// One worker. It dereferences to its facts.
#[derive(Clone, Debug)]
pub struct Worker {
    facts: Facts,
    flows: Flows,
}

impl Worker {
    /// A worker about which only the store and the journal are known.
    pub(crate) fn new(
        id: WorkerId,
        fleet: String,
        spec: WorkerSpec,
        pool: PoolSpec,
        remembered: Remembered,
    ) -> Self {
        let facts = WorkerFacts::new(id, fleet, spec, pool, remembered);
        Self {
            facts: Facts::new(facts),
            flows: Flows::default(),
        }
    }

    /// Takes in the start of the host.
    pub(crate) fn on_started(&mut self, turn: &mut Turn<'_>) {
        self.flows.on_started(&mut self.facts, turn);
    }

    /// Takes in an event about this worker.
    pub(crate) fn on_event(&mut self, turn: &mut Turn<'_>, what: WorkerEvent) {
        self.flows.on_event(&mut self.facts, turn, what);
    }

    /// Takes in this worker's part of a tag scan.
    pub(crate) fn on_scan(
        &mut self,
        turn: &mut Turn<'_>,
        asked_at: Instant,
        found: Result<Vec<Instance>, CloudError>,
    ) {
        self.flows.on_scan(&mut self.facts, turn, asked_at, found);
    }

    /// Takes in a reading of EC2's status checks; `Ok(None)` if the answer lacks this worker's
    /// instance.
    pub(crate) fn on_status_checks(
        &mut self,
        turn: &mut Turn<'_>,
        asked_at: Instant,
        instance: &InstanceId,
        checks: Result<Option<StatusChecks>, CloudError>,
    ) {
        self.flows
            .on_status_checks(&mut self.facts, turn, asked_at, instance, checks);
    }

    /// Takes in the samples of the worker's demand metric, asked for at `asked_at`; `None` if the
    /// metric could not be read.
    pub(crate) fn on_demand(
        &mut self,
        asked_at: Instant,
        metric: &Metric,
        samples: Option<&[Sample]>,
    ) {
        self.facts.observe_demand(asked_at, metric, samples);
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
