//! What the operator wants, as read from the configuration: pools, workers and limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::boxes::ProofKind;
use crate::model::compute::{Compute, LaunchSource};
use crate::model::demand::DemandSpec;
use crate::model::health::HealthSpec;
use crate::model::id::{PointerName, PoolName, Region, WorkerId};
use crate::model::time::{Millis, UtcOffset};

/// Everything one host keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSpec {
    /// The fleet's name. It goes into launch tokens, so two fleets in one account never collide.
    pub name: String,
    /// Decide and journal, but change nothing in the cloud.
    pub dry_run: bool,
    /// The pools by name.
    pub pools: BTreeMap<PoolName, PoolSpec>,
    /// The workers by id; each names a pool of `pools`.
    pub workers: BTreeMap<WorkerId, WorkerSpec>,
    /// Launches, starts and stops allowed over all pools together.
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

/// Ten renewals of 3 s may be lost to a busy host or a slow store before another host steps in; a dead
/// host's work waits half a minute.
pub const LEASE: Millis = Millis::from_secs(30);

/// Workers that share a region, what they are launched from, policies and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Where the instances are and the pointers are kept.
    pub region: Region,
    /// What the instances are.
    pub compute: Compute,
    /// The key of the tag by which a worker's instances are found.
    pub tag_key: String,
    /// The port a worker answers on; a resolve answers `http://{address}:{port}`.
    pub port: u16,
    /// What instances are launched from, of the same kind as `compute`; `None`: this pool never launches.
    pub launch: Option<LaunchSource>,
    /// Tags that are shown to `adopt` and `reap` policies; none by default, because texts are what a
    /// policy call costs.
    pub policy_tags: Vec<String>,
    /// How an instance of the pool is restarted.
    pub restart_by: RestartBy,
    /// Whether the `reap` policy is asked on each scan.
    pub reap: bool,
    /// The local time's distance from UTC, for rules about hours of the day.
    pub utc_offset: UtcOffset,
    /// The metric that tells how much a worker is wanted; `None`: demand is unavailable. Read only where the
    /// `reap` policy is asked.
    pub demand: Option<DemandSpec>,
    /// How the workers' health is looked after; `None`: not at all.
    pub health: Option<HealthSpec>,
    /// How boxes of this pool register; `None`: they do not, and their silence says nothing.
    pub boxes: Option<BoxSpec>,
    /// What the guard holds to.
    pub limits: Limits,
}

impl PoolSpec {
    /// Whether the provider's status checks are read: where they are wanted. They are EC2's, so a pool that runs on
    /// anything else has none, whatever is wanted.
    pub fn has_status_checks(&self) -> bool {
        let wanted = self.health.as_ref().is_some_and(|spec| spec.status_checks);
        wanted && self.compute.is_ec2()
    }
}

/// How an instance is restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartBy {
    /// It is stopped and started: its disks stay. Only where it can be started again.
    #[default]
    StopStart,
    /// It is terminated, and another one is launched.
    Replace,
}

/// How the boxes of a pool register and report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxSpec {
    /// What a box proves its identity with.
    pub proof: ProofKind,
    /// How often a box is told to send a heartbeat. 30 s.
    pub heartbeat: Millis,
    /// How old a token gets before a heartbeat is answered with its successor. 1 hour: a token that leaked is
    /// worth little, and the record is written once an hour per box.
    pub rotation: Millis,
}

impl BoxSpec {
    /// The defaults, with this proof.
    pub fn new(proof: ProofKind) -> Self {
        Self {
            proof,
            heartbeat: Millis::from_secs(30),
            rotation: Millis::from_secs(3600),
        }
    }

    /// How long after its last use a token counts as live: three heartbeats, so that one lost on the way and
    /// one late do not open the door to a second register (G8).
    pub fn token_live(&self) -> Millis {
        Millis::new(self.heartbeat.get().saturating_mul(3))
    }
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSpec {
    /// Its pool.
    pub pool: PoolName,
    /// The value of the pool's tag on this worker's instances. No two workers of a region and tag key
    /// share one: an instance would belong to both.
    pub tag_value: String,
    /// The pointer that names its instance.
    pub pointer: PointerName,
}

/// The bounds of one pool, whatever its policies say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time between two scans of a pool. 30 s: two describe calls a minute per pool, far below the
    /// refill of 20 per second (EC2 developer guide, "Request throttling").
    pub scan_interval: Millis,
    /// How long a resolve keeps its caller waiting when the caller named no `wait`. 5 s: five looks
    /// for an address half a second apart, and the cloud's answers.
    pub pass_max: Millis,
    /// An instance with activity newer than this is never stopped (G5). 10 minutes.
    pub idle_min: Millis,
    /// How long "no such id" after a launch counts as "not visible yet". 5 minutes: EC2 asks to retry
    /// "from seconds to minutes" (developer guide, "Eventual consistency").
    pub not_visible_grace: Millis,
    /// How long an instance must have been an orphan, by every scan, before the host ends it (G2). 10
    /// minutes: the longest a host goes on handing out an address without asking anew, so whoever was
    /// given the orphan's has been given another since; with it the time of EC2's eventual consistency
    /// and of a lease.
    pub orphan_grace: Millis,
    /// How long a worker may take deliveries and finish none before it counts as unresponsive, whatever its
    /// heartbeat says (docs/incidents.md#double-provision). 5 minutes; only where its box registers or somebody reports what is processed.
    pub unresponsive_after: Millis,
    /// How long an instance that is to be reaped is kept, and not handed out, so that whoever uses it after all can
    /// show (G5). 30 s: as long as the standard policy lets callers repeat an address.
    pub drain: Millis,
    /// Restarts that programs ask for within this time of a restart's start are dropped, whatever a policy says
    /// (G7). 60 s: a boot takes 20 to 30 s, in which the worker looks dead, and incident self-fire settled on twice that.
    pub restart_window: Millis,
    /// Per worker.
    pub worker_budget: Budget,
    /// Over the pool's workers together.
    pub pool_budget: Budget,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            scan_interval: Millis::from_secs(30),
            pass_max: Millis::from_secs(5),
            idle_min: Millis::from_secs(600),
            not_visible_grace: Millis::from_secs(300),
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
        }
    }
}

/// How many mutations of each kind are allowed within a rolling window (G10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// New instances.
    pub launches: u32,
    /// Stopped instances started.
    pub starts: u32,
    /// Instances stopped or terminated.
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
