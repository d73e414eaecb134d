//! The host under test as the stage sees it. The stage makes requests, moves the clock, and
//! collects responses and lines of the timeline.

use reeve_core::demand::DemandReading;
use reeve_core::event::WorkerEvent;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::journal::Content;
use reeve_core::notice::Notice;
use reeve_core::request::Request;
use reeve_core::response::Response;
use reeve_core::time::{Instant, Millis};

use crate::engine::Calm;
use crate::timeline::Entry;
use crate::world::World;

/// The hosts on the stage: reeve in the engine, or the one host without guarantees.
pub(crate) trait Host {
    /// The world whose instances and pointers the host manages.
    fn world(&self) -> &World;

    /// The same world, for changes by the script.
    fn world_mut(&mut self) -> &mut World;

    /// The number of hosts, each with a number from 0.
    fn count(&self) -> usize {
        1
    }

    /// Submits a request to a host. Its response comes with
    /// [`take_responses`](Self::take_responses).
    fn ask(&mut self, number: usize, worker: &WorkerId, request: RequestId, what: Request);

    /// Gives a host a reading of the demand metric.
    fn read_demand(&mut self, number: usize, worker: &WorkerId, demand: DemandReading);

    /// Ends a host at once. A host that acts only on requests has nothing to lose.
    fn crash(&mut self, _number: usize) {}

    /// Starts a host again that ended.
    fn begin(&mut self, _number: usize) {}

    /// Makes a host stand still for this long.
    fn pause(&mut self, _number: usize, _length: Millis) {}

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

    /// How many proposals the guards of the hosts have vetoed so far.
    fn vetoes(&self) -> usize {
        0
    }

    /// Takes the hosts' notices since the last call.
    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }

    /// Takes the hosts' lines of the timeline since the last call. With several hosts, each line has
    /// the number of its host.
    fn take_entries(&mut self) -> Vec<Entry>;
}

impl Host for Calm {
    fn world(&self) -> &World {
        &self.world
    }

    fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    fn count(&self) -> usize {
        self.host_count()
    }

    fn ask(&mut self, number: usize, worker: &WorkerId, request: RequestId, what: Request) {
        self.submit(number, worker, request, what);
    }

    fn read_demand(&mut self, number: usize, worker: &WorkerId, demand: DemandReading) {
        self.tell(number, worker, WorkerEvent::DemandRead(Some(demand)));
    }

    fn crash(&mut self, number: usize) {
        Self::crash(self, number);
    }

    fn begin(&mut self, number: usize) {
        Self::begin(self, number);
    }

    fn pause(&mut self, number: usize, length: Millis) {
        Self::pause(self, number, length);
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
        let hosts = 0..self.host_count();
        let journal = hosts.flat_map(|number| self.journal(number));
        let vetoes = journal.filter(|entry| matches!(entry.content, Content::Vetoed(_)));
        vetoes.count()
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        let hosts = 0..self.host_count();
        hosts
            .flat_map(|number| Self::take_notices(self, number))
            .collect()
    }

    fn take_entries(&mut self) -> Vec<Entry> {
        let count = self.host_count();
        let mut all = Vec::new();
        for number in 0..count {
            let entries = Self::take_entries(self, number);
            all.extend(entries.into_iter().map(|entry| match count {
                1 => entry,
                _ => entry.of_host(number),
            }));
        }
        all
    }
}
