//! One simulated instance and its life.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use reeve_core::cloud::TaskScope;
use reeve_core::compute::Compute;
use reeve_core::id::InstanceId;
use reeve_core::instance::{Instance, InstanceState, StateReason};
use reeve_core::time::{Instant, Millis};

use super::{EventKind, WorldEvent};

/// The role that instances run with.
pub const BOX_ROLE: &str = "gpu-box";

/// The lengths of the steps of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// From `pending` to `running`.
    pub pending: Millis,
    /// From `running` to the addresses.
    pub address_after: Millis,
}

impl Boot {
    /// A boot that takes no time, for instances that exist at the beginning of a story.
    pub fn instant() -> Self {
        Self {
            pending: Millis::ZERO,
            address_after: Millis::ZERO,
        }
    }
}

/// An instance of the simulated cloud.
#[derive(Clone, Debug)]
pub struct SimInstance {
    /// The id of the instance.
    pub id: InstanceId,
    /// The true state. Scans may lag behind it.
    pub state: InstanceState,
    /// The time at which it entered that state.
    pub state_since: Instant,
    /// Why it went down; `None` if it has not since its launch or last start.
    pub state_reason: Option<StateReason>,
    /// The time at which it was last up, which is `pending` or `running`; `None`: it is up.
    pub down_since: Option<Instant>,
    /// Whether it was `running` before. EC2 stops no instance that was not.
    pub has_run: bool,
    /// Whether it belongs to a one-time Spot request. EC2 stops no such instance.
    pub is_one_time_spot: bool,
    /// Whether it runs on EC2 or in a Fargate cluster.
    pub compute: Compute,
    /// The family of a task's definition; `None` if no host launched it. Every list shows such a
    /// task, because a story does not say its family.
    pub family: Option<String>,
    /// The role that it runs with; `None`: the cloud does not show it.
    pub role: Option<String>,
    /// The tags that launches and scripts gave it.
    pub tags: BTreeMap<String, String>,
    /// The time of its launch or last start.
    pub launched_at: Instant,
    /// The time of its last reboot, which the provider does not show; `None`: it has not been
    /// rebooted since its launch or last start.
    pub rebooted_at: Option<Instant>,
    /// Whether its address does not answer, because it reboots.
    pub reboots: bool,
    /// The times at which requests reached it, oldest first.
    pub invocations: Vec<Instant>,
    /// Makes its addresses.
    number: u32,
    /// How often it has booted, which makes its public address.
    boots: u8,
    /// Whether it has a public address, too.
    pub(super) is_public: bool,
    /// Whether it has its address.
    addressed: bool,
    /// The changes that are due, earliest first.
    next: Vec<(Instant, Change)>,
}

/// A change that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    State(InstanceState),
    Address,
    /// The end of a reboot.
    Back,
}

impl SimInstance {
    pub(super) fn booting(
        id: InstanceId,
        compute: Compute,
        tags: BTreeMap<String, String>,
        boot: Boot,
        number: u32,
        now: Instant,
    ) -> Self {
        let mut instance = Self {
            id,
            state: InstanceState::Pending,
            state_since: now,
            state_reason: None,
            down_since: None,
            has_run: false,
            is_one_time_spot: false,
            compute,
            family: None,
            role: Some(BOX_ROLE.to_owned()),
            tags,
            launched_at: now,
            rebooted_at: None,
            reboots: false,
            invocations: Vec::new(),
            number,
            boots: 0,
            is_public: false,
            addressed: false,
            next: Vec::new(),
        };
        instance.boot(boot, now);
        instance
    }

    /// Whether a scan with this scope reads the instance. Instances of EC2 have no family.
    pub(super) fn is_in(&self, tasks: &TaskScope) -> bool {
        let Some(family) = &self.family else {
            return true;
        };
        tasks.families.is_empty()
            || tasks.families.contains(family)
            || (tasks.started_by_reeve && self.state.is_live())
            || tasks.ids.contains(&self.id)
    }

    /// Begins to boot, at a launch or a start.
    pub(super) fn boot(&mut self, boot: Boot, now: Instant) {
        self.place(InstanceState::Pending, now);
        self.state_reason = None;
        self.launched_at = now;
        self.boots = self.boots.wrapping_add(1);
        self.rebooted_at = None;
        let running_at = now + boot.pending;
        self.next = vec![
            (running_at, Change::State(InstanceState::Running)),
            (running_at + boot.address_after, Change::Address),
        ];
    }

    /// Reboots: the address does not answer for this long. The provider shows no change.
    pub(super) fn reboot(&mut self, length: Millis, now: Instant) {
        self.rebooted_at = Some(now);
        self.reboots = true;
        self.reboot_until(now + length);
    }

    /// Makes the reboot under way end at this instant.
    pub(super) fn reboot_until(&mut self, at: Instant) {
        self.next.retain(|(_, change)| *change != Change::Back);
        self.next.push((at, Change::Back));
        self.next.sort_by_key(|(at, _)| *at);
    }

