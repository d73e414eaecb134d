//! Hosts in surroundings without faults. The only faults are those that a script or a test puts into
//! the world or the store.
//!
//! Calls to the cloud take [`CALL`]. Policies and the store answer at once: the host takes in their
//! results before any other item that is due at that time.

use std::collections::VecDeque;
use std::sync::Arc;

use reeve_core::cloud::{CloudError, Mutation, Outcome, Query, Reading};
use reeve_core::decision::Decision;
use reeve_core::effect::Question;
use reeve_core::event::{Event, WorkerEvent};
use reeve_core::fleet::Fleet;
use reeve_core::guard::Permit;
use reeve_core::health::{Probed, Target};
use reeve_core::id::{DecisionId, InstanceId, RequestId, WorkerId};
use reeve_core::journal;
use reeve_core::notice::Notice;
use reeve_core::numbers::{BLOCK, Block};
use reeve_core::ports::{Policies, Store as _};
use reeve_core::request::Request;
use reeve_core::response::Response;
use reeve_core::shadow::Shadow;
use reeve_core::spec::FleetSpec;
use reeve_core::store::{Committed, Refresh, Refreshed, StoreError, Stored, Write};
use reeve_core::time::{Instant, Millis};

use super::notes::Notes;
use super::{Clock, Drive as _, InFlight, Leg, Life, Queue, Sent, SimHost, Surroundings, ToHost};
use crate::store::MemoryStore;
use crate::timeline::Entry;
use crate::world::World;

/// The duration of a call to the cloud, about that of a describe call within a region. The call
/// reaches the cloud after half of it.
const CALL: Millis = Millis::new(80);
const HALF_A_CALL: Millis = Millis::new(CALL.get() / 2);

/// Hosts, the cloud and the store that they share, and the clock.
pub struct Calm {
    /// The cloud.
    pub world: World,
    /// The records of the workers.
    pub store: MemoryStore,
    now: Instant,
    policies: Arc<dyn Policies>,
    hosts: Vec<SimHost>,
    /// What hosts in a dry run would have written; `None` if no host is in one.
    shadow: Option<Shadow>,
    outputs: Vec<Output>,
    queue: Queue<InFlight>,
    /// Results without latency, oldest first.
    at_once: VecDeque<(Life, ToHost)>,
    responses: Vec<(RequestId, Response)>,
}

/// The output of a host in all its lives.
#[derive(Default)]
struct Output {
    journal: Vec<journal::Entry>,
    notices: Vec<Notice>,
    /// How many of the notices were taken.
    taken: usize,
    notes: Notes,
}

impl Calm {
    /// Starts at the cloud's time, without hosts.
    pub fn new(world: World, store: MemoryStore, policies: Arc<dyn Policies>) -> Self {
        Self {
            now: world.now(),
            world,
            store,
            policies,
            hosts: Vec::new(),
            shadow: None,
            outputs: Vec::new(),
            queue: Queue::default(),
            at_once: VecDeque::new(),
            responses: Vec::new(),
        }
    }

    /// Starts another host with this configuration. Returns its number. With a host in a dry run,
    /// all hosts are in one.
    pub fn add_host(&mut self, spec: FleetSpec) -> usize {
        if spec.dry_run {
            self.shadow.get_or_insert_default();
        }
        let number = self.hosts.len();
        let clock = Clock::right(self.now);
        self.hosts.push(SimHost::new(number, clock, spec));
        self.outputs.push(Output::default());
        self.begin(number);
        number
    }

    /// Starts the next life of a host that ended.
    pub fn begin(&mut self, number: usize) {
        let records = self.store.read_all_now().ok();
        let (now, is_shared) = (self.now, self.store.is_shared());
        let above = self.hosts[number].last_decision();
        let block = self.reserve(above).ok();
        self.hosts[number].begin(now, is_shared, records, block);
        self.take_in(number, Event::Started);
    }

