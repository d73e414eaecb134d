//! The rig of these tests: hosts in the engine without faults, with the time, the world and the
//! store in the test's hands.

pub(crate) mod boxes;
pub(crate) mod clock;
pub(crate) mod desk;
pub(crate) mod estate;
pub(crate) mod policies;
pub(crate) mod prelude;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::demand::DemandReading;
use reeve_core::event::WorkerEvent;
use reeve_core::facts::{WorkerFacts, WorkerStatus};
use reeve_core::fleet::Fleet;
use reeve_core::id::{InstanceId, RequestId};
use reeve_core::journal::Entry;
use reeve_core::notice::{Notice, Step};
use reeve_core::operator::{Command, CommandOutcome, Refused};
use reeve_core::request::Request;
use reeve_core::response::{Resolution, Response};
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::spec::FleetSpec;
use reeve_core::store::{Committed, StoreError, StoreErrorKind, Stored, WorkerRecord, Write};
use reeve_core::time::Millis;
use reeve_sim::engine::{Calm, statement};
use reeve_sim::incidents::{self, TAG};
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, World};

use clock::{BEGINS, SECOND};
use policies::Native;

/// Hosts of one worker. A verb without a number is about the first host.
pub(crate) struct Rig {
    engine: Calm,
    requests: RequestId,
    responses: BTreeMap<RequestId, Response>,
}

impl Deref for Rig {
    type Target = Calm;

    fn deref(&self) -> &Calm {
        &self.engine
    }
}

impl DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut Calm {
        &mut self.engine
    }
}

/// Rigs.
impl Rig {
    /// One host with a store of its own.
    pub(crate) fn alone() -> Self {
        Self::new(Native::sensible())
    }

    /// The same, with these policies.
    pub(crate) fn new(policies: Arc<Native>) -> Self {
        Self::with_world(World::new(1, BEGINS), policies)
    }

    /// The same, in this world.
    pub(crate) fn with_world(world: World, policies: Arc<Native>) -> Self {
        Self::with_fleet(incidents::fleet(), world, policies)
    }

    /// The same, with this configuration.
    pub(crate) fn with_fleet(spec: FleetSpec, world: World, policies: Arc<Native>) -> Self {
        let mut rig = Self::over(MemoryStore::new(false), world, policies);
        rig.add_host(spec);
        rig
    }

    /// So many hosts that share a store.
    pub(crate) fn hosts(count: usize) -> Self {
        Self::hosts_of(count, &incidents::fleet())
    }

    /// The same, with this configuration.
    pub(crate) fn hosts_of(count: usize, spec: &FleetSpec) -> Self {
        let world = World::new(1, BEGINS);
        let mut rig = Self::over(MemoryStore::new(true), world, Native::sensible());
        for _ in 0..count {
            rig.add_host(spec.clone());
        }
        rig
    }

    /// No host yet, over this store.
    pub(crate) fn over(store: MemoryStore, world: World, policies: Arc<Native>) -> Self {
        Self {
            engine: Calm::new(world, store, policies),
            requests: RequestId::default(),
            responses: BTreeMap::new(),
        }
    }
}

/// Time.
impl Rig {
    /// Lets so much time pass.
    pub(crate) fn run(&mut self, length: Millis) {
        let end = self.now() + length;
        while self.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.advance(end);
    }

    /// Lets the next thing happen.
    pub(crate) fn step(&mut self) {
        if let Some(at) = self.next_at() {
            self.advance(at);
            self.run_due();
        }
    }

    /// Ends the host, and lets its next life begin.
    pub(crate) fn restart(&mut self) {
        self.crash(0);
        self.begin(0);
    }
}

/// Requests.
impl Rig {
    /// A caller asks where the worker is. The response comes as time passes.
    pub(crate) fn ask(&mut self) -> RequestId {
        self.ask_of(0)
    }

    /// The same, of this host.
    pub(crate) fn ask_of(&mut self, host: usize) -> RequestId {
        self.request(host, Request::Resolve { wait: None })
    }

