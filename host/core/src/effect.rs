//! What the shell is to do: the only way anything gets out of the core. Effects are carried out in
//! order; a journal record stands before the mutation it announces.

use serde::{Deserialize, Serialize};

use crate::event::{Asker, Timer};
use crate::guard::Permit;
use crate::model::cloud::Query;
use crate::model::health::Target;
use crate::model::id::{DecisionId, InstanceId, PoolName, RequestId, WorkerId};
use crate::model::journal::Record;
use crate::model::notice::Notice;
use crate::model::point::Input;
use crate::model::response::{Response, Route};
use crate::model::store::{Touch, Write};
use crate::model::time::Instant;

/// Something to do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Ask the cloud; answer with [`Event::queried`](crate::event::Event::queried).
    Query {
        /// For whom.
        asker: Asker,
        /// What.
        query: Query,
    },
    /// Ask the instance how it is; answer with [`Probed`](crate::event::WorkerEvent::Probed), whatever happens.
    Probe {
        /// Whose it is.
        worker: WorkerId,
        /// Which instance.
        instance: InstanceId,
        /// When it is asked for; comes back with the answer, which is known by it.
        asked_at: Instant,
        /// Where, and what.
        target: Target,
    },
    /// Ask the policy bound to the input's point in this pool; answer with
    /// [`Decided`](crate::event::WorkerEvent::Decided).
    Decide(Question),
    /// Make this durable before the next effect.
    Journal(Record),
    /// Read the worker's record; answer with [`RecordRead`](crate::event::WorkerEvent::RecordRead).
    ReadRecord(WorkerId),
    /// Write the worker's record; answer with [`Committed`](crate::event::WorkerEvent::Committed). If it was
    /// written, and only then, do what is permitted and answer with
    /// [`Mutated`](crate::event::WorkerEvent::Mutated): the cloud is changed by no other effect.
    Commit {
        /// The record.
        write: Box<Write>,
        /// What waits for it.
        then: Option<Permit>,
    },
    /// Refresh the worker's activity; answer with [`Touched`](crate::event::WorkerEvent::Touched).
    Touch {
        /// Whose.
        worker: WorkerId,
        /// Who waits for it.
        request: RequestId,
        /// What.
        touch: Touch,
    },
    /// Wake the core up at this instant, with the event that the timer [is](crate::event::Event::from).
    Timer {
        /// When.
        at: Instant,
        /// Which.
        timer: Timer,
    },
    /// Answer a request. Each is answered once; what a command changed is durable by then.
    Respond {
        /// The worker that the request is about.
        worker: WorkerId,
        /// The request.
        request: RequestId,
        /// The response, of the request's kind.
        response: Response,
    },
    /// From now on answer resolves of this worker with this route, until it expires.
    Publish(Route),
    /// Stop doing so at once.
    Withdraw(WorkerId),
    /// Log it and count it.
    Notice(Notice),
}

/// A question to a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The worker it is about.
    pub worker: WorkerId,
    /// The pool whose slot answers.
    pub pool: PoolName,
    /// The decision's id, to be sent back with the answer.
    pub decision: DecisionId,
    /// The whole input but the settings, which the slot fills in.
    pub input: Input,
}
