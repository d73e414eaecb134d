//! Events: what happened. Events are the only input of the core. An event is data without
//! judgement, and names the worker or the pool that it concerns.

use serde::{Deserialize, Serialize};

use crate::model::cloud::{CloudError, Mutation, Outcome, Query, Reading};
use crate::model::decision::Decision;
use crate::model::demand::DemandReading;
use crate::model::health::Probed;
use crate::model::id::{DecisionId, InstanceId, PoolName, RequestId, WorkerId};
use crate::model::request::Request;
use crate::model::store::{Committed, Refresh, Refreshed, StoreError, Stored};
use crate::model::time::Instant;

/// Something that happened. Its instant is given to [`Fleet::step`](crate::fleet::Fleet::step).
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "an event is moved once, from the shell into the step"
)]
pub enum Event {
    /// The host starts. This event is the first of a host's life and occurs once.
    Started,
    /// Something that concerns one worker.
    Worker {
        /// The worker. An event about a worker that is not configured has no effect.
        worker: WorkerId,
        /// What happened.
        what: WorkerEvent,
    },
    /// Something that concerns all workers of a pool.
    Pool {
        /// The pool.
        pool: PoolName,
        /// What happened.
        what: PoolEvent,
    },
}

/// Something that happened to one worker.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkerEvent {
    /// A caller, a box, an application or an operator sends a request. The core responds to each
    /// request once, with [`Effect::Respond`](crate::effect::Effect::Respond).
    Asked {
        /// The request's id, which comes back with the response.
        request: RequestId,
        /// What is asked for.
        what: Request,
    },
    /// The sender of this request has disconnected and takes no response. A command is still
    /// carried out.
    Gone(RequestId),
    /// The shell has answered resolves with the published route since the last such event.
    HandedOut {
        /// The instance whose address callers got.
        instance: InstanceId,
        /// How many callers got it.
        count: u64,
    },
    /// This host turned connections away that may have been from the worker's box, so silence until
    /// this instant proves nothing.
    BoxTurnedAway,
    /// Another program reported the worker's demand metric; `None` if the metric could not be read.
    DemandRead(Option<DemandReading>),
    /// A probe of an instance ended.
    Probed {
        /// The instance that was probed.
        instance: InstanceId,
        /// When the probe was asked for, as in the effect.
        asked_at: Instant,
        /// The result of the probe.
        result: Probed,
    },
    /// The cloud answered a query.
    Queried {
        /// The question.
        query: Query,
        /// When it was sent: the answer is at least as fresh as this.
        asked_at: Instant,
        /// The answer.
        result: Result<Reading, CloudError>,
    },
    /// A policy answered, or failed to.
    Decided {
        /// The id that the question had.
        decision: DecisionId,
        /// The answer.
        made: Decision,
    },
    /// The store answered with the worker's record.
    RecordRead {
        /// When the record was asked for. The answer is at least as fresh.
        asked_at: Instant,
        /// The record; `None` if the store has none.
        result: Result<Option<Stored>, StoreError>,
    },
    /// A write of the worker's record ended. Unless the record was written, the mutation that
    /// waited for it was not sent.
    Committed(Result<Committed, StoreError>),
    /// A refresh of the worker's activity ended.
    Refreshed {
        /// The request that the effect named.
        request: RequestId,
        /// The refresh.
        refresh: Refresh,
        /// What the store answered.
        result: Result<Refreshed, StoreError>,
    },
    /// A mutation ended.
    Mutated {
        /// The decision that the mutation rests on.
        decision: DecisionId,
        /// The mutation.
        mutation: Mutation,
        /// What the cloud answered.
        result: Result<Outcome, CloudError>,
    },
    /// A timer ran out.
    TimerFired(WorkerTimer),
}

/// Something that happened to a pool.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "an event is moved once, from the shell into the step"
)]
pub enum PoolEvent {
    /// The cloud answered a query for all workers of the pool: a scan, their demand metrics, or
    /// their status checks.
    Queried {
        /// The question.
        query: Query,
        /// When it was sent.
        asked_at: Instant,
        /// The answer.
        result: Result<Reading, CloudError>,
    },
    /// A timer ran out.
    TimerFired(PoolTimer),
}

/// The worker or the pool that asks a query; the answer goes to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// One worker.
    Worker(WorkerId),
    /// All workers of a pool.
    Pool(PoolName),
}

/// A timer that an effect set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// For one worker.
    Worker(WorkerId, WorkerTimer),
    /// For a pool.
    Pool(PoolName, PoolTimer),
}

/// The timers of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerTimer {
    /// The next probe of the worker is due.
    Probe,
    /// Begin a pass without a request, because an instance is on its way.
    Follow,
    /// Read the adopted instance again: it has no address yet.
    LookForAddress,
    /// Send an unanswered launch again, with the same token.
    ReplayLaunch,
    /// Finish or abandon an intent that no host works on, as soon as its lease is void.
    Recover,
    /// Renew the lease.
    RenewLease,
    /// The drain of an instance is over.
    Drained,
    /// Check the restart in flight.
    FollowRestart,
    /// The minute is over in which hand-outs were counted.
    HandOuts,
    /// The wait of this request ends.
    Deadline(RequestId),
}

/// The timers of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolTimer {
    /// The next scan is due.
    Scan,
    /// The demand metrics are due to be read.
    ReadDemand,
}

impl Event {
    /// Something that happened to this worker.
    pub fn of(worker: impl Into<WorkerId>, what: WorkerEvent) -> Self {
        let worker = worker.into();
        Self::Worker { worker, what }
    }

    /// The event of the cloud's answer to a query.
    pub fn queried(
        asker: Asker,
        query: Query,
        asked_at: Instant,
        result: Result<Reading, CloudError>,
    ) -> Self {
        match asker {
            Asker::Worker(worker) => Self::Worker {
                worker,
                what: WorkerEvent::Queried {
                    query,
                    asked_at,
                    result,
                },
            },
            Asker::Pool(pool) => Self::Pool {
                pool,
                what: PoolEvent::Queried {
                    query,
                    asked_at,
                    result,
                },
            },
        }
    }
}

impl From<Timer> for Event {
    fn from(timer: Timer) -> Self {
        match timer {
            Timer::Worker(worker, timer) => Self::Worker {
                worker,
                what: WorkerEvent::TimerFired(timer),
            },
            Timer::Pool(pool, timer) => Self::Pool {
                pool,
                what: PoolEvent::TimerFired(timer),
            },
        }
    }
}