    /// Ends a host at once. Its pending work is lost.
    pub fn crash(&mut self, number: usize) {
        self.hosts[number].crash();
    }

    /// Suspends a host for this long. Events for it wait.
    pub fn pause(&mut self, number: usize, length: Millis) {
        self.hosts[number].paused_until = self.now + length;
    }

    /// The number of hosts, including those that ended.
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// The state of a host's core; `None`: the host is down.
    pub fn fleet(&self, number: usize) -> Option<&Fleet> {
        self.hosts[number].fleet.as_ref()
    }

    /// A host's journal.
    pub fn journal(&self, number: usize) -> &[journal::Entry] {
        &self.outputs[number].journal
    }

    /// A host's notices.
    pub fn notices(&self, number: usize) -> &[Notice] {
        &self.outputs[number].notices
    }

    /// Takes a host's notices since the last call.
    pub fn take_notices(&mut self, number: usize) -> Vec<Notice> {
        let output = &mut self.outputs[number];
        let begin = std::mem::replace(&mut output.taken, output.notices.len());
        output.notices[begin..].to_vec()
    }

    /// Takes a host's lines of the timeline since the last call.
    pub fn take_entries(&mut self, number: usize) -> Vec<Entry> {
        self.outputs[number].notes.take()
    }

    /// Takes the responses of all hosts since the last call, oldest first.
    pub fn take_responses(&mut self) -> Vec<(RequestId, Response)> {
        std::mem::take(&mut self.responses)
    }

    /// Submits a request to the core. Published routes answer no resolve here.
    pub fn submit(&mut self, number: usize, worker: &WorkerId, request: RequestId, what: Request) {
        self.tell(number, worker, WorkerEvent::Asked { request, what });
    }

    /// Gives a host an event of a worker.
    pub fn tell(&mut self, number: usize, worker: &WorkerId, what: WorkerEvent) {
        self.take_in(number, Event::of(worker.clone(), what));
    }

    fn take_in(&mut self, number: usize, event: Event) {
        self.send(number, ToHost::Event(event));
    }

    fn send(&mut self, number: usize, what: ToHost) {
        let life = self.hosts[number].life();
        self.reach_host(life, what);
        self.settle();
    }

    /// The present time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The time of the next item of the queue, or of the next change in the world.
    pub fn next_at(&self) -> Option<Instant> {
        let next = [self.queue.next_at(), self.world.next_change()];
        next.into_iter().flatten().min()
    }

    /// Moves the clock and the world. Items that are due for hosts wait for
    /// [`run_due`](Self::run_due).
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.world.advance(self.now);
    }

    /// Lets all items arrive that are due.
    pub fn run_due(&mut self) {
        while let Some(what) = self.queue.take(self.now) {
            self.arrive(what);
            self.settle();
        }
    }

    /// Gives the hosts their results without latency, until there are none.
    fn settle(&mut self) {
        while let Some((life, what)) = self.at_once.pop_front() {
            self.reach_host(life, what);
        }
    }
}

impl Surroundings for Calm {
    fn now(&self) -> Instant {
        self.now
    }

    fn host(&self, number: usize) -> &SimHost {
        &self.hosts[number]
    }

    fn host_mut(&mut self, number: usize) -> &mut SimHost {
        &mut self.hosts[number]
    }

    fn put(&mut self, at: Instant, what: InFlight) {
        match what {
            InFlight::Store { .. } => self.arrive(what),
            _ => self.queue.put(at, what),
        }
    }

    fn put_answer(&mut self, to: Life, after: Millis, what: ToHost) {
        match after {
            Millis::ZERO => self.at_once.push_back((to, what)),
            _ => self
                .queue
                .put(self.now + after, InFlight::Host(to, Box::new(what))),
        }
    }

    fn store_is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn latency(&mut self, leg: Leg) -> Millis {
        match leg {
            Leg::ToCloud => HALF_A_CALL,
            Leg::ToStore | Leg::FromStore => Millis::ZERO,
        }
    }

