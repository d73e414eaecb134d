//! What happened in a step, as the flows hear it: the event once it is in the facts, and what flows did that concerns others.
//! Nothing here calls anything.

use crate::event::WorkerTimer;
use crate::model::boxes::ReportOutcome;
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::decision::Decision;
use crate::model::health::{Probed, StatusChecks};
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::operator::{CommandOutcome, Refused};
use crate::model::point::debounce::Choice;
use crate::model::request::Request;
use crate::model::restart::RestartRequest;
use crate::model::store::{StoreError, Touch};
use crate::model::time::{Instant, Millis};

/// Something that flows hear of.
#[derive(Clone, Debug)]
pub(crate) enum Happened {
    /// The host begins to work.
    Started,
    /// A request came.
    Asked { request: RequestId, what: Request },
    /// The sender of a request is gone.
    Gone(RequestId),
    /// Callers got the address of this instance from the published route.
    HandedOut(InstanceId),
    /// The door for boxes turned connections away.
    BoxTurnedAway,
    /// A probe came to an end.
    Probed {
        instance: InstanceId,
        asked_at: Instant,
        result: Probed,
    },
    /// EC2's status checks were read; `Ok(None)`: the answer says nothing of this instance.
    StatusChecksRead {
        instance: InstanceId,
        asked_at: Instant,
        checks: Result<Option<StatusChecks>, String>,
    },
    /// The cloud answered a query of this worker, and what it said is in the facts.
    Queried {
        query: Query,
        asked_at: Instant,
        result: Result<Reading, CloudError>,
    },
    /// A tag scan of the pool ended; without an error it was complete, and is in the facts.
    Scanned {
        asked_at: Instant,
        error: Option<CloudError>,
    },
    /// A policy answered.
    Decided {
        decision: DecisionId,
        made: Decision,
    },
    /// The record was read, and is in the facts; or it could not be.
    RecordRead {
        asked_at: Instant,
        result: Result<ReadEnd, StoreError>,
        /// After an error, when the record is read again.
        pause: Millis,
    },
    /// A write of the record ended, and the facts are as it left them.
    Written(WriteEnd),
    /// A refresh of the activity ended, and is in the facts.
    Refreshed {
        request: RequestId,
        refresh: Touch,
        outcome: ReportOutcome,
    },
    /// A mutation of this host ended, and its outcome is in the facts.
    Concluded(Concluded),
    /// A timer ran out.
    TimerFired(WorkerTimer),
    /// The health flow asks for a restart, as any program does. No sender waits for the response.
    RestartWanted(RestartRequest),
    /// The command flow has come to a command that asks for a restart.
    RestartCommanded {
        /// The command's decision.
        decision: DecisionId,
        request: RestartRequest,
        /// What the `debounce` policy has said of it; `None`: it was not asked.
        choice: Option<Choice>,
    },
    /// The restart flow has taken that command in.
    RestartTaken(Taken),
    /// A command has taken effect: its write is durable.
    CommandDone(CommandOutcome),
    /// An intent that was left behind was finished or given up.
    LeftBehindEnded,
    /// A launch came to its end without an answer.
    LaunchSettled,
    /// A restart has begun: what was seen of the worker before is of another life.
    RestartBegun,
    /// The worker is to be looked at in the cloud, if no pass does so already.
    LookWanted,
    /// A pass ended with an address, and callers got it.
    CallersServed,
}

/// What the restart flow makes of a command that asks for a restart.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    /// The `debounce` policy is asked first.
    Decides(DecisionId),
    /// This is its outcome, once it is durable.
    Ends(Result<CommandOutcome, Refused>),
}

/// The end of a write of the record.
#[derive(Clone, Debug)]
pub(crate) enum WriteEnd {
    /// No write was under way.
    Unknown,
    /// It is in the store.
    Written,
    /// Another host wrote the record in between; the worker is as that host left it.
    Lost,
    /// The worker came into use: the write is given up, and so is the end of the instance.
    InUse,
    /// A renewal was not answered. What was sent is under way all the same.
    NotRenewed(StoreError),
    /// Whether it was written is not known: it is given up, and the record is read again after the pause.
    InDoubt { error: StoreError, pause: Millis },
}

/// The end of a reading of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// A write is under way, whose answer will say more, and later.
    Overtaken,
    /// It says what this host knew.
    Known,
    /// Another host has written it.
    News,
}

/// The end of a mutation.
#[derive(Clone, Debug)]
pub(crate) enum Concluded {
    /// It is in the facts.
    Taken,
    /// The end of this instance was carried out, or refused.
    Ended(InstanceId),
    /// A launch was refused because an earlier try of it was carried out: its intent stands, and the instance is to be
    /// found.
    CarriedOutBefore(CloudError),
}
