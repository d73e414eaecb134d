//! What happened: the only way anything gets into the core. Events are data without judgement.

use crate::model::boxes::Said;
use crate::model::cloud::{CloudError, Mutation, Outcome, Query, Reading};
use crate::model::decision::Decision;
use crate::model::demand::DemandReading;
use crate::model::health::Probed;
use crate::model::id::{DecisionId, InstanceId, PoolName, RequestId, WorkerId};
use crate::model::operator::Command;
use crate::model::store::{Committed, StoreError, Stored, Touch, Touched};
use crate::model::time::{Instant, Millis};
use crate::model::token::Secret;

/// Something that happened. Its instant is given to [`Fleet::step`](crate::fleet::Fleet::step).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The host begins to work; comes once, first.
    Started,
    /// Someone asks where the worker is.
    ResolveAsked {
        /// Which worker.
        worker: WorkerId,
        /// Whom to answer.
        request: RequestId,
        /// How long the caller is willing to wait; `None`: as long as one pass takes.
        wait: Option<Millis>,
    },
    /// A caller went away; nobody is to be answered.
    RequestGone {
        /// The worker that was asked for.
        worker: WorkerId,
        /// Who went away.
        request: RequestId,
    },
    /// An operator tells the host something; answered with
    /// [`Effect::Report`](crate::effect::Effect::Report).
    Operated {
        /// About which worker.
        worker: WorkerId,
        /// Whom to answer.
        request: RequestId,
        /// What.
        command: Command,
    },
    /// Answers were given from the published route since the last such event.
    HandedOut {
        /// The worker that was asked for.
        worker: WorkerId,
        /// The instance whose address was handed out.
        instance: InstanceId,
    },
    /// A box registers, or a box or an application reports.
    Said {
        /// Of which worker.
        worker: WorkerId,
        /// Whom to answer.
        request: RequestId,
        /// What.
        said: Said,
        /// Randomness for a token.
        fresh: Secret,
    },
    /// A refresh of a worker's activity came to an end.
    Touched {
        /// Whose.
        worker: WorkerId,
        /// Who waits for it.
        request: RequestId,
        /// What was to be refreshed.
        touch: Touch,
        /// What came of it.
        result: Result<Touched, StoreError>,
    },
    /// This host turned connections away that may have been the worker's box: its silence until now says nothing.
    BoxTurnedAway {
        /// Whose box.
        worker: WorkerId,
    },
    /// Somebody else read the worker's demand metric; `None`: it could not be read.
    DemandRead {
        /// The worker it is about.
        worker: WorkerId,
        /// What it said.
        demand: Option<DemandReading>,
    },
    /// A probe of an instance came to an end.
    Probed {
        /// Whose it is.
        worker: WorkerId,
        /// The instance that was asked.
        instance: InstanceId,
        /// As the effect had it.
        asked_at: Instant,
        /// What came of it.
        result: Probed,
    },
    /// The cloud answered a query.
    Queried {
        /// For whom it was asked.
        asker: Asker,
        /// What was asked.
        query: Query,
        /// When it was asked: the answer is at least as fresh as this.
        asked_at: Instant,
        /// The answer.
        result: Result<Reading, CloudError>,
    },
    /// A policy answered, or failed to.
    Decided {
        /// The worker it was asked about.
        worker: WorkerId,
        /// Which decision.
        decision: DecisionId,
        /// The answer.
        made: Decision,
    },
    /// The store answered with a worker's record, asked for at `asked_at`; `None`: there is none.
    RecordRead {
        /// Whose.
        worker: WorkerId,
        /// When it was asked for.
        asked_at: Instant,
        /// The record.
        result: Result<Option<Stored>, StoreError>,
    },
    /// A write of a worker's record came to an end. Unless it was written, the mutation that waited for
    /// it was not sent.
    Committed {
        /// Whose.
        worker: WorkerId,
        /// What came of it.
        result: Result<Committed, StoreError>,
    },
    /// A mutation came to an end.
    Mutated {
        /// The worker it was for.
        worker: WorkerId,
        /// The decision it rests on.
        decision: DecisionId,
        /// What was to be done.
        mutation: Mutation,
        /// What came of it.
        result: Result<Outcome, CloudError>,
    },
    /// A timer ran out.
    TimerFired(Timer),
}

/// For whom a query was asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// One worker.
    Worker(WorkerId),
    /// All workers of a pool: a scan, their demand metrics, or their status checks.
    Pool(PoolName),
}

/// A timer that an effect set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The pool's next scan is due.
    Scan(PoolName),
    /// The pool's demand metrics are due to be read.
    ReadDemand(PoolName),
    /// The worker's health is due to be looked at.
    Probe(WorkerId),
    /// Look at the worker again, without anybody asking: its instance is on the way.
    Follow(WorkerId),
    /// Read the adopted instance again: it has no address yet.
    LookForAddress(WorkerId),
    /// Send an unanswered launch again, with the same token.
    ReplayLaunch(WorkerId),
    /// Finish or abandon an intent that nobody works on, as soon as its lease is void.
    Recover(WorkerId),
    /// Show that the holder of the lease is alive.
    RenewLease(WorkerId),
    /// An instance that was to be reaped has been drained.
    Drained(WorkerId),
    /// Look at the restart in flight.
    FollowRestart(WorkerId),
    /// A caller's patience ends.
    Deadline(WorkerId, RequestId),
}
