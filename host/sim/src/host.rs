//! The host under test as the stage sees it. The stage makes requests, moves the clock, and
//! collects responses and lines of the timeline.

use reeve_core::demand::DemandReading;
use reeve_core::event::WorkerEvent;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::journal::Content;
use reeve_core::request::Request;
use reeve_core::response::Response;
use reeve_core::time::Instant;

use crate::engine::Calm;
use crate::timeline::Entry;
use crate::world::World;

/// A host on the stage: reeve in the engine, or the host without guarantees.
pub(crate) trait Host {
    /// The world whose instances and pointers the host manages.
    fn world(&self) -> &World;

    /// The same world, for changes by the script.
    fn world_mut(&mut self) -> &mut World;

    /// Submits a request. Its response comes with [`take_responses`](Self::take_responses).
    fn ask(&mut self, worker: &WorkerId, request: RequestId, what: Request);

    /// Gives the host a reading of the demand metric.
    fn read_demand(&mut self, worker: &WorkerId, demand: DemandReading);

    /// The time of the next change that no request causes, in the world or at the host.
    fn next_at(&self) -> Option<Instant> {
        self.world().next_change()
    }

    /// Moves the clock, and the world with it.
    fn advance(&mut self, now: Instant) {
        self.world_mut().advance(now);
    }

    /// Runs all work of the host that is due. A host that acts only on requests has none.
    fn run_due(&mut self) {}

    /// Takes the responses since the last call, oldest first.
    fn take_responses(&mut self) -> Vec<(RequestId, Response)>;

    /// How many proposals the guard has vetoed so far.
    fn vetoes(&self) -> usize {
        0
    }

    /// Takes the host's lines of the timeline since the last call.
    fn take_entries(&mut self) -> Vec<Entry>;
}

/// The stage uses the host with number 0.
impl Host for Calm {
    fn world(&self) -> &World {
        &self.world
    }

    fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    fn ask(&mut self, worker: &WorkerId, request: RequestId, what: Request) {
        self.submit(0, worker, request, what);
    }

    fn read_demand(&mut self, worker: &WorkerId, demand: DemandReading) {
        self.tell(0, worker, WorkerEvent::DemandRead(Some(demand)));
    }

    fn next_at(&self) -> Option<Instant> {
        Self::next_at(self)
    }

    fn advance(&mut self, now: Instant) {
        Self::advance(self, now);
    }

    fn run_due(&mut self) {
        Self::run_due(self);
    }

    fn take_responses(&mut self) -> Vec<(RequestId, Response)> {
        Self::take_responses(self)
    }

    fn vetoes(&self) -> usize {
        let journal = self.journal(0).iter();
        let vetoes = journal.filter(|entry| matches!(entry.content, Content::Vetoed(_)));
        vetoes.count()
    }

    fn take_entries(&mut self) -> Vec<Entry> {
        Self::take_entries(self, 0)
    }
}
