//! The simulated cloud: instances with real lifecycles, tags, pointers and launch tokens, on a
//! clock that the caller moves. All random draws come from the seed of the world.
//!
//! It follows docs/aws-facts.md. An instance is `pending` for a while, then `running`, and gets its
//! addresses later. A stop takes time, and EC2 refuses it for an instance that has never run and for
//! one of a one-time Spot request. A terminated instance stays visible for an hour. A replayed
//! launch token returns the first launch's instance. A Fargate task is an instance that cannot be
//! stopped and started again. A reboot changes nothing that the cloud shows. Only its cluster shows
//! it, and ECS forgets its token with it.

mod calls;
mod demand;
mod draws;
mod health;
mod launch;
mod life;
mod trouble;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use draws::Draws;
pub use health::SoftwareFault;
use launch::Launch;
pub use life::{BOX_ROLE, Boot, SimInstance};
use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, MutationKind};
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
    pointers: BTreeMap<PointerName, Pointer>,
    launches: BTreeMap<LaunchToken, Launch>,
    /// The number of instances so far, which makes their addresses.
    launched: u32,
    /// The boot of the next launch or start; `None`: it is drawn.
    next_boot: Option<Boot>,
    /// The length of the next stop or termination; `None`: it is drawn.
    next_stop: Option<Millis>,
    /// The length of the next reboot; `None`: it is drawn.
    next_reboot: Option<Millis>,
    /// How long after the next start its instance is `stopped` again; `None`: it comes up.
    next_fall_back: Option<Millis>,
    /// Whether the launches of hosts are one-time Spot requests, as a launch template may say.
    launches_one_time_spot: bool,
    /// The default version of every launch template.
    template_version: u64,
    faults: VecDeque<Fault>,
    trouble: Trouble,
    /// Whether instances get a public address with their private one.
    public_addresses: bool,
    /// Instances that the cloud refuses to stop or to terminate when a host asks.
    protected: BTreeSet<(InstanceId, MutationKind)>,
    health_faults: health::HealthFaults,
    draws: Draws,
    /// The events since [`take_events`](World::take_events) was last called, oldest first.
    events: Vec<WorldEvent>,
}

/// The value of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pointer {
    value: String,
    written_at: Instant,
}

/// A failure of a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of mutation that fails; other kinds pass.
    pub kind: MutationKind,
    /// Whether the mutation is carried out although the caller gets the error, as with a lost
    /// reply.
    pub carried_out: bool,
    /// The error that the caller gets instead of the reply.
    pub error: CloudErrorKind,
    /// The provider's code of the error.
    pub code: &'static str,
}

/// A change of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldEvent {
    /// The time of the change.
    pub at: Instant,
    /// The instance that changed.
    pub id: InstanceId,
    /// The kind of event.
    pub kind: EventKind,
}

