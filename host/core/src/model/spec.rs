//! The configuration: pools, workers and limits.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::boxes::ProofKind;
use crate::model::compute::{Compute, LaunchSource};
use crate::model::demand::DemandSpec;
use crate::model::health::HealthSpec;
use crate::model::id::{PointerName, PoolName, Region, WorkerId};
use crate::model::instance::Owner;
use crate::model::time::{Millis, UtcOffset};

/// The configuration of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSpec {
    /// The fleet's name. It goes into launch tokens, so two fleets in one account never collide.
    pub name: String,
    /// Whether the host changes no instance, and is given a cloud and a store that keep its writes
    /// in a [`Shadow`](crate::shadow::Shadow).
    pub dry_run: bool,
    /// The pools by name.
    pub pools: BTreeMap<PoolName, PoolSpec>,
    /// The workers by id; each names a pool of `pools`.
    pub workers: BTreeMap<WorkerId, WorkerSpec>,
    /// The budget of launches, starts and stops over all pools together.
    pub budget: Budget,
    /// How long a worker's record must stay unchanged before its lease counts as abandoned.
    pub lease: Millis,
}

impl Default for FleetSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            dry_run: false,
            pools: BTreeMap::new(),
            workers: BTreeMap::new(),
            budget: Budget::default(),
            lease: LEASE,
        }
    }
}

/// The default length of a lease. Ten renewals of 3 s may be lost to a busy host or a slow store
/// before another host takes over; a dead host's work waits half a minute.
pub const LEASE: Millis = Millis::from_secs(30);

/// The configuration of a pool: workers that share region, launch source, policies and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// The region of the instances and the pointers.
    pub region: Region,
    /// The kind of compute of the instances.
    pub compute: Compute,
    /// The key of the tag by which a worker's instances are found.
    pub tag_key: String,
    /// The port of the workers; the URL is `http://{address}:{port}`.
    pub port: u16,
    /// The capacity options of launches, of the same kind as `compute`, in the order in which they are
    /// tried; empty if this pool never launches.
    pub launch: Vec<LaunchSource>,
    /// Labels of its workers that policies are shown. None by default, like `policy_tags`.
    pub policy_labels: Vec<String>,
    /// Tags that `adopt` and `reap` policies are shown. None by default, because texts make up most
    /// of the cost of a policy call.
    pub policy_tags: Vec<String>,
    /// How an instance of the pool is restarted.
    pub restart_by: RestartBy,
    /// What follows if the provider refuses for good to stop an instance that the host wants to
    /// reap. `keep`: a termination deletes disks, and only an operator knows whether they matter.
    pub stop_refused: StopRefused,
    /// Whether the host asks the `reap` policy on each scan.
    pub reap: bool,
    /// Whether the heartbeats of a registered box count as use, next to hand-outs and reports (G5).
    /// For workers that take their work from a queue, so that no caller asks the host for them.
    pub heartbeats_are_use: bool,
    /// Which instances next to the adopted one are ended. Those that this fleet launched: nothing
    /// says that an instance of another origin with the same tag is not in use.
    pub orphans: OrphanRule,
    /// Whether an adopted instance that this fleet did not launch may be terminated. `false`: it is
    /// stopped, because a stop can be undone, and only its owner knows what is on its disks.
    pub terminate_adopted: bool,
    /// Whether the worker moves to the live instance that a person makes its pointer name. `false`:
    /// the record decides, and the pointer is written back.
    pub follow_pointer: bool,
    /// The offset of local time from UTC, for rules about hours of the day.
    pub utc_offset: UtcOffset,
    /// The demand metric; `None` if demand is unavailable. The host reads it only if it asks the
    /// `reap` policy.
    pub demand: Option<DemandSpec>,
    /// The health checks of the workers; `None` for none.
    pub health: Option<HealthSpec>,
    /// How boxes of this pool register; `None` if they do not, so that their silence proves
    /// nothing.
    pub boxes: Option<BoxSpec>,
    /// The limits that the guard enforces.
    pub limits: Limits,
}

impl PoolSpec {
    /// Whether the host reads the provider's status checks: the pool asks for them and runs on EC2,
    /// the only provider of such checks.
    pub fn has_status_checks(&self) -> bool {
        let wanted = self.health.as_ref().is_some_and(|spec| spec.status_checks);
        wanted && self.compute.is_ec2()
    }
}

