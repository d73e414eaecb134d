//! The model: its bounds, its mistakes, and its actions for the checker.

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
    /// The bounds of the model.
    pub bounds: Bounds,
    /// The planted mistake; `None`: the model is as the code is.
    pub mistake: Option<Mistake>,
    /// The safeguards that the model keeps.
    pub safeguards: Safeguards,
    reached: Arc<AtomicU32>,
}

/// The bounds of the model. Everything else is unbounded: leases, writes, passes, restarts of
/// hosts.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The number of hosts that share the store.
    pub hosts: u8,
    /// The most launches and starts.
    pub generations: u8,
    /// The most faults of each kind.
    pub faults: Left,
    /// The state of an instance with the worker's tag that another system launched before; `None`:
    /// there is none.
    pub found: Option<Shown>,
}

/// Rules that the model has shown to be needed. `true`: the model keeps the rule, as the code does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Safeguards {
    /// A stop clears the pointer unless the pointer is known to name another instance.
    pub stop_clears_unless_sure: bool,
    /// No host does anything else for the worker while a pointer write is under way.
    pub pointer_writes_are_fenced: bool,
    /// If the record says that an instance was started, every host ignores a lagging reading of
    /// "stopped".
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

/// A mistake that an engineer could make, planted in the model. The checker must find a broken
/// promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A host that slept through its lease still sends its mutation.
    SkipFence,
    /// A host takes another host's lease before the lease is stale.
    TakeLeaseAtOnce,
    /// A lease is taken without a new epoch.
    KeepEpoch,
    /// The record is written without comparing its version.
    WriteWithoutComparing,
    /// The mutation is sent though the write was lost or not answered.
    SendBeforeWritten,
    /// The record that goes before a mutation does not announce it.
    AnnounceNothing,
    /// A replay has a new token.
    RenewToken,
    /// An unanswered launch counts as failed.
    GiveLaunchUp,
    /// Another host's unfinished launch is dropped, as its stops and starts are.
    DropLeftLaunch,
    /// A launch does not raise the generation.
    KeepGeneration,
    /// A stop does not clear the pointer.
    ForgetPointer,
    /// An instance of an older generation than the adopted one is adopted.
    AdoptOlder,
    /// An instance that is not visible yet counts as gone.
    UnknownIsDown,
    /// A launch or start does not check whether the adopted instance lives.
    LaunchWhileAdopted,
}

impl Mistake {
    /// All mistakes.
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
        Self::LaunchWhileAdopted,
    ];
}

/// One step of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `record.rs`, `on_read`: the host reads another host's write.
    ReadRecord(Host),
    /// `facts/record.rs`, `lease`: the record is unchanged for the lease's length on the
    /// observer's own clock.
    SeeLeaseStale {
        /// The observer.
        by: Host,
        /// Whether the sleeping holder's mutation is still on its way.
        late: bool,
    },
    /// `record.rs`, `renew`.
    Renew(Host, StoreAnswer),
    /// `flow/resolve/mod.rs`, `read_pointer`: a pass that changes nothing else.
    ReadPointer(Host),
    /// `flow/fold.rs` (`on_scan`), `flow/resolve/`, `act/send.rs`, `act/adoption.rs`: the host
    /// reads the cloud, the guard permits the proposal, the record is written. The mask has the
    /// instances whose reading lags.
    Propose(Host, Proposal, u8, StoreAnswer),
    /// `flow/recover.rs`, `recover` and `replay_launch`.
    Recover(Host, StoreAnswer),
    /// The host's mutation arrives and is carried out.
    Arrive(Host),
    /// `host/aws/src/mutate.rs`, `carry_out`: the pointer is cleared, and the stop fails.
    ArriveHalf(Host),
    /// The cloud refuses the mutation definitely.
    Refuse(Host),
    /// The host stops waiting for the outcome of its mutation.
    TimeOut {
        /// The host that waited.
        host: Host,
        /// Whether the mutation is still on its way.
        late: bool,
    },
    /// `act/outcome.rs`, `on_outcome`: the host takes the outcome in, and writes it.
    TakeIn(Host, StoreAnswer),
    /// A mutation arrives after its sender has given it up.
    ArriveLate(usize),
    /// A pointer write arrives.
    PointerArrives(usize),
    /// A pointer write is lost.
    PointerLost(usize),
    /// The host's process ends. Its mutation may still arrive.
    Crash {
        /// The host that dies.
        host: Host,
        /// Whether its mutation is still on its way.
        late: bool,
    },
    /// A dead host starts again, with the same name.
    Restart(Host),
    /// All readings of the instance have caught up.
    Settle(Id),
    /// The instance ends without reeve: reclaimed, or stopped by another system.
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

    /// The same model with these safeguards.
    #[must_use]
    pub fn safeguards(self, safeguards: Safeguards) -> Self {
        Self { safeguards, ..self }
    }

    /// The same model with a planted mistake.
    #[must_use]
    pub fn with(self, mistake: Mistake) -> Self {
        let mistake = Some(mistake);
        Self { mistake, ..self }
    }

    /// Whether any step has reached the milestone. It is kept outside the states: in a state it
    /// would only multiply the states.
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
