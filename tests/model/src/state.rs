//! What there is: the record in the store, the cloud, and what each host believes.
//!
//! Everything is small and comparable: two orders of events that lead to the same state are one state.

use crate::marks::Marks;

/// A host, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(pub u8);

/// An instance, by its number in the order of launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u8);

/// One provisioning attempt. Its number is the bound of the model, so it is kept as it is.
pub type Generation = u8;

/// The lease's fencing token. Only its order matters, so ranks are kept ([`State::rank`]).
pub type Epoch = u8;

/// The record's version, a rank likewise.
pub type Version = u8;

/// Instances at the most: one that is found, and one per generation.
pub const INSTANCES_MAX: usize = 5;

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The record, as the store has it.
    pub store: Stored,
    /// EC2 and SSM.
    pub cloud: Cloud,
    /// The hosts, by number.
    pub hosts: Vec<HostState>,
    /// What may still go wrong.
    pub left: Left,
    /// Which promises the step to this state broke.
    pub broken: Marks,
}

/// The record with its version (`Stored`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Rises with every commit.
    pub version: Version,
    /// What was committed.
    pub record: Record,
}

/// What changes by compare-and-set (`WorkerRecord`). Its phase follows from intent and adoption and is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// The fencing token.
    pub epoch: Epoch,
    /// Who may act.
    pub lease: Option<Host>,
    /// The latest attempt.
    pub generation: Generation,
    /// The mutation under way.
    pub intent: Option<Intent>,
    /// The instance that embodies the worker.
    pub adopted: Option<Adopted>,
}

/// A mutation that was permitted (`Intent`, and `Permit`, which has the same fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// What is done.
    pub mutation: Mutation,
    /// The attempt it belongs to.
    pub generation: Generation,
    /// The epoch it was permitted under.
    pub epoch: Epoch,
}

/// The adopted instance (`Adopted`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Adopted {
    /// Which.
    pub id: Id,
    /// Its generation.
    pub generation: Generation,
    /// Whether a host started it (`How::Started`).
    pub started: bool,
}

/// A change of an instance (`Mutation`). A pointer write is [`PointerWrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutation {
    /// A new instance, unless the token was used.
    Launch {
        /// Derived from the generation.
        token: u8,
    },
    /// A stopped one is started.
    Start(Id),
    /// A live one is stopped; the pointer is cleared first if it is asked.
    Stop {
        /// Which.
        id: Id,
        /// Whether the same action clears the pointer.
        clears: bool,
    },
    /// An orphan is ended for good.
    Terminate(Id),
}

/// EC2 and SSM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// By number.
    pub instances: Vec<Instance>,
    /// What the parameter says; `None`: the sentinel.
    pub pointer: Option<Id>,
    /// Pointer writes on their way, oldest first.
    pub pointer_writes: Vec<PointerWrite>,
    /// Mutations whose sender does not wait for them any more, still on their way.
    pub late: Vec<Intent>,
}

/// One instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The generation on its tag; `None`: somebody else launched it.
    pub generation: Option<Generation>,
    /// The launch token that made it.
    pub token: Option<u8>,
    /// What it is.
    pub now: Shown,
    /// What a describe may still say instead; `None`: all readings have caught up.
    pub before: Option<Shown>,
    /// Whether a record has ever named it.
    pub claimed: bool,
}

/// What a describe says (`InstanceState`, with the states in between left out).
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
    /// Who sent it.
    pub by: Host,
    /// What the pointer will say.
    pub id: Id,
    /// The generation it was permitted for.
    pub generation: Generation,
    /// Whether a stop of the same instance was carried out since.
    pub overtaken: bool,
}

/// One host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostState {
    /// Whether its process runs. What it remembers is gone when it does not.
    pub is_up: bool,
    /// What it knows of the record; `None`: it has not read it in this life.
    pub view: Option<Stored>,
    /// Whether it has seen this version unchanged for the lease's length.
    pub saw_it_stale: bool,
    /// Whether the intent is in its own hands (`InFlight::is_ours`).
    pub is_at_work: bool,
    /// The mutation it has sent, or is about to send.
    pub call: Option<Call>,
    /// What it believes the pointer says; `None`: not read, or not certain.
    pub pointer: Option<Option<Id>>,
    /// Whether a pointer write of its own is on its way.
    pub writes_pointer: bool,
    /// Instances whose start was accepted for it (`Known::start_accepted`).
    pub started: [bool; INSTANCES_MAX],
}

/// A mutation in the hands of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// What was permitted.
    pub permit: Intent,
    /// Whether another host, or an earlier life, began it.
    pub inherited: bool,
    /// What came of it; `None`: it is on its way.
    pub outcome: Option<Outcome>,
}

/// What the cloud's answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The launch made, or had made, this one.
    Launched(Id),
    /// Accepted.
    Done,
    /// Refused for certain: nothing was changed.
    Failed,
    /// Not answered: it may have been carried out.
    Unknown,
}

/// What may still go wrong. Each fault takes one of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Left {
    /// Hosts that die.
    pub crashes: u8,
    /// Leases that run out while their holder sleeps.
    pub pauses: u8,
    /// Calls to the cloud whose answer is lost, before or after the effect.
    pub unanswered: u8,
    /// Calls that the cloud refuses for certain.
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

    /// The same, to change it.
    pub fn instance_mut(&mut self, id: Id) -> &mut Instance {
        &mut self.instances[usize::from(id.0)]
    }

    /// All numbers.
    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        let count = u8::try_from(self.instances.len()).unwrap_or(u8::MAX);
        (0..count).map(Id)
    }

    /// Whether it runs in truth, whatever is shown.
    pub fn is_live(&self, id: Id) -> bool {
        self.instance(id).now == Shown::Live
    }
}

impl Instance {
    /// It is something else from now on, and readings may lag behind.
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

    /// The same, to change it.
    pub fn host_mut(&mut self, host: Host) -> &mut HostState {
        &mut self.hosts[usize::from(host.0)]
    }

    /// All numbers.
    pub fn host_names(&self) -> impl Iterator<Item = Host> + use<> {
        let count = u8::try_from(self.hosts.len()).unwrap_or(u8::MAX);
        (0..count).map(Host)
    }

    /// Puts ranks in the place of versions and epochs. Nothing but their order is ever looked at, so a life that
    /// goes round in a circle comes back to the same state, and the model closes however long it runs.
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
