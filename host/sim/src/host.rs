//! What a host under test looks like to the stage: it lives in a world, takes requests, and is
//! given time.

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
    /// The world that the host lives in.
    fn world(&self) -> &World;

    /// The same, for whatever else changes the world.
    fn world_mut(&mut self) -> &mut World;

    /// Makes a request.
    fn ask(&mut self, worker: &WorkerId, request: RequestId, what: Request);

    /// Hands the host a reading of the demand metric.
    fn read_demand(&mut self, worker: &WorkerId, demand: DemandReading);

    /// When the next thing happens by itself, in the world or with the host.
    fn next_at(&self) -> Option<Instant> {
        self.world().next_change()
    }

    /// Moves the clock, and the world with it.
    fn advance(&mut self, now: Instant) {
        self.world_mut().advance(now);
    }

    /// Lets everything happen that is due. A host that acts only when it is asked has nothing due.
    fn run_due(&mut self) {}

    /// The responses since this was last called.
    fn take_responses(&mut self) -> Vec<(RequestId, Response)>;

    /// How many proposals the host has refused.
    fn vetoes(&self) -> usize {
        0
    }

    /// The host's lines of the timeline since this was last called.
    fn take_entries(&mut self) -> Vec<Entry>;
}

/// The first host of the engine.
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
