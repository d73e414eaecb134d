//! The simulated cloud: instances with real lifecycles, tags, pointers and launch tokens, on a
//! clock that the caller moves. Everything it draws comes from its seed.
//!
//! Modelled after docs/aws-facts.md: an instance is `pending` for a while, then `running`, and its
//! addresses follow after that; stopping takes time; a terminated instance stays visible for an
//! hour; a launch token answers a replay with the first launch's instance. A Fargate task is an
//! instance that can only be ended, is seen through its cluster alone, and whose token is forgotten
//! with it.

mod calls;
mod demand;
mod draws;
mod health;
mod launch;
mod life;
mod trouble;

use std::collections::{BTreeMap, VecDeque};

use draws::Draws;
pub use health::Ailment;
use launch::Launch;
pub use life::{Boot, SimInstance};
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::{Compute, Ending};
use reeve_core::id::{InstanceId, LaunchToken, PointerName, Region};
use reeve_core::instance::InstanceState;
use reeve_core::time::{Instant, Millis};
pub use trouble::{Asked, Trouble};

/// A cloud in memory.
#[derive(Clone, Debug)]
pub struct World {
    now: Instant,
    instances: BTreeMap<InstanceId, SimInstance>,
    pointers: BTreeMap<PointerName, String>,
    launches: BTreeMap<LaunchToken, Launch>,
    launched: u32,
    next_boot: Option<Boot>,
    next_stop: Option<Millis>,
    faults: VecDeque<Fault>,
    trouble: Trouble,
    ailments: health::Ailments,
    draws: Draws,
    happened: Vec<Happening>,
}

/// Something that goes wrong with one mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of mutation it befalls; others pass before it.
    pub kind: MutationKind,
    /// Whether the mutation is carried out all the same: a reply that is lost after the effect.
    pub carried_out: bool,
    /// What the caller gets instead of the reply.
    pub error: CloudErrorKind,
    /// The provider's code.
    pub code: &'static str,
}

/// Something an onlooker of the cloud would see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Instant,
    /// Of which instance.
    pub id: InstanceId,
    /// What.
    pub what: What,
}

/// What an onlooker sees of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It came into being.
    Launched,
    /// A stopped one was started.
    Started,
    /// It was told to stop.
    StopRequested,
    /// It was told to terminate.
    TerminateRequested,
    /// It changed its state.
    State(InstanceState),
    /// Its addresses were assigned.
    Addressed,
}

impl World {
    /// An empty cloud at this instant.
    pub fn new(seed: u64, now: Instant) -> Self {
        Self {
            now,
            instances: BTreeMap::new(),
            pointers: BTreeMap::new(),
            launches: BTreeMap::new(),
            launched: 0,
            next_boot: None,
            next_stop: None,
            faults: VecDeque::new(),
            trouble: Trouble::default(),
            ailments: health::Ailments::default(),
            draws: Draws::new(seed),
            happened: Vec::new(),
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock; instances change as their time comes. The clock never goes back.
    pub fn advance(&mut self, now: Instant) {
        /// A terminated instance is shown for about an hour (EC2 user guide, "Terminate your
        /// instance"), a stopped task for at least one (ECS API reference, DescribeTasks).
        const TERMINATED_SHOWN: Millis = Millis::from_secs(3600);
        self.now = self.now.max(now);
        let mut happened = Vec::new();
        for instance in self.instances.values_mut() {
            instance.advance(self.now, &mut happened);
        }
        happened.sort_by_key(|happening| happening.at);
        self.happened.extend(happened);
        self.instances.retain(|_, instance| {
            instance.state != InstanceState::Terminated
                || self.now.since(instance.state_since) < TERMINATED_SHOWN
        });
    }

    /// When the next instance changes by itself.
    pub fn next_change(&self) -> Option<Instant> {
        self.instances
            .values()
            .filter_map(SimInstance::next_change)
            .min()
    }

    /// What happened since this was last called, oldest first.
    pub fn take_happened(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happened)
    }

    /// How the next launched or started instance boots, instead of what would be drawn.
    pub fn next_boot(&mut self, boot: Boot) {
        self.next_boot = Some(boot);
    }

    /// How long the next instance takes to stop or to terminate, instead of what would be drawn.
    pub fn next_stop(&mut self, length: Millis) {
        self.next_stop = Some(length);
    }

    /// Lets one mutation go wrong; faults of the same kind befall it in the order they were given.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    /// Puts an instance there that something else than reeve launched, with this boot.
    pub fn launch_elsewhere(&mut self, id: &str, tag: (&str, &str), boot: Boot) -> InstanceId {
        let id = InstanceId::from(id);
        let tags = BTreeMap::from([(tag.0.to_owned(), tag.1.to_owned())]);
        self.insert(id.clone(), Compute::Ec2, tags, boot);
        id
    }

    /// The same, with further tags.
    pub fn launch_tagged(
        &mut self,
        id: &str,
        tag: (&str, &str),
        more: &[(&str, &str)],
    ) -> InstanceId {
        let id = InstanceId::from(id);
        let all = std::iter::once(&tag).chain(more);
        let tags = all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.insert(id.clone(), Compute::Ec2, tags.collect(), Boot::instant());
        id
    }

    /// Puts a Fargate task into a cluster that something else than reeve ran, with these tags and
    /// this boot.
    pub fn run_elsewhere(
        &mut self,
        id: &str,
        cluster: &str,
        tags: &[(&str, &str)],
        boot: Boot,
    ) -> InstanceId {
        let id = InstanceId::from(id);
        let compute = Compute::Fargate {
            cluster: cluster.to_owned(),
        };
        let tags = tags.iter();
        let tags = tags.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.insert(id.clone(), compute, tags.collect(), boot);
        id
    }

    /// Puts an instance there that was stopped long ago.
    pub fn place_stopped(&mut self, id: &str, tag: (&str, &str)) -> InstanceId {
        let id = self.launch_elsewhere(id, tag, Boot::instant());
        self.advance(self.now);
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.place(InstanceState::Stopped, self.now);
        }
        self.happened.clear();
        id
    }