    /// The begin of the present life of its software: a launch, a start or a reboot.
    pub fn booted_at(&self) -> Instant {
        self.rebooted_at.unwrap_or(self.launched_at)
    }

    /// Makes the boot that has just begun end in `stopped` after this time.
    pub(super) fn fall_back(&mut self, after: Millis, now: Instant) {
        self.next = vec![(now + after, Change::State(InstanceState::Stopped))];
        self.state_reason = Some(reason(
            "Server.InternalError",
            "an internal error on launch",
        ));
    }

    /// Begins to stop or to terminate: it enters `by` at once, and `rest` after `after`.
    pub(super) fn end(
        &mut self,
        by: InstanceState,
        rest: InstanceState,
        after: Millis,
        now: Instant,
    ) {
        self.place(by, now);
        self.state_reason = Some(match self.compute {
            Compute::Ec2 => reason("Client.UserInitiatedShutdown", "User initiated"),
            Compute::Fargate { .. } => reason("UserInitiated", "Task stopped by user"),
        });
        self.next = vec![(now + after, Change::State(rest))];
    }

    /// Puts the instance into a state at once. It loses its addresses and its due changes.
    pub(super) fn place(&mut self, state: InstanceState, now: Instant) {
        self.enter(state, now);
        self.addressed = false;
        self.reboots = false;
        self.next.clear();
    }

    /// Says that the provider took the instance back, and not a call to its API.
    pub(super) fn note_reclaimed(&mut self) {
        self.state_reason = Some(match self.compute {
            Compute::Ec2 => reason(
                "Server.SpotInstanceTermination",
                "Spot instance termination",
            ),
            Compute::Fargate { .. } => {
                reason("SpotInterruption", "Your Spot Task was interrupted.")
            }
        });
    }

    /// Says that it ended from inside, when it was in this state.
    pub(super) fn note_exited(&mut self, state: InstanceState) {
        self.state_reason = Some(match (&self.compute, state) {
            (Compute::Ec2, _) => reason(
                "Client.InstanceInitiatedShutdown",
                "Instance initiated shutdown",
            ),
            (Compute::Fargate { .. }, InstanceState::Pending) => reason(
                "TaskFailedToStart",
                "CannotPullContainerError: the image was not found",
            ),
            (Compute::Fargate { .. }, _) => reason(
                "EssentialContainerExited",
                "Essential container in task exited",
            ),
        });
    }

    fn enter(&mut self, state: InstanceState, at: Instant) {
        self.state = state;
        self.state_since = at;
        self.has_run |= state == InstanceState::Running;
        self.down_since = match state.is_live() {
            true => None,
            false => self.down_since.or(Some(at)),
        };
    }

    pub(super) fn advance(&mut self, now: Instant, events: &mut Vec<WorldEvent>) {
        let due = self.next.iter().take_while(|(at, _)| *at <= now).count();
        let due: Vec<_> = self.next.drain(..due).collect();
        for (at, change) in due {
            let kind = match change {
                Change::State(state) => {
                    self.enter(state, at);
                    EventKind::State(state)
                }
                Change::Address => {
                    self.addressed = true;
                    EventKind::Addressed
                }
                Change::Back => {
                    self.reboots = false;
                    EventKind::Rebooted
                }
            };
            events.push(WorldEvent {
                at,
                id: self.id.clone(),
                kind,
            });
        }
    }

    pub(super) fn next_change(&self) -> Option<Instant> {
        self.next.first().map(|(at, _)| *at)
    }

    /// How many requests reached it within this window before `now`.
    pub fn invocations_within(&self, now: Instant, window: Millis) -> u32 {
        let within = self
            .invocations
            .iter()
            .filter(|at| now.since(**at) <= window);
        u32::try_from(within.count()).unwrap_or(u32::MAX)
    }

    /// Its private address; `None`: none is assigned.
    pub fn private_ip(&self) -> Option<IpAddr> {
        let [high, low] = self.number_of_address();
        self.addressed
            .then(|| IpAddr::V4(Ipv4Addr::new(10, 0, high, low)))
    }

    /// Its public address; `None`: none is assigned.
    pub fn public_ip(&self) -> Option<IpAddr> {
        let [high, low] = self.number_of_address();
        (self.addressed && self.is_public)
            .then(|| IpAddr::V4(Ipv4Addr::new(54, self.boots, high, low)))
    }

    fn number_of_address(&self) -> [u8; 2] {
        let number = u16::try_from(self.number % 65_536);
        number.unwrap_or(0).to_be_bytes()
    }

    /// The reading that a describe call returns.
    pub fn reading(&self) -> Instance {
        Instance {
            id: self.id.clone(),
            state: self.state,
            state_reason: self.state_reason.clone().filter(|_| self.state.is_down()),
            private_ip: self.private_ip(),
            public_ip: self.public_ip(),
            launched_at: Some(self.launched_at),
            role: self.role.clone(),
            tags: self.tags.clone(),
        }
    }
}

fn reason(code: &str, text: &str) -> StateReason {
    StateReason {
        code: code.to_owned(),
        text: text.to_owned(),
    }
}
