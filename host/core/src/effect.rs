//! Effects: what the shell must do. Effects are the only output of the core and are carried out in
//! order. A journal entry comes before the mutation that it announces.

use serde::{Deserialize, Serialize};

use crate::event::{Asker, Timer};
use crate::guard::Permit;
use crate::model::cloud::Query;
use crate::model::health::Target;
use crate::model::id::{DecisionId, InstanceId, PoolName, RequestId, WorkerId};
use crate::model::journal::Entry;
use crate::model::notice::Notice;
use crate::model::point::Input;
use crate::model::response::{Response, Route};
use crate::model::store::{Refresh, Write};
use crate::model::time::Instant;

/// One effect.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Read from the cloud; answer with [`Event::queried`](crate::event::Event::queried).
    Query {
        /// The worker or pool that the answer goes to.
        asker: Asker,
        /// The question.
        query: Query,
    },
    /// Probe an instance; answer with [`Probed`](crate::event::WorkerEvent::Probed) even if the
    /// probe fails.
    Probe {
        /// The worker of the instance.
        worker: WorkerId,
        /// The instance to probe.
        instance: InstanceId,
        /// When the probe was asked for. The answer carries the same instant, which identifies the
        /// probe.
        asked_at: Instant,
        /// The address and the request.
        target: Target,
    },
    /// Ask the policy bound to the input's point in this pool; answer with
    /// [`Decided`](crate::event::WorkerEvent::Decided).
    Decide(Question),
    /// Write this entry to the journal, durably before the next effect.
    Journal(Entry),
    /// Read the worker's record; answer with [`RecordRead`](crate::event::WorkerEvent::RecordRead).
    ReadRecord(WorkerId),
    /// Write the worker's record; answer with [`Committed`](crate::event::WorkerEvent::Committed).
    /// If and only if it was written, carry out the permitted mutation and answer with
    /// [`Mutated`](crate::event::WorkerEvent::Mutated). No other effect changes the cloud.
    Commit {
        /// The record.
        write: Box<Write>,
        /// The mutation that waits for the write; `None` if there is none.
        then: Option<Permit>,
    },
    /// Refresh the worker's activity; the result comes back as
    /// [`Refreshed`](crate::event::WorkerEvent::Refreshed).
    Refresh {
        /// The worker.
        worker: WorkerId,
        /// The request that waits for the refresh.
        request: RequestId,
        /// The attribute that is refreshed, with its new value.
        refresh: Refresh,
    },
    /// Wake the core at this instant, with the event that the timer
    /// [is](crate::event::Event::from).
    Timer {
        /// The instant.
        at: Instant,
        /// The timer.
        timer: Timer,
    },
    /// Respond to a request. Each request gets one response; the changes of a command are durable
    /// by then.
    Respond {
        /// The worker that the request is about.
        worker: WorkerId,
        /// The request.
        request: RequestId,
        /// The response, of the request's kind.
        response: Response,
    },
    /// Answer resolves of this worker with this route from now on, until the route expires.
    Publish(Route),
    /// Stop answering resolves of this worker with a route.
    Withdraw(WorkerId),
    /// Log this notice and count it.
    Notice(Notice),
}

/// A question to a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The worker that the question is about.
    pub worker: WorkerId,
    /// The pool whose slot answers.
    pub pool: PoolName,
    /// The id of the decision; the answer carries it.
    pub decision: DecisionId,
    /// The input without the settings, which the slot fills in.
    pub input: Input,
}