    /// A caller asks, and so much time passes, within which the response has to come.
    pub(crate) fn ask_and_run(&mut self, length: Millis) -> Resolution {
        let request = self.ask();
        self.run(length);
        let resolution = self.resolution(request);
        resolution.expect("a response within the time given")
    }

    /// A box or an application says something. The response comes as time passes.
    pub(crate) fn say(&mut self, said: Statement) -> RequestId {
        self.say_to(0, said)
    }

    /// The same, to this host.
    pub(crate) fn say_to(&mut self, host: usize, said: Statement) -> RequestId {
        let said = statement(self.requests.next(), said);
        self.request(host, said)
    }

    /// A box or an application says something, and a second passes, within which the response has
    /// to come.
    pub(crate) fn say_and_run(&mut self, said: Statement) -> Receipt {
        self.say_to_and_run(0, said)
    }

    /// The same, to this host.
    pub(crate) fn say_to_and_run(&mut self, host: usize, said: Statement) -> Receipt {
        let request = self.say_to(host, said);
        self.run(SECOND);
        self.receipt(request).expect("a receipt within a second")
    }

    /// Gives the host a command. The response comes at once, since the store and the policies
    /// answer at once.
    #[track_caller]
    pub(crate) fn command(&mut self, command: Command) -> Result<CommandOutcome, Refused> {
        self.command_to(0, command)
    }

    /// The same, to this host.
    #[track_caller]
    pub(crate) fn command_to(
        &mut self,
        host: usize,
        command: Command,
    ) -> Result<CommandOutcome, Refused> {
        let request = self.request(host, Request::Command(command));
        match self.response(request) {
            Some(Response::Command(result)) => result.clone(),
            other => panic!("no response at once: {other:?}"),
        }
    }

    /// Gives the host a command. The response comes as time passes.
    pub(crate) fn give(&mut self, command: Command) -> RequestId {
        self.request(0, Request::Command(command))
    }

    /// Makes a request to this host.
    pub(crate) fn request(&mut self, host: usize, what: Request) -> RequestId {
        self.requests = self.requests.next();
        let request = self.requests;
        self.submit(host, &incidents::worker(), request, what);
        request
    }

    /// What a caller got; `None`: the response has not come.
    pub(crate) fn resolution(&mut self, request: RequestId) -> Option<Resolution> {
        match self.response(request)? {
            Response::Resolve(resolution) => Some(resolution.clone()),
            other => panic!("not of a resolve: {other:?}"),
        }
    }

    /// What a box or an application got; `None`: the response has not come.
    pub(crate) fn receipt(&mut self, request: RequestId) -> Option<Receipt> {
        match self.response(request)? {
            Response::Statement(receipt) => Some(receipt.clone()),
            other => panic!("not of a statement: {other:?}"),
        }
    }

    fn response(&mut self, request: RequestId) -> Option<&Response> {
        let new = self.engine.take_responses();
        self.responses.extend(new);
        self.responses.get(&request)
    }

    /// The host reads that no caller has used the worker for ten minutes.
    pub(crate) fn read_no_demand(&mut self) {
        self.read_no_demand_on(0);
    }

    /// The same, on this host.
    pub(crate) fn read_no_demand_on(&mut self, host: usize) {
        let demand = DemandReading::Requests {
            count: 0,
            window: Millis::from_secs(600),
            until: self.now(),
        };
        let demand = WorkerEvent::DemandRead(Some(demand));
        self.tell(host, &incidents::worker(), demand);
    }
}

/// What a host knows, and what it did.
impl Rig {
    pub(crate) fn core(&self, host: usize) -> &Fleet {
        self.fleet(host).expect("the host is up")
    }

    pub(crate) fn worker(&self) -> &WorkerFacts {
        self.worker_of(0)
    }

    pub(crate) fn worker_of(&self, host: usize) -> &WorkerFacts {
        let worker = self.core(host).worker(&incidents::worker());
        worker.expect("the worker is configured")
    }

    pub(crate) fn status(&self) -> WorkerStatus {
        let status = self.core(0).status(&incidents::worker(), self.now());
        status.expect("the worker is configured")
    }