/// The kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was launched, by reeve or by another system.
    Launched,
    /// It was stopped, and reeve or another system started it.
    Started,
    /// It was pending or running, and began to stop.
    StopRequested,
    /// It began to terminate.
    TerminateRequested,
    /// It began to reboot.
    RebootRequested,
    /// It came back from a reboot.
    Rebooted,
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
            next_reboot: None,
            next_fall_back: None,
            launches_one_time_spot: false,
            template_version: 1,
            faults: VecDeque::new(),
            trouble: Trouble::default(),
            public_addresses: false,
            protected: BTreeSet::new(),
            health_faults: health::HealthFaults::default(),
            draws: Draws::new(seed),
            events: Vec::new(),
        }
    }

    /// The time of the world's clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock, and makes the changes of instances that are due. The clock never runs
    /// backwards.
    pub fn advance(&mut self, now: Instant) {
        /// A terminated instance is shown for about an hour (EC2 user guide, "Terminate your
        /// instance"), a stopped task for at least one (ECS API reference, DescribeTasks).
        const TERMINATED_SHOWN: Millis = Millis::from_secs(3600);
        self.now = self.now.max(now);
        let mut events = Vec::new();
        for instance in self.instances.values_mut() {
            instance.advance(self.now, &mut events);
        }
        events.sort_by_key(|event| event.at);
        self.events.extend(events);
        self.instances.retain(|_, instance| {
            instance.state != InstanceState::Terminated
                || self.now.since(instance.state_since) < TERMINATED_SHOWN
        });
    }

    /// The time of the next change that no call causes, such as the end of a boot.
    pub fn next_change(&self) -> Option<Instant> {
        self.instances
            .values()
            .filter_map(SimInstance::next_change)
            .min()
    }

    /// Takes the events since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<WorldEvent> {
        std::mem::take(&mut self.events)
    }

    /// Sets how the next launched or started instance boots, instead of a draw.
    pub fn set_next_boot(&mut self, boot: Boot) {
        self.next_boot = Some(boot);
    }

    /// Sets how long the next instance takes to stop or to terminate, instead of a draw.
    pub fn set_next_stop(&mut self, length: Millis) {
        self.next_stop = Some(length);
    }

    /// Ends the reboots under way of these instances: their software answers again.
    pub fn end_reboots(&mut self, of: impl Fn(&InstanceId) -> bool) {
        let now = self.now;
        let rebooting = self.instances.values_mut().filter(|it| it.reboots);
        let rebooting = rebooting.filter(|instance| of(&instance.id));
        rebooting.for_each(|instance| instance.reboot_until(now));
    }

    /// Sets for how long the next rebooted instance does not answer, instead of a draw.
    pub fn set_next_reboot(&mut self, length: Millis) {
        self.next_reboot = Some(length);
    }

    /// Gives instances a public address with their private one, which is another one after each start.
    pub fn set_public_addresses(&mut self, has: bool) {
        self.public_addresses = has;
    }

    /// Gives every launch template another default version, as its owner does.
    pub fn change_templates(&mut self) {
        self.template_version += 1;
    }

    /// Makes the next start be accepted, and its instance `stopped` again after this time.
    pub fn set_next_fall_back(&mut self, after: Millis) {
        self.next_fall_back = Some(after);
    }

    /// Sets whether the launches of hosts are one-time Spot requests from now on.
    pub fn set_launches_one_time_spot(&mut self, are_one_time: bool) {
        self.launches_one_time_spot = are_one_time;
    }

    /// Makes an instance one of a one-time Spot request.
    pub fn make_one_time_spot(&mut self, id: &InstanceId) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.is_one_time_spot = true;
        }
    }

    /// Gives an instance another role; `None`: the cloud does not show it.
    pub fn set_role(&mut self, id: &InstanceId, role: Option<&str>) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.role = role.map(str::to_owned);
        }
    }

    /// Makes the next mutation of the fault's kind fail. Faults of the same kind apply in the order
    /// in which they were added.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.push_back(fault);
    }

    /// Begins or ends a protection: while it lasts, the cloud refuses this end of the instance to
    /// hosts.
    pub fn protect(&mut self, id: &InstanceId, end: MutationKind, begins: bool) {
        let protection = (id.clone(), end);
        match begins {
            true => self.protected.insert(protection),
            false => self.protected.remove(&protection),
        };
    }

    /// Adds an instance that another system launched, with this boot.
    pub fn launch_elsewhere(&mut self, id: &str, tag: (&str, &str), boot: Boot) -> InstanceId {
        self.launch_with(id, &[tag], boot)
    }

    /// Adds an instance with further tags that another system launched. Its boot takes no time.
    pub fn launch_tagged(
        &mut self,
        id: &str,
        tag: (&str, &str),
        more: &[(&str, &str)],
    ) -> InstanceId {
        let all: Vec<_> = std::iter::once(tag).chain(more.iter().copied()).collect();
        self.launch_with(id, &all, Boot::instant())
    }

    /// Adds an instance with these tags, which no host launched in this story, with this boot.
    pub fn launch_with(&mut self, id: &str, tags: &[(&str, &str)], boot: Boot) -> InstanceId {
        self.launch_on(Compute::Ec2, id, tags, boot)
    }

    /// Adds an instance on this compute with these tags, which no host launched in this story.
    pub fn launch_on(
        &mut self,
        compute: Compute,
        id: &str,
        tags: &[(&str, &str)],
        boot: Boot,
    ) -> InstanceId {
        let id = InstanceId::from(id);
        let tags = tags.iter();
        let tags = tags.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.insert(id.clone(), compute, tags.collect(), boot);
        id
    }

    /// Changes a tag of an instance, as a person does; `None` removes it.
    pub fn retag(&mut self, id: &InstanceId, key: &str, value: Option<&str>) {
        let Some(instance) = self.instances.get_mut(id) else {
            return;
        };
        match value {
            Some(value) => instance.tags.insert(key.to_owned(), value.to_owned()),
            None => instance.tags.remove(key),
        };
    }

    /// Adds a Fargate task that another system ran in a cluster, with these tags and this boot.
    pub fn run_elsewhere(
        &mut self,
        id: &str,
        cluster: &str,
        tags: &[(&str, &str)],
        boot: Boot,
    ) -> InstanceId {
        let compute = Compute::Fargate {
            cluster: cluster.to_owned(),
        };
        self.launch_on(compute, id, tags, boot)
    }

    /// Adds a stopped instance. Earlier events are dropped.
    pub fn place_stopped(&mut self, id: &str, tag: (&str, &str)) -> InstanceId {
        let id = self.launch_elsewhere(id, tag, Boot::instant());
        self.place_as_stopped(&id);
        id
    }

    /// Makes an instance one that was stopped before the story begins.
    pub fn place_as_stopped(&mut self, id: &InstanceId) {
        self.advance(self.now);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.place(InstanceState::Stopped, self.now);
        }
        self.events.clear();
    }

    /// Writes a pointer as another system would.
    pub fn place_pointer(&mut self, name: &PointerName, value: &str) {
        self.place_pointer_of(name, value, Millis::ZERO);
    }

    /// Makes a pointer one that another system wrote this long ago.
    pub fn place_pointer_of(&mut self, name: &PointerName, value: &str, ago: Millis) {
        let written_at = Instant::from_ms(self.now.as_ms().saturating_sub(ago.get()));
        let value = value.to_owned();
        self.pointers
            .insert(name.clone(), Pointer { value, written_at });
    }

    /// The stored value of a pointer.
    pub fn pointer(&self, name: &PointerName) -> Option<&str> {
        self.pointers
            .get(name)
            .map(|pointer| pointer.value.as_str())
    }

    /// Stops an instance as another system would. A task is terminated.
    ///
    /// # Errors
    /// The cloud's refusal, which leaves the instance unchanged.
    pub fn stop_elsewhere(&mut self, id: &InstanceId) -> Result<(), CloudError> {
        let Some(instance) = self.instances.get(id) else {
            return Err(calls::not_found("StopInstances", id));
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
        self.carry_out(&mutation).map(|_| ())
    }

    /// Reclaims an instance, as the provider does on the spot market.
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
        let was_final = instance.state.is_final();
        // A terminated instance stays terminated.
        let _ = self.carry_out(&mutation);
        if let Some(instance) = self.instances.get_mut(id).filter(|_| !was_final) {
            instance.note_reclaimed();
        }
    }

    /// Ends an instance from inside, as by a shutdown of its system or a container that exits.
    pub fn exit(&mut self, id: &InstanceId) {
        let state = self.instances.get(id).map(|instance| instance.state);
        if self.stop_elsewhere(id).is_err() {
            return;
        }
        let live = state.filter(|state| state.is_live());
        if let (Some(state), Some(instance)) = (live, self.instances.get_mut(id)) {
            instance.note_exited(state);
        }
    }

    /// The instance that the launch with this token created.
    pub fn launched_by(&self, token: &LaunchToken) -> Option<&InstanceId> {
        self.launches.get(token).map(|launch| &launch.id)
    }

    /// The instance with this id; `None`: the cloud does not show one.
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
        let mut instance = SimInstance::booting(id.clone(), compute, tags, boot, number, now);
        instance.is_public = self.public_addresses;
        self.add_event(&id, EventKind::Launched);
        self.instances.insert(id, instance);
    }

    fn add_event(&mut self, id: &InstanceId, kind: EventKind) {
        self.events.push(WorldEvent {
            at: self.now,
            id: id.clone(),
            kind,
        });
    }
}
