//! The model: its bounds, its mistakes, and its steps as the checker asks for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use stateright::{Model, Property};

use crate::commit::StoreAnswer;
use crate::marks::{Marks, Milestone};
use crate::properties;
use crate::rules::Proposal;
use crate::state::{Cloud, Host, HostState, Id, Instance, Left, Shown, State, Stored};

/// Lease, launch and adoption of one worker.
#[derive(Clone, Debug)]
pub struct LeaseModel {
    /// How far it goes.
    pub bounds: Bounds,
    /// A mistake that is planted; `None`: as the code is.
    pub mistake: Option<Mistake>,
    /// What the code does not do yet, and the model does.
    pub safeguards: Safeguards,
    reached: Arc<AtomicU32>,
}

/// How far the model goes. Everything else is unbounded: leases, writes, passes, restarts of hosts.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How many hosts share the store.
    pub hosts: u8,
    /// How many launches and starts there are at the most.
    pub generations: u8,
    /// How much goes wrong at the most.
    pub faults: Left,
    /// An instance that somebody else launched before, with the worker's tag; `None`: there is none.
    pub found: Option<Shown>,
}

/// Rules that the model has shown to be needed. `true`: the model keeps them, as the code does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Safeguards {
    /// A stop clears the pointer wherever it may name the instance, whatever the host last read in it.
    pub stop_clears_unless_sure: bool,
    /// A pointer write is over before anything else is done for the worker, by whichever host.
    pub pointer_writes_are_fenced: bool,
    /// Whoever reads in the record that an instance was started, takes a reading of "stopped" for one that lags.
    pub started_settles_everywhere: bool,
}

impl Safeguards {
    /// All are kept.
    pub const ALL: Self = Self {
        stop_clears_unless_sure: true,
        pointer_writes_are_fenced: true,
        started_settles_everywhere: true,
    };
}

/// A mistake that an engineer could make, planted in the model. The checker must find what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A host that slept through its lease sends what it was permitted before.
    SkipFence,
    /// Another host's lease is taken without waiting until it is stale.
    TakeLeaseAtOnce,
    /// A lease is taken without a new epoch.
    KeepEpoch,
    /// The record is written without comparing its version.
    WriteWithoutComparing,
    /// The mutation is sent though the write was lost or not answered.
    SendBeforeWritten,
    /// The record that goes before a mutation does not announce it.
    AnnounceNothing,
    /// A replay has a token of its own.
    RenewToken,
    /// An unanswered launch is taken for a failed one.
    GiveLaunchUp,
    /// The launch that another host left is dropped, as its stops and starts are.
    DropLeftLaunch,
    /// A launch does not raise the generation.
    KeepGeneration,
    /// A stop does not clear the pointer.
    ForgetPointer,
    /// An instance of an older generation than the adopted one is adopted.
    AdoptOlder,
    /// Not visible yet counts as gone.
    UnknownIsDown,
    /// A launch or start does not look whether the adopted instance lives.
    LaunchBesideAdopted,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::SkipFence,
        Self::TakeLeaseAtOnce,
        Self::KeepEpoch,
        Self::WriteWithoutComparing,
        Self::SendBeforeWritten,
        Self::AnnounceNothing,
        Self::RenewToken,
        Self::GiveLaunchUp,
        Self::DropLeftLaunch,
        Self::KeepGeneration,
        Self::ForgetPointer,
        Self::AdoptOlder,
        Self::UnknownIsDown,
        Self::LaunchBesideAdopted,
    ];
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `reconcile/record.rs`, `read`: the host reads what somebody else has written.
    ReadRecord(Host),
    /// `worker/record.rs`, `lease`: seen unchanged for the lease's length by the observer's own clock.
    SeeLeaseStale {
        /// The observer.
        by: Host,
        /// What the sleeping holder had sent is still on its way.
        late: bool,
    },
    /// `reconcile/record.rs`, `renew`.
    Renew(Host, StoreAnswer),
    /// `reconcile/pass.rs`, `read_pointer`: a pass that leads to nothing.
    ReadPointer(Host),
    /// `reconcile/pass.rs`, `mod.rs` (`on_scan`), `mutation.rs`, `adoption.rs`: the host looks, the guard permits it,
    /// the record is written. The mask says of which instances the reading lags.
    Propose(Host, Proposal, u8, StoreAnswer),
    /// `reconcile/record.rs`, `recover`, and `reconcile/mutation.rs`, `replay_launch`.
    Recover(Host, StoreAnswer),
    /// The host's mutation arrives and is carried out.
    Arrive(Host),
    /// `host/aws/src/mutate.rs`, `apply`: the pointer is cleared, the stop fails.
    ArriveHalf(Host),
    /// The cloud refuses for certain.
    Refuse(Host),
    /// The host hears nothing.
    TimeOut {
        /// Who.
        host: Host,
        /// It is still on its way.
        late: bool,
    },
    /// `reconcile/mutation.rs`, `on_outcome`: the outcome is taken in and written.
    TakeIn(Host, StoreAnswer),
    /// A mutation arrives that nobody waits for.
    ArriveLate(usize),
    /// A pointer write arrives.
    PointerArrives(usize),
    /// A pointer write is lost.
    PointerLost(usize),
    /// The host's process ends. Its mutation on the way may arrive all the same.
    Crash {
        /// Who.
        host: Host,
        /// It is still on its way.
        late: bool,
    },
    /// It begins its next life, with the same name.
    Restart(Host),
    /// All readings of the instance have caught up.
    Settle(Id),
    /// It ends by itself: reclaimed, or stopped by somebody else.
    Die(Id, Shown),
}

impl LeaseModel {
    /// The model, without its safeguards.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            mistake: None,
            safeguards: Safeguards::default(),
            reached: Arc::default(),
        }
    }

    /// The same with these safeguards.
    #[must_use]
    pub fn safeguards(self, safeguards: Safeguards) -> Self {
        Self { safeguards, ..self }
    }

    /// The same with a mistake planted.
    #[must_use]
    pub fn with(self, mistake: Mistake) -> Self {
        let mistake = Some(mistake);
        Self { mistake, ..self }
    }

    /// Whether any step has come there yet. It is kept beside the states: in them it would only multiply them.
    pub fn has_reached(&self, milestone: Milestone) -> bool {
        self.reached.load(Ordering::Relaxed) & (1 << milestone as u32) != 0
    }

    pub(crate) fn reach_if(&self, reached: bool, milestone: Milestone) {
        if reached && !self.has_reached(milestone) {
            self.reached
                .fetch_or(1 << milestone as u32, Ordering::Relaxed);
        }
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }
}

impl Model for LeaseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let found = self.bounds.found.map(|now| Instance {
            generation: None,
            token: None,
            now,
            before: None,
            claimed: true,
        });
        let host = HostState {
            is_up: true,
            view: Some(Stored::default()),
            ..HostState::default()
        };
        vec![State {
            store: Stored::default(),
            cloud: Cloud {
                instances: found.into_iter().collect(),
                ..Cloud::default()
            },
            hosts: vec![host; usize::from(self.bounds.hosts)],
            left: self.bounds.faults,
            broken: Marks::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        next.broken = Marks::default();
        self.step(&mut next, action)?;
        next.rank();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
