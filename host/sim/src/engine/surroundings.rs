//! The world as the calls of hosts meet it.

use std::any::Any;
use std::panic::resume_unwind;

use reeve_core::cloud::{CloudError, Outcome, Query, Reading};
use reeve_core::decision::Decision;
use reeve_core::effect::{Effect, Question};
use reeve_core::event::Event;
use reeve_core::guard::Permit;
use reeve_core::health::{Probed, Target};
use reeve_core::id::{DecisionId, InstanceId, RequestId, WorkerId};
use reeve_core::journal::Entry;
use reeve_core::notice::Notice;
use reeve_core::numbers::Block;
use reeve_core::response::{Response, Route};
use reeve_core::store::{Committed, Refresh, Refreshed, StoreError, Stored, Write};
use reeve_core::time::{Instant, Millis};

use super::{InFlight, Life, Sent, SimHost, ToHost};

/// One leg of a call, with a latency of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    ToCloud,
    ToStore,
    FromStore,
}

/// A simulated world that answers the calls of its hosts. [`Drive`](super::Drive) makes the calls. A
/// method that returns a length of time with a result sets the time until the host gets the
/// result.
pub(crate) trait Surroundings {
    /// The true time.
    fn now(&self) -> Instant;

    /// The host of this number.
    fn host(&self, number: usize) -> &SimHost;

    /// The host of this number, to change it.
    fn host_mut(&mut self, number: usize) -> &mut SimHost;

    /// Puts an item into the queue, to arrive at this time.
    fn put(&mut self, at: Instant, what: InFlight);

    /// Sends the result of a call to the life of the host that made the call.
    fn put_answer(&mut self, to: Life, after: Millis, what: ToHost) {
        let at = self.now() + after;
        self.put(at, InFlight::Host(to, Box::new(what)));
    }

    /// Whether other hosts may write to the store.
    fn store_is_shared(&self) -> bool;

    /// The latency of this leg of a call.
    fn latency(&mut self, leg: Leg) -> Millis;

    /// Answers a query.
    fn query(&mut self, query: &Query) -> (Result<Reading, CloudError>, Millis);

    /// Carries out a mutation, or refuses it. `None`: the host that sent it ended before the outcome
    /// could arrive.
    fn mutate(&mut self, from: Life, sent: &Sent) -> Option<(Result<Outcome, CloudError>, Millis)>;

    /// Probes an instance.
    fn probe(
        &mut self,
        from: Life,
        worker: &WorkerId,
        instance: &InstanceId,
        target: &Target,
    ) -> (Probed, Millis);

    /// Asks the policies.
    fn decide(&mut self, question: &Question) -> (Decision, Millis);

    /// Reads a record from the store.
    fn read(&mut self, worker: &WorkerId) -> Result<Option<Stored>, StoreError>;

    /// Writes a record; the permit is for the mutation that the write announces.
    fn commit(
        &mut self,
        from: Life,
        write: &Write,
        permit: Option<&Permit>,
    ) -> Result<Committed, StoreError>;

    /// Refreshes activity in the store.
    fn refresh(&mut self, worker: &WorkerId, refresh: Refresh) -> Result<Refreshed, StoreError>;

    /// Reserves decision ids above this one.
    fn reserve(&mut self, above: DecisionId) -> Result<Block, StoreError>;

    /// Takes an entry for a host's journal; `false`: the journal did not store the entry.
    fn journal(&mut self, number: usize, entry: &Entry) -> bool;

    /// Takes the response to a pending request.
    fn respond(&mut self, worker: &WorkerId, request: RequestId, response: Response);

    /// Takes a notice of a host.
    fn notice(&mut self, number: usize, notice: Notice);

    /// A host is about to write a record. Returns the time by which the write is delayed.
    fn before_write(&mut self, _from: Life, _write: &Write, _then: Option<&Permit>) -> Millis {
        Millis::ZERO
    }

    /// A host is about to send a mutation that its record announces. `false`: the host ended first.
    fn before_send(&mut self, _from: Life, _permit: &Permit) -> bool {
        true
    }

    /// Observes an event that a host is about to take in.
    fn observe_event(&mut self, _by: Life, _event: &Event) {}

    /// Observes the effects of a step. Returns them in the order in which [`Drive`](super::Drive)
    /// carries them out.
    fn observe_step(
        &mut self,
        _number: usize,
        _local: Instant,
        effects: Vec<Effect>,
    ) -> Vec<Effect> {
        effects
    }

    /// Observes a route that a host publishes.
    fn observe_route(&mut self, _by: Life, _route: &Route) {}

    /// Reports the panic of a core.
    fn panicked(&mut self, panic: Box<dyn Any + Send>) {
        resume_unwind(panic)
    }
}
