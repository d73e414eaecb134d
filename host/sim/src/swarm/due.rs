//! What will happen in a random world, and when: one queue for everybody.

use std::collections::BTreeMap;

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::cloud::{Mutation, Query};
use reeve_core::event::{Asker, Event};
use reeve_core::guard::Permit;
use reeve_core::id::{DecisionId, Epoch, HostId, InstanceId, RequestId, WorkerId};
use reeve_core::operator::Command;
use reeve_core::store::{Committed, StoreError, Touch, Write};
use reeve_core::time::{Instant, Millis};

use super::fault::Fault;

/// A host in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life {
    pub(super) host: usize,
    pub(super) life: u32,
}

impl Life {
    /// Its name in leases and traces.
    pub(super) fn id(self) -> HostId {
        HostId::new(format!("host-{}.{}", self.host + 1, self.life))
    }
}

/// Something that will happen.
pub(super) enum Due {
    /// Something reaches a host.
    Host(Life, Box<ToHost>),
    /// A query reaches the cloud.
    Query {
        from: Life,
        asker: Asker,
        query: Query,
        asked_at: Instant,
    },
    /// A permitted mutation reaches the cloud.
    Mutation { from: Life, sent: Box<Sent> },
    /// A call reaches the store.
    Store { from: Life, call: Box<StoreCall> },
    /// The software on an instance has something to say, maybe.
    BoxSpeaks(InstanceId),
    /// What a box was answered reaches it.
    BoxHears(RequestId, Box<Receipt>),
    /// A box that asked gives up waiting.
    BoxWaited(RequestId),
    /// A user does the next thing.
    User(usize),
    /// A caller who was told to come back does.
    CallerReturns(usize),
    /// A caller delivers to the instance that it was given.
    Delivers { user: usize, instance: InstanceId },
    /// A caller loses patience for good.
    CallerLeaves(RequestId),
    /// An operator takes a pause back.
    Resumes(WorkerId),
    /// A kind of trouble that comes by time.
    Comes(Fault),
    /// A host that was down begins another life.
    HostBegins(usize),
    /// The provider takes an instance back.
    Reclaims(InstanceId),
    /// The trouble ends.
    Calms,
    /// Whether all is well again is looked at.
    Looks,
}

/// What reaches a host.
#[allow(
    clippy::large_enum_variant,
    reason = "each is put into the queue in a box of its own"
)]
pub(super) enum ToHost {
    /// An event, for the core as it is.
    Event(Event),
    /// Somebody asks for a worker; the published route may answer.
    Ask {
        worker: WorkerId,
        request: RequestId,
        wait: Option<Millis>,
    },
    /// A box or an application says something.
    Statement {
        worker: WorkerId,
        request: RequestId,
        said: Statement,
    },
    /// Somebody gives a command.
    Operate {
        worker: WorkerId,
        request: RequestId,
        command: Command,
    },
    /// A write of a record came to an end; the permit is what waited for it.
    Committed {
        worker: WorkerId,
        result: Result<Committed, StoreError>,
        permit: Option<Permit>,
        /// Whether the intent is in the journal.
        is_journaled: bool,
        /// When the write was asked for, by the true clock.
        asked: Instant,
    },
    /// The marks of handed-out routes are collected.
    Collect,
}

/// A call to the store.
#[allow(
    clippy::large_enum_variant,
    reason = "each is put into the queue in a box of its own"
)]
pub(super) enum StoreCall {
    /// Read a record.
    Read { worker: WorkerId, asked_at: Instant },
    /// Write one.
    Commit {
        write: Box<Write>,
        permit: Option<Permit>,
        is_journaled: bool,
        asked: Instant,
    },
    /// Refresh activity.
    Touch {
        worker: WorkerId,
        request: RequestId,
        touch: Touch,
    },
}

/// A mutation on its way.
pub(super) struct Sent {
    pub(super) worker: WorkerId,
    pub(super) decision: DecisionId,
    pub(super) epoch: Epoch,
    pub(super) mutation: Mutation,
}

impl Sent {
    pub(super) fn of(permit: Permit) -> Self {
        Self {
            worker: permit.worker().clone(),
            decision: permit.decision(),
            epoch: permit.epoch(),
            mutation: permit.into_mutation(),
        }
    }
}

/// All that is due, in its order; what is due at the same time, in the order it was put in.
#[derive(Default)]
pub(super) struct Queue {
    due: BTreeMap<(Instant, u64), Due>,
    sequence: u64,
}

impl Queue {
    pub(super) fn put(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), due);
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn take(&mut self) -> Option<(Instant, Due)> {
        let ((at, _), due) = self.due.pop_first()?;
        Some((at, due))
    }
}
