//! The rig of these tests: hosts in the engine without faults, with the time, the world and the
//! store in the test's hands.

pub(crate) mod boxes;
pub(crate) mod clock;
pub(crate) mod desk;
pub(crate) mod estate;
mod observe;
pub(crate) mod policies;
pub(crate) mod prelude;
mod requests;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use reeve_core::id::RequestId;
use reeve_core::instance::TAG_FLEET;
use reeve_core::operator::Command;
use reeve_core::request::Request;
use reeve_core::response::Response;
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::spec::{FleetSpec, RestartBy};
use reeve_core::store::{StoreError, StoreErrorKind};
use reeve_core::time::Millis;
use reeve_sim::engine::Calm;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, World};

use clock::BEGINS;
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

/// The tag of an instance that the hosts' fleet launched.
pub(crate) const OURS: (&str, &str) = (TAG_FLEET, "demo");

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

/// The request with this command.
pub(crate) fn command(command: Command) -> Request {
    Request::Command {
        command,
        from: "the token of an operator".into(),
    }
}

/// A person restarts the worker.
pub(crate) fn by_person() -> Command {
    Command::Restart(RestartRequest {
        cause: "operator".to_owned(),
        initiator: Initiator::Person,
        text: Some("it hangs".to_owned()),
        kind: None,
        of: None,
        from: None,
        unknown: Default::default(),
    })
}

/// A person restarts the worker in this way.
pub(crate) fn by_person_as(kind: RestartBy) -> Command {
    Command::Restart(RestartRequest {
        cause: "operator".to_owned(),
        initiator: Initiator::Person,
        text: None,
        kind: Some(kind),
        of: None,
        from: None,
        unknown: Default::default(),
    })
}

/// A program restarts the worker for this cause.
pub(crate) fn by_program(cause: &str) -> Command {
    Command::Restart(RestartRequest {
        cause: cause.to_owned(),
        initiator: Initiator::Program,
        text: None,
        kind: None,
        of: None,
        from: None,
        unknown: Default::default(),
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
