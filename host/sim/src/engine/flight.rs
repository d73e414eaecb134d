//! Calls, results and events in flight between hosts and their surroundings, and their queue.

use std::collections::BTreeMap;

use reeve_core::boxes::Statement;
use reeve_core::cloud::{CloudError, Mutation, Outcome, Query};
use reeve_core::event::{Asker, Event, WorkerEvent};
use reeve_core::guard::Permit;
use reeve_core::id::{DecisionId, Epoch, HostId, RequestId, WorkerId};
use reeve_core::request::Request;
use reeve_core::store::{Committed, Refresh, StoreError, Write};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::Secret;

/// One life of a host: from a start of the process to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life {
    pub(crate) host: usize,
    pub(crate) life: u32,
}

impl Life {
    /// The name of this life in leases and traces.
    pub(crate) fn id(self) -> HostId {
        HostId::new(format!("host-{}.{}", self.host + 1, self.life))
    }
}

/// An item in flight.
pub(crate) enum InFlight {
    /// An item for one life of a host.
    Host(Life, Box<ToHost>),
    /// A query for the cloud.
    Query {
        from: Life,
        asker: Asker,
        query: Query,
        asked_at: Instant,
    },
    /// A permitted mutation for the cloud.
    Mutation { from: Life, sent: Box<Sent> },
    /// A call for the store.
    Store { from: Life, call: Box<StoreCall> },
}

/// An item for a host.
#[allow(
    clippy::large_enum_variant,
    reason = "each is put into the queue in a box of its own"
)]
pub(crate) enum ToHost {
    /// An event that the core takes in unchanged.
    Event(Event),
    /// A caller asks where the worker is; the published route may answer.
    Ask {
        worker: WorkerId,
        request: RequestId,
        wait: Option<Millis>,
    },
    /// The result of a commit. The permit is for the mutation that follows a written commit.
    Committed {
        worker: WorkerId,
        result: Result<Committed, StoreError>,
        permit: Option<Permit>,
        /// Whether the intent is in the journal.
        is_journaled: bool,
        /// The true time at which the core asked for the commit.
        asked: Instant,
    },
    /// Time to collect the marks of handed-out routes.
    Collect,
}

impl ToHost {
    /// A request that the core takes in unchanged.
    pub(crate) fn asked(worker: WorkerId, request: RequestId, what: Request) -> Self {
        Self::Event(Event::of(worker, WorkerEvent::Asked { request, what }))
    }
}

/// The request that carries a statement of a box or an application. Its fresh secret depends on
/// nothing but the request's id, so that runs repeat.
pub fn statement(request: RequestId, statement: Statement) -> Request {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&request.get().to_be_bytes());
    let fresh = Secret::new(bytes);
    Request::Statement { statement, fresh }
}

/// A call to the store.
#[allow(
    clippy::large_enum_variant,
    reason = "each is put into the queue in a box of its own"
)]
pub(crate) enum StoreCall {
    /// Reads a record.
    Read { worker: WorkerId, asked_at: Instant },
    /// Writes a record.
    Commit {
        write: Box<Write>,
        permit: Option<Permit>,
        is_journaled: bool,
        asked: Instant,
    },
    /// Refreshes activity.
    Refresh {
        worker: WorkerId,
        request: RequestId,
        refresh: Refresh,
    },
}

/// A mutation in flight.
pub(crate) struct Sent {
    pub(crate) worker: WorkerId,
    pub(crate) decision: DecisionId,
    pub(crate) epoch: Epoch,
    pub(crate) mutation: Mutation,
}

impl Sent {
    /// Takes the mutation out of a permit.
    pub(crate) fn of(permit: Permit) -> Self {
        Self {
            worker: permit.worker().clone(),
            decision: permit.decision(),
            epoch: permit.epoch(),
            mutation: permit.into_mutation(),
        }
    }

    /// The event that tells the outcome to the host that sent the mutation.
    pub(crate) fn into_outcome(self, result: Result<Outcome, CloudError>) -> ToHost {
        let what = WorkerEvent::Mutated {
            decision: self.decision,
            mutation: self.mutation,
            result,
        };
        ToHost::Event(Event::of(self.worker, what))
    }
}

/// Items in the order of their times. Items of the same time keep the order in which they were put
/// in.
pub(crate) struct Queue<T> {
    due: BTreeMap<(Instant, u64), T>,
    sequence: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            sequence: 0,
        }
    }
}

impl<T> Queue<T> {
    pub(crate) fn put(&mut self, at: Instant, due: T) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), due);
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first item, if it is due at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> Option<T> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