    /// Writes a pointer as something else than reeve would.
    pub fn place_pointer(&mut self, name: &PointerName, value: &str) {
        self.pointers.insert(name.clone(), value.to_owned());
    }

    /// What a pointer says, as stored.
    pub fn pointer(&self, name: &PointerName) -> Option<&str> {
        self.pointers.get(name).map(String::as_str)
    }

    /// Stops an instance as something else than reeve would.
    pub fn stop_elsewhere(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get(id) else {
            // An onlooker's stop of what is not there is without effect.
            return;
        };
        let compute = instance.compute.clone();
        let (region, id, clear_pointer) = (Region::from(""), id.clone(), None);
        let mutation = match compute.ending(Ending::Stop) {
            Ending::Stop => Mutation::Stop {
                region,
                compute,
                id,
                clear_pointer,
            },
            Ending::Terminate => Mutation::Terminate {
                region,
                compute,
                id,
                clear_pointer,
            },
        };
        // One that is down already stays as it is.
        let _ = self.carry_out(&mutation);
    }

    /// Takes an instance back, as the provider does with one that was let on the spot market.
    pub fn reclaim(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        let mutation = Mutation::Terminate {
            region: Region::from(""),
            compute: instance.compute.clone(),
            id: id.clone(),
            clear_pointer: None,
        };
        // One that is gone already stays gone.
        let _ = self.carry_out(&mutation);
    }

    /// The instance that a launch token has made.
    pub fn launched_by(&self, token: &LaunchToken) -> Option<&InstanceId> {
        self.launches.get(token).map(|launch| &launch.id)
    }

    /// One instance.
    pub fn instance(&self, id: &InstanceId) -> Option<&SimInstance> {
        self.instances.get(id)
    }

    /// The instances, in the order of their ids.
    pub fn instances(&self) -> impl Iterator<Item = &SimInstance> {
        self.instances.values()
    }

    /// Counts a request that reached an instance.
    pub fn invoke(&mut self, id: &InstanceId) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.invocations.push(self.now);
        }
    }

    fn insert(
        &mut self,
        id: InstanceId,
        compute: Compute,
        tags: BTreeMap<String, String>,
        boot: Boot,
    ) {
        self.launched += 1;
        let (number, now) = (self.launched, self.now);
        let instance = SimInstance::booting(id.clone(), compute, tags, boot, number, now);
        self.happen(&id, What::Launched);
        self.instances.insert(id, instance);
    }

    fn happen(&mut self, id: &InstanceId, what: What) {
        self.happened.push(Happening {
            at: self.now,
            id: id.clone(),
            what,
        });
    }
}
