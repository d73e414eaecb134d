//! The state of the model: the record in the store, the cloud, and the view of each host.
//!
//! States are small and comparable: two orders of events that lead to equal states are one state.

use crate::marks::Marks;

/// A host, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(pub u8);

/// An instance, by its number in the order of launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u8);

/// The number of a provisioning attempt. Generations bound the model, so they are not ranked.
pub type Generation = u8;

/// The lease's fencing token. Only the order matters, so epochs are ranks ([`State::rank`]).
pub type Epoch = u8;

/// The record's version, a rank likewise.
pub type Version = u8;

/// The most instances: one that is found, and one per generation.
pub const INSTANCES_MAX: usize = 5;

/// The state of the whole model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The record, as the store has it.
    pub store: Stored,
    /// EC2 and SSM.
    pub cloud: Cloud,
    /// The hosts, by number.
    pub hosts: Vec<HostState>,
    /// The faults that may still happen.
    pub left: Left,
    /// The promises that the step to this state broke.
    pub broken: Marks,
}

/// The record with its version (`Stored`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Rises with every commit.
    pub version: Version,
    /// The record that was committed.
    pub record: Record,
}

/// What changes by compare-and-set (`WorkerRecord`). Its phase follows from intent and adoption and
/// is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// The fencing token.
    pub epoch: Epoch,
    /// The host that holds the lease; `None`: no host.
    pub lease: Option<Host>,
    /// The latest attempt.
    pub generation: Generation,
    /// The announced mutation; `None`: none is under way.
    pub intent: Option<Intent>,
    /// The adopted instance.
    pub adopted: Option<Adopted>,
}

/// A mutation that was permitted (`Intent`, and `Permit`, which has the same fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// The mutation.
    pub mutation: Mutation,
    /// The attempt that the mutation belongs to.
    pub generation: Generation,
    /// The epoch at the time of the permit.
    pub epoch: Epoch,
}

/// The adopted instance (`Adopted`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Adopted {
    /// The instance.
    pub id: Id,
    /// The generation under which it was adopted.
    pub generation: Generation,
    /// Whether a host started it (`How::Started`).
    pub started: bool,
}

/// A change of an instance (`Mutation`). A pointer write is [`PointerWrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutation {
    /// Makes a new instance, unless the token was used.
    Launch {
        /// The launch token, which derives from the generation.
        token: u8,
    },
    /// Starts a stopped instance.
    Start(Id),
    /// Stops a live instance, and clears the pointer first if the permit says so.
    Stop {
        /// The instance.
        id: Id,
        /// Whether the same action clears the pointer.
        clears: bool,
    },
    /// Terminates an orphan.
    Terminate(Id),
}

/// EC2 and SSM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// The instances, by number.
    pub instances: Vec<Instance>,
    /// The instance that the pointer names; `None`: the sentinel.
    pub pointer: Option<Id>,
    /// Pointer writes on their way, oldest first.
    pub pointer_writes: Vec<PointerWrite>,
    /// Mutations on their way whose senders have given them up.
    pub late: Vec<Intent>,
}

/// One instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The generation on its tag; `None`: another system launched it.
    pub generation: Option<Generation>,
    /// The launch token that made it.
    pub token: Option<u8>,
    /// The present state.
    pub now: Shown,
    /// The former state, which a reading may still show; `None`: all readings have caught up.
    pub before: Option<Shown>,
    /// Whether a record has ever named it.
    pub claimed: bool,
}

/// The state in a reading (`InstanceState`, without the states in between).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shown {
    /// The provider does not know the id yet.
    Hidden,
    /// Pending or running.
    Live,
    /// Stopping or stopped.
    Stopped,
    /// Terminated.
    Gone,
}

/// A pointer write on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointerWrite {
    /// The sender.
    pub by: Host,
    /// The instance that the pointer will name.
    pub id: Id,
    /// The generation of the adopted instance when the write was sent.
    pub generation: Generation,
    /// Whether the instance was ended since the write was sent.
    pub overtaken: bool,
}

/// One host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostState {
    /// Whether its process runs. A dead host has no memory.
    pub is_up: bool,
    /// The record as the host last read or wrote it; `None`: it has not read the record since its
    /// start.
    pub view: Option<Stored>,
    /// Whether the host has seen this version unchanged for the lease's length.
    pub saw_it_stale: bool,
    /// Whether the host itself carries the intent out (`InFlight::is_ours`).
    pub is_at_work: bool,
    /// The mutation that the host has sent, or is about to send.
    pub call: Option<Call>,
    /// The instance that the pointer names, as far as the host knows; `None`: not read, or not
    /// certain.
    pub pointer: Option<Option<Id>>,
    /// Whether a pointer write of the host is on its way.
    pub writes_pointer: bool,
    /// Whether the cloud accepted the host's start of each instance
    /// (`KnownInstance::start_accepted`).
    pub started: [bool; INSTANCES_MAX],
}

