//! What happened in a step, as flows hear it: the event after it is folded into the facts, and the
//! news of other flows. Nothing here calls anything.

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
use crate::model::store::{Refresh, StoreError};
use crate::model::time::{Instant, Millis};

/// One piece of news for the flows.
#[derive(Clone, Debug)]
pub(crate) enum Happened {
    /// The host starts.
    Started,
    /// A request arrived.
    Asked { request: RequestId, what: Request },
    /// The sender of a request has disconnected.
    Gone(RequestId),
    /// Callers got the address of this instance from the published route.
    HandedOut { instance: InstanceId, count: u64 },
    /// The door for boxes turned connections away.
    BoxTurnedAway,
    /// A probe ended.
    Probed {
        instance: InstanceId,
        asked_at: Instant,
        result: Probed,
    },
    /// EC2's status checks were read; `Ok(None)` if the answer lacks this instance.
    StatusChecksRead {
        instance: InstanceId,
        asked_at: Instant,
        checks: Result<Option<StatusChecks>, String>,
    },
    /// The cloud answered a query of this worker; the reading is in the facts.
    Queried {
        query: Query,
        asked_at: Instant,
        result: Result<Reading, CloudError>,
    },
    /// A tag scan of the pool ended. Without an error the scan was complete and is in the facts.
    Scanned {
        asked_at: Instant,
        error: Option<CloudError>,
    },
    /// A policy answered.
    Decided {
        decision: DecisionId,
        made: Box<Decision>,
    },
    /// The record was read and is in the facts, or could not be read.
    RecordRead {
        asked_at: Instant,
        result: Result<ReadEnd, StoreError>,
        /// After an error, the pause before the record is read again.
        pause: Millis,
    },
    /// A write of the record ended; the facts show the result.
    Written(WriteEnd),
    /// A refresh of the activity ended; the facts show the result.
    Refreshed {
        request: RequestId,
        refresh: Refresh,
        outcome: ReportOutcome,
    },
    /// A mutation of this host ended; its outcome is in the facts.
    Concluded(Concluded),
    /// A timer ran out.
    TimerFired(WorkerTimer),
    /// The health flow asks for a restart, as any program does. No sender waits for the response.
    RestartWanted(RestartRequest),
    /// The worker is to move to this instance, which a person has made its pointer name. No sender
    /// waits for the response.
    MoveWanted(InstanceId),
    /// The command flow begins a command that asks for a restart.
    RestartCommanded {
        /// The command's decision.
        decision: DecisionId,
        request: RestartRequest,
        /// The choice of the `debounce` policy; `None` if it was not asked.
        choice: Option<Choice>,
    },
    /// The restart flow has taken that command over.
    RestartTaken(Taken),
    /// A command has taken effect: its write is durable.
    CommandDone(CommandOutcome),
    /// An unfinished intent of another host or life was finished or dropped.
    LeftBehindEnded,
    /// A launch ended without an answer.
    LaunchSettled,
    /// A restart has begun, so earlier signals belong to another life.
    RestartBegun,
    /// A flow wants a pass to read the worker from the cloud, if none is under way.
    PassWanted,
    /// A pass ended with an address, and callers got it.
    CallersServed,
}

/// The answer of the restart flow to a command that asks for a restart.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    /// The `debounce` policy is asked first.
    Decides(DecisionId),
    /// The outcome of the command; it counts when it is durable.
    Ends(Result<CommandOutcome, Refused>),
}

/// The end of a write of the record.
#[derive(Clone, Debug)]
pub(crate) enum WriteEnd {
    /// No write was under way.
    Unknown,
    /// The write is in the store.
    Written,
    /// Another host wrote the record first; the facts show that host's record.
    Lost,
    /// The worker was in use, so the write was refused and the instance is not ended.
    InUse,
    /// A renewal was not answered. A mutation in flight stays in flight.
    NotRenewed(StoreError),
    /// Whether the record was written is not known. The changes are dropped, and the record is read
    /// again after the pause.
    InDoubt { error: StoreError, pause: Millis },
}

/// The end of a reading of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// A write is under way; its answer is newer than the reading.
    Overtaken,
    /// The record has the version that this host knew.
    Unchanged,
    /// Another host has written the record.
    News,
}

/// The provider's answer to a stop, a termination or a reboot.
#[derive(Clone, Debug)]
pub(crate) struct EndOutcome {
    pub(crate) instance: InstanceId,
    /// The decision that the act rests on.
    pub(crate) decision: DecisionId,
    /// `Ok`: the provider accepted it.
    pub(crate) result: Result<(), CloudError>,
}

impl EndOutcome {
    /// The refusal, if the provider refuses the end until something outside the host changes.
    pub(crate) fn refused_for_good(&self) -> Option<&CloudError> {
        let error = self.result.as_ref().err();
        error.filter(|error| error.kind.is_for_good())
    }
}

/// The end of a mutation.
#[derive(Clone, Debug)]
pub(crate) enum Concluded {
    /// The outcome is in the facts.
    Taken,
    /// A stop, termination or reboot was accepted, refused or not answered.
    Ended(EndOutcome),
    /// A launch was refused because an earlier try was carried out. Its intent stays, and the host
    /// searches for the instance.
    CarriedOutBefore(CloudError),
}