/// How an instance is restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartBy {
    /// The operating system is rebooted. The instance keeps its id, its addresses, its disks and its
    /// capacity. EC2 only.
    Reboot,
    /// The instance is stopped and started, and its disks stay. Only if the compute can start
    /// instances again.
    #[default]
    StopStart,
    /// The instance is terminated, and another one is launched.
    Replace,
}

impl RestartBy {
    /// The kinds that this compute allows.
    pub fn allowed(compute: &Compute) -> &'static [Self] {
        match compute {
            Compute::Ec2 => &[Self::StopStart, Self::Reboot, Self::Replace],
            // ECS can only end a task for good.
            Compute::Fargate { .. } => &[Self::Replace],
        }
    }

    /// The value in the configuration and in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::StopStart => "stop-start",
            Self::Replace => "replace",
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for RestartBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What follows if the provider refuses for good to stop an instance: an instance of a one-time
/// Spot request, one on an instance store, or one with stop protection (EC2 user guide, "Stop and
/// start Amazon EC2 instances").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopRefused {
    /// The instance stays in service.
    #[default]
    Keep,
    /// The next reap terminates the instance, if that is permitted (G9).
    Terminate,
}

/// Which instances that are not adopted may be ended (G2), by the host's rule or by a policy. A
/// foreign instance is never ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphanRule {
    /// Those that this fleet launched.
    #[default]
    EndOurs,
    /// Those that this fleet launched, and those that no fleet did.
    EndUnclaimed,
    /// None; a notice names each.
    Leave,
}

impl OrphanRule {
    /// Whether an instance of this owner may be ended without having been adopted.
    pub fn ends(self, owner: &Owner) -> bool {
        match self {
            Self::EndOurs => *owner == Owner::Ours,
            Self::EndUnclaimed => !matches!(owner, Owner::Foreign(_)),
            Self::Leave => false,
        }
    }

    /// The value in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndOurs => "end-ours",
            Self::EndUnclaimed => "end-unclaimed",
            Self::Leave => "leave",
        }
    }
}

/// How the boxes of a pool register and report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxSpec {
    /// The kind of proof that a box registers with.
    pub proof: ProofKind,
    /// The interval between a box's heartbeats. 30 s.
    pub heartbeat: Millis,
    /// The age at which a token is rotated: the response to a heartbeat then carries its successor.
    /// 1 hour: a leaked token is worth little, and the record is written once an hour per box.
    pub rotation: Millis,
}

impl BoxSpec {
    /// The default configuration with this kind of proof.
    pub fn new(proof: ProofKind) -> Self {
        Self {
            proof,
            heartbeat: Millis::from_secs(30),
            rotation: Millis::from_secs(3600),
        }
    }

    /// How long after its last use a token counts as live: three heartbeats, so that one lost and
    /// one late heartbeat do not allow a second register (G8).
    pub fn token_live(&self) -> Millis {
        Millis::new(self.heartbeat.get().saturating_mul(3))
    }
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSpec {
    /// The worker's pool.
    pub pool: PoolName,
    /// The value of the pool's tag on this worker's instances. No two workers of a region and tag
    /// key share a value, because an instance would belong to both.
    pub tag_value: String,
    /// The pointer that names the worker's instance.
    pub pointer: PointerName,
    /// When the worker is to run.
    pub wish: Wish,
    /// The worker's labels: what a team calls it by, such as its tenant.
    pub labels: BTreeMap<String, String>,
}

/// When a worker is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// While callers ask for it.
    #[default]
    OnDemand,
    /// Always: the host brings it up without a caller, and never reaps it (V6).
    Running,
}