    /// The mutations that the host announced, in order.
    pub(crate) fn mutations(&self) -> Vec<Mutation> {
        let entries = self.journal(0).iter().map(|record| &record.entry);
        let intents = entries.filter_map(|entry| match entry {
            Entry::Intent { mutation, .. } => Some(mutation.clone()),
            _ => None,
        });
        intents.collect()
    }

    pub(crate) fn count(&self, kind: MutationKind) -> usize {
        let mutations = self.mutations();
        let of_kind = mutations.iter().filter(|mutation| mutation.kind() == kind);
        of_kind.count()
    }

    /// The host's notices of this step.
    pub(crate) fn told(&self, step: Step) -> Vec<&Notice> {
        let notices = self.notices(0).iter();
        notices.filter(|notice| notice.step == step).collect()
    }
}

/// The cloud and the store.
impl Rig {
    pub(crate) fn pointer(&self) -> Option<&str> {
        self.world.pointer(&incidents::pointer())
    }

    pub(crate) fn place_pointer(&mut self, value: &str) {
        self.world.place_pointer(&incidents::pointer(), value);
    }

    /// The instances that are up.
    pub(crate) fn up(&self) -> Vec<InstanceId> {
        let all = self.world.instances();
        let up = all.filter(|instance| instance.state.is_live());
        up.map(|instance| instance.id.clone()).collect()
    }

    /// All instances that the cloud shows.
    pub(crate) fn launched(&self) -> Vec<String> {
        let all = self.world.instances();
        all.map(|instance| instance.id.to_string()).collect()
    }

    /// The worker's record in the store.
    pub(crate) fn record(&self) -> Stored {
        let read = self.store.read_now(&incidents::worker()).unwrap();
        read.unwrap_or_default()
    }

    /// Writes the record with this change, as another host would.
    pub(crate) fn rewrite(&self, change: impl FnOnce(&mut WorkerRecord)) {
        let Stored {
            version,
            mut record,
            ..
        } = self.record();
        change(&mut record);
        let written = self.store.commit_now(&Write {
            worker: incidents::worker(),
            expected: version,
            record,
            if_idle: None,
        });
        assert!(matches!(written, Ok(Committed::Written(_))), "{written:?}");
    }

    /// One instance: adopted in the record, named by the pointer, and with nothing left to do.
    #[track_caller]
    pub(crate) fn assert_settled(&self) {
        let launched = self.launched();
        assert_eq!(launched.len(), 1, "{launched:?}");
        let record = self.record().record;
        let adopted = record.adopted.map(|adopted| adopted.id.to_string());
        assert_eq!(adopted.as_deref(), Some(launched[0].as_str()));
        assert_eq!((record.intent, record.lease), (None, None));
        assert_eq!(self.pointer(), Some(launched[0].as_str()));
    }
}

/// A world in which A is stopped and the pointer names it.
pub(crate) fn stopped_a() -> World {
    let mut world = World::new(1, BEGINS);
    world.place_stopped("i-aaaa", TAG);
    world.place_pointer(&incidents::pointer(), "i-aaaa");
    world
}

/// A world in which B runs and the pointer names it.
pub(crate) fn running_b() -> World {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    world
}

/// A person restarts the worker.
pub(crate) fn by_person() -> Command {
    Command::Restart(RestartRequest {
        cause: "operator".to_owned(),
        initiator: Initiator::Person,
        text: Some("it hangs".to_owned()),
    })
}

/// A program restarts the worker for this cause.
pub(crate) fn by_program(cause: &str) -> Command {
    Command::Restart(RestartRequest {
        cause: cause.to_owned(),
        initiator: Initiator::Program,
        text: None,
    })
}

/// An operator pauses the worker; an empty reason is none.
pub(crate) fn pause(reason: &str) -> Command {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Command::Pause { reason }
}

/// What the store answers while it is away.
pub(crate) fn outage() -> StoreError {
    StoreError {
        doing: "write the record".to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the simulation says so".to_owned(),
    }
}