    fn query(&mut self, query: &Query) -> (Result<Reading, CloudError>, Millis) {
        let mut reading = self.world.query(query);
        if let (Some(shadow), Query::Pointer { region, name }, Ok(Reading::Pointer(real))) =
            (&self.shadow, query, &mut reading)
        {
            *real = shadow.pointer(region, name, std::mem::take(real));
        }
        (reading, HALF_A_CALL)
    }

    fn mutate(
        &mut self,
        _from: Life,
        sent: &Sent,
    ) -> Option<(Result<Outcome, CloudError>, Millis)> {
        let result = match &mut self.shadow {
            None => self.world.apply(&sent.mutation),
            Some(shadow) => shadowed(shadow, &self.world, &sent.mutation),
        };
        Some((result, HALF_A_CALL))
    }

    fn probe(
        &mut self,
        _from: Life,
        _worker: &WorkerId,
        _instance: &InstanceId,
        target: &Target,
    ) -> (Probed, Millis) {
        let (result, takes_all) = self.world.probe(target);
        let after = if takes_all { target.timeout } else { CALL };
        (result, after)
    }

    fn decide(&mut self, question: &Question) -> (Decision, Millis) {
        let made = self.policies.decide(&question.pool, question.input.clone());
        (made, Millis::ZERO)
    }

    fn read(&mut self, worker: &WorkerId) -> Result<Option<Stored>, StoreError> {
        let real = self.store.read_now(worker)?;
        Ok(match &mut self.shadow {
            None => real,
            Some(shadow) => shadow.read(worker, real),
        })
    }

    fn commit(
        &mut self,
        _from: Life,
        write: &Write,
        _permit: Option<&Permit>,
    ) -> Result<Committed, StoreError> {
        match &mut self.shadow {
            None => self.store.commit_now(write),
            Some(shadow) => Ok(shadow.commit(write, self.store.read_now(&write.worker)?)),
        }
    }

    fn refresh(&mut self, worker: &WorkerId, refresh: Refresh) -> Result<Refreshed, StoreError> {
        match &mut self.shadow {
            None => self.store.refresh_now(worker, refresh),
            Some(shadow) => Ok(shadow.refresh(worker, refresh, self.store.read_now(worker)?)),
        }
    }

    fn reserve(&mut self, above: DecisionId) -> Result<Block, StoreError> {
        if self.shadow.is_some() {
            // A dry run writes nothing.
            return Ok(Block::after(above));
        }
        self.store.reserve_now(above, BLOCK).map(Block::after)
    }

    fn journal(&mut self, number: usize, entry: &journal::Entry) -> bool {
        let output = &mut self.outputs[number];
        output.notes.add_entry(entry);
        output.journal.push(entry.clone());
        true
    }

    fn respond(&mut self, _worker: &WorkerId, request: RequestId, response: Response) {
        self.responses.push((request, response));
    }

    fn notice(&mut self, number: usize, notice: Notice) {
        let output = &mut self.outputs[number];
        output.notes.add_notice(self.now, &notice);
        output.notices.push(notice);
    }
}

/// Takes a host's mutation in a dry run. The guard lets only writes of pointers through.
#[expect(clippy::panic, reason = "the tests of dry runs must fail")]
fn shadowed(
    shadow: &mut Shadow,
    world: &World,
    mutation: &Mutation,
) -> Result<Outcome, CloudError> {
    let Mutation::WritePointer { region, name, id } = mutation else {
        panic!("in a dry run, the guard let through: {mutation:?}");
    };
    let query = Query::Pointer {
        region: region.clone(),
        name: name.clone(),
    };
    if let Reading::Pointer(real) = world.query(&query)? {
        let (region, name) = (region.clone(), name.clone());
        shadow.write_pointer(region, name, id.clone(), world.now(), real);
    }
    Ok(Outcome::Accepted)
}