/// The limits of one pool, which hold whatever its policies say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The interval between two scans of a pool. 30 s: two describe calls a minute per pool, far
    /// below the refill of 20 per second (EC2 developer guide, "Request throttling").
    pub scan_interval: Millis,
    /// How long a resolve waits if the caller names no `wait`. 5 s: five readings of the address,
    /// half a second apart, and the cloud's response times.
    pub pass_max: Millis,
    /// An instance with activity newer than this is never stopped (G5). A worker whose last caller
    /// was turned away is brought up for as long (V6): a webhook asks once, and capacity may come
    /// back minutes later. 10 minutes.
    pub idle_min: Millis,
    /// How long "no such id" after a launch counts as "not visible yet". 5 minutes: EC2 asks to
    /// retry "from seconds to minutes" (developer guide, "Eventual consistency").
    pub not_visible_grace: Millis,
    /// How long an instance may be `pending` before the host ends it. 15 minutes: as long as
    /// Karpenter lets a node take to register. A boot takes half a minute, of bare metal or of a
    /// task with a large image about ten minutes.
    pub launch_timeout: Millis,
    /// How long an instance may run without an address before the host ends it. 5 minutes: an
    /// address takes 1 to 5 s (docs/incidents.md#ip-race).
    pub address_timeout: Millis,
    /// How long an instance may be `stopping` before another is launched in its place. 20 minutes:
    /// stops of bare metal have taken about ten (public reports).
    pub stopping_timeout: Millis,
    /// How many starts in a row may fail before the host gives the stopped instance up. 3: two may
    /// be chance.
    pub start_failures_max: u32,
    /// How long starts may keep failing before the next failure gives the stopped instance up, even
    /// if there were fewer. 15 minutes: as long as a launch may take.
    pub start_give_up: Millis,
    /// How long every scan must have shown an orphan before the host ends it (G2). 10 minutes: a
    /// host hands out an address for at most that long without asking again, so every caller that
    /// got the orphan's address has since got another. The time also covers EC2's eventual
    /// consistency and a lease.
    pub orphan_grace: Millis,
    /// How long a worker may take deliveries and process none before it counts as unresponsive,
    /// even if its heartbeats arrive (docs/incidents.md#double-provision). 5 minutes. Applies only
    /// if its box registers or a program reports processed work.
    pub unresponsive_after: Millis,
    /// How long an instance drains before a reap. It is not handed out in that time, and a caller
    /// that still uses it can cancel the reap (G5). 30 s: as long as the standard policy lets
    /// callers repeat an address.
    pub drain: Millis,
    /// The window after the start of a restart in which restarts by programs are dropped, whatever
    /// a policy says (G7). 60 s: a boot takes 20 to 30 s, in which the worker looks dead, and twice
    /// that was the answer to docs/incidents.md#self-fire.
    pub restart_window: Millis,
    /// The budget of one worker.
    pub worker_budget: Budget,
    /// The budget of the pool's workers together.
    pub pool_budget: Budget,
    /// How many of the pool's instances are ended on verdicts of `reap` (G10).
    pub reap_pace: Pace,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            scan_interval: Millis::from_secs(30),
            pass_max: Millis::from_secs(5),
            idle_min: Millis::from_secs(600),
            not_visible_grace: Millis::from_secs(300),
            launch_timeout: Millis::from_secs(900),
            address_timeout: Millis::from_secs(300),
            stopping_timeout: Millis::from_secs(1_200),
            start_failures_max: 3,
            start_give_up: Millis::from_secs(900),
            orphan_grace: Millis::from_secs(600),
            unresponsive_after: Millis::from_secs(300),
            drain: Millis::from_secs(30),
            restart_window: Millis::from_secs(60),
            worker_budget: Budget {
                launches: 6,
                starts: 6,
                stops: 6,
                window: Millis::from_secs(3600),
            },
            pool_budget: Budget::default(),
            reap_pace: Pace::default(),
        }
    }
}

/// How many instances of a pool may be ended on verdicts of `reap` within a rolling window: a share
/// of the pool's workers, and at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The share, in percent.
    pub percent: u32,
    /// The window's length.
    pub window: Millis,
}

impl Default for Pace {
    /// A tenth in ten minutes: a pool that falls idle in the evening is down in two hours, and an
    /// operator has an hour before a wrong policy has ended half of a pool.
    fn default() -> Self {
        Self {
            percent: 10,
            window: Millis::from_secs(600),
        }
    }
}

impl Pace {
    /// The budget of reaps for a pool of so many workers. It allows nothing but stops.
    pub fn budget(self, workers: usize) -> Budget {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        Budget {
            launches: 0,
            starts: 0,
            stops: (workers.saturating_mul(self.percent) / 100).max(1),
            window: self.window,
        }
    }
}

/// How many mutations of each kind are allowed within a rolling window (G10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Launches allowed in the window.
    pub launches: u32,
    /// Starts allowed in the window.
    pub starts: u32,
    /// Stops and terminations allowed in the window.
    pub stops: u32,
    /// The window's length.
    pub window: Millis,
}

impl Default for Budget {
    /// 60 of each in an hour: far more than a healthy pool needs, far fewer than a loop makes.
    fn default() -> Self {
        Self {
            launches: 60,
            starts: 60,
            stops: 60,
            window: Millis::from_secs(3600),
        }
    }
}