/// A mutation in the hands of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// The permitted mutation.
    pub permit: Intent,
    /// Whether another host, or this one before a restart, began it.
    pub inherited: bool,
    /// The outcome; `None`: the mutation is on its way.
    pub outcome: Option<Outcome>,
}

/// The outcome of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The launch made this instance, or an earlier try did.
    Launched(Id),
    /// The cloud accepted the mutation.
    Done,
    /// The cloud refused the mutation definitely: nothing was changed.
    Failed,
    /// The mutation was not answered, and may have been carried out.
    Unknown,
}

/// The faults that may still happen. Each fault takes one of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Left {
    /// Hosts that die.
    pub crashes: u8,
    /// Leases that run out while their holder sleeps.
    pub pauses: u8,
    /// Calls to the cloud whose answer is lost, before or after the effect.
    pub unanswered: u8,
    /// Calls that the cloud refuses definitely.
    pub refusals: u8,
    /// Writes of the record whose answer is lost, before or after the effect.
    pub store_failures: u8,
    /// Mutations that arrive after their sender has given them up.
    pub late: u8,
    /// Instances that end by themselves.
    pub deaths: u8,
}

impl Cloud {
    /// The instance with this number.
    pub fn instance(&self, id: Id) -> &Instance {
        &self.instances[usize::from(id.0)]
    }

    /// The instance with this number, to change it.
    pub fn instance_mut(&mut self, id: Id) -> &mut Instance {
        &mut self.instances[usize::from(id.0)]
    }

    /// The numbers of all instances.
    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        let count = u8::try_from(self.instances.len()).unwrap_or(u8::MAX);
        (0..count).map(Id)
    }

    /// Whether the instance really runs, whatever a reading shows.
    pub fn is_live(&self, id: Id) -> bool {
        self.instance(id).now == Shown::Live
    }
}

impl Instance {
    /// Changes the state. Readings may still show the former one.
    pub fn becomes(&mut self, state: Shown) {
        if self.now != state {
            self.before = Some(self.now);
            self.now = state;
        }
    }
}

impl State {
    /// The host with this number.
    pub fn host(&self, host: Host) -> &HostState {
        &self.hosts[usize::from(host.0)]
    }

    /// The host with this number, to change it.
    pub fn host_mut(&mut self, host: Host) -> &mut HostState {
        &mut self.hosts[usize::from(host.0)]
    }

    /// The numbers of all hosts.
    pub fn host_names(&self) -> impl Iterator<Item = Host> + use<> {
        let count = u8::try_from(self.hosts.len()).unwrap_or(u8::MAX);
        (0..count).map(Host)
    }

    /// Replaces versions and epochs by their ranks. The model uses only their order. So a cycle of
    /// events ends in an equal state, and the number of states is finite.
    pub fn rank(&mut self) {
        rank(self.versions());
        rank(self.epochs());
    }

    fn versions(&mut self) -> Vec<&mut u8> {
        let views = self.hosts.iter_mut().filter_map(|host| host.view.as_mut());
        let views = views.map(|view| &mut view.version);
        std::iter::once(&mut self.store.version)
            .chain(views)
            .collect()
    }

    fn epochs(&mut self) -> Vec<&mut u8> {
        let mut epochs = Vec::new();
        let mut records = vec![&mut self.store.record];
        for host in &mut self.hosts {
            records.extend(host.view.as_mut().map(|view| &mut view.record));
            epochs.extend(host.call.as_mut().map(|call| &mut call.permit.epoch));
        }
        for record in records {
            epochs.push(&mut record.epoch);
            epochs.extend(record.intent.as_mut().map(|intent| &mut intent.epoch));
        }
        epochs.extend(self.cloud.late.iter_mut().map(|intent| &mut intent.epoch));
        epochs
    }
}

fn rank(mut numbers: Vec<&mut u8>) {
    let mut order: Vec<u8> = numbers.iter().map(|number| **number).collect();
    order.sort_unstable();
    order.dedup();
    for number in &mut numbers {
        let rank = order.partition_point(|lower| lower < *number);
        **number = u8::try_from(rank).unwrap_or(u8::MAX);
    }
}
