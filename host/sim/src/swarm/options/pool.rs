//! The options of one pool of a random world.

use std::collections::BTreeMap;
use std::fmt;

use reeve_core::boxes::ProofKind;
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::demand::{DemandSpec, Statistic};
use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::id::Region;
use reeve_core::spec::{
    BoxSpec, Budget, Limits, OrphanRule, Pace, PoolSpec, RestartBy, StopRefused, Wish,
};
use reeve_core::time::{Millis, UtcOffset};

use super::{TAG_KEY, budget, told_of_budget};

/// The cluster of the Fargate pools.
const CLUSTER: &str = "swarm";

/// One pool of a random world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// The name under which the caller bound the policies of this pool.
    pub cast: String,
    /// Whether its instances run on EC2 or Fargate.
    pub compute: Compute,
    /// How its instances are restarted.
    pub restart_by: RestartBy,
    /// What follows a refused stop.
    pub stop_refused: StopRefused,
    /// Whether its instances are reaped.
    pub reap: bool,
    /// Whether its boxes register.
    pub boxes: bool,
    /// When its workers are to run. After the trouble no user asks for those that are always to run.
    pub wish: Wish,
    /// Whether the heartbeats of its boxes count as use.
    pub heartbeats_are_use: bool,
    /// Whether its demand is measured.
    pub demand: bool,
    /// How the health of its workers is checked; `None`: not at all.
    pub health: Option<HealthSpec>,
    /// An instance used more recently than this is kept.
    pub idle_min: Millis,
    /// The time between the mark and the end of a reap.
    pub drain: Millis,
    /// How long an orphan is left alone.
    pub orphan_grace: Millis,
    /// How long an instance may take to pass through a state, and how often a start may fail.
    pub patience: Patience,
    /// Which orphans are ended.
    pub orphans: OrphanRule,
    /// Whether an adopted instance that others launched may be terminated.
    pub terminate_adopted: bool,
    /// Whether a worker follows its pointer.
    pub follow_pointer: bool,
    /// How long programs' restarts are dropped after one began.
    pub restart_window: Millis,
    /// The launches, starts and stops that a worker may spend in a window.
    pub budget: Budget,
    /// The launches, starts and stops that all workers of the pool may spend in a window.
    pub pool_budget: Budget,
    /// The share of the workers that may be reaped in a window.
    pub reap_pace: Pace,
}

/// How long a pool's instances may take to pass through a state, and how often a start may fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// How long an instance may be `pending`.
    pub launch: Millis,
    /// How long an instance may run without an address.
    pub address: Millis,
    /// How long an instance may be `stopping`.
    pub stopping: Millis,
    /// How many starts in a row may fail.
    pub start_failures: u32,
    /// How long starts may keep failing.
    pub start_give_up: Millis,
}

impl Patience {
    /// The bounds are longer than the slow boots and late addresses of a world, and at times
    /// shorter than its slow stops.
    pub(super) fn draw(between: &mut impl FnMut(u64, u64) -> u64) -> Self {
        Self {
            launch: Millis::from_secs(60 * between(4, 15)),
            address: Millis::from_secs(60 * between(2, 5)),
            stopping: Millis::from_secs(60 * between(5, 25)),
            start_failures: between(2, 4) as u32,
            start_give_up: Millis::from_secs(60 * between(5, 15)),
        }
    }
}

impl PoolOptions {
    pub(super) fn draw(between: &mut impl FnMut(u64, u64) -> u64, casts: &[String]) -> Self {
        let last = casts.len() as u64 - 1;
        Self {
            cast: casts[between(0, last) as usize].clone(),
            compute: Compute::Ec2,
            restart_by: [RestartBy::StopStart, RestartBy::Replace, RestartBy::Reboot]
                [between(0, 2) as usize],
            stop_refused: StopRefused::default(),
            reap: between(0, 3) > 0,
            boxes: between(0, 1) > 0,
            demand: between(0, 2) == 0,
            health: None,
            wish: Wish::OnDemand,
            heartbeats_are_use: false,
            idle_min: Millis::from_secs(60 * between(1, 10)),
            drain: Millis::from_secs(between(0, 40)),
            orphan_grace: Millis::from_secs(60 * between(1, 10)),
            patience: Patience::default(),
            orphans: OrphanRule::default(),
            terminate_adopted: false,
            follow_pointer: false,
            restart_window: Millis::from_secs(between(20, 90)),
            budget: budget(between, 2, 8),
            pool_budget: Budget::default(),
            reap_pace: Pace::default(),
        }
    }

    /// Puts the pool on Fargate. A task cannot be started again, so a restart replaces it.
    pub(super) fn live_in_fargate(&mut self) {
        self.compute = Compute::Fargate {
            cluster: CLUSTER.to_owned(),
        };
        self.restart_by = RestartBy::Replace;
    }

    /// How its boxes prove their instance: a task has no instance document.
    fn proof(&self) -> ProofKind {
        match self.compute {
            Compute::Ec2 => ProofKind::InstanceDocument,
            Compute::Fargate { .. } => ProofKind::SharedSecret,
        }
    }

    pub(super) fn spec(&self) -> PoolSpec {
        PoolSpec {
            region: Region::from("us-east-1"),
            compute: self.compute.clone(),
            tag_key: TAG_KEY.to_owned(),
            port: 8000,
            launch: launch_sources(&self.compute),
            policy_labels: vec!["tenant".to_owned()],
            policy_tags: Vec::new(),
            restart_by: self.restart_by,
            stop_refused: self.stop_refused,
            reap: self.reap,
            orphans: self.orphans,
            terminate_adopted: self.terminate_adopted,
            follow_pointer: self.follow_pointer,
            utc_offset: UtcOffset::default(),
            demand: self.demand.then(demand),
            health: self.health.clone(),
            boxes: self.boxes.then(|| BoxSpec::new(self.proof())),
            limits: Limits {
                idle_min: self.idle_min,
                drain: self.drain,
                orphan_grace: self.orphan_grace,
                launch_timeout: self.patience.launch,
                address_timeout: self.patience.address,
                stopping_timeout: self.patience.stopping,
                start_failures_max: self.patience.start_failures,
                start_give_up: self.patience.start_give_up,
                restart_window: self.restart_window,
                worker_budget: self.budget,
                pool_budget: self.pool_budget,
                reap_pace: self.reap_pace,
                ..Limits::default()
            },
            heartbeats_are_use: self.heartbeats_are_use,
        }
    }
}

impl fmt::Display for PoolOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |is_on: bool, what| if is_on { what } else { "" };
        write!(
            f,
            "{}, policies {}, restart {:?}{}{}{}{}{}{}, idle {}, drain {}, orphans {} after {}{}{}, window {}, budget {}, of the pool {}, reaps {} % in {}",
            if self.compute.is_ec2() {
                "EC2"
            } else {
                "Fargate"
            },
            self.cast,
            self.restart_by,
            on(self.reap, ", reap"),
            on(self.boxes, ", boxes"),
            on(self.heartbeats_are_use, " whose heartbeats are use"),
            on(self.wish == Wish::Running, ", wanted running"),
            on(self.demand, ", demand"),
            self.health.as_ref().map_or(String::new(), told_of_health),
            self.idle_min,
            self.drain,
            self.orphans.as_str(),
            self.orphan_grace,
            on(self.terminate_adopted, ", terminates adopted"),
            on(self.follow_pointer, ", follows pointers"),
            self.restart_window,
            told_of_budget(self.budget),
            told_of_budget(self.pool_budget),
            self.reap_pace.percent,
            self.reap_pace.window,
        )
    }
}

fn launch_sources(compute: &Compute) -> Vec<LaunchSource> {
    match compute {
        Compute::Ec2 => ["swarm", "swarm-elsewhere"]
            .map(|template| LaunchSource::LaunchTemplate(template.to_owned()))
            .into(),
        Compute::Fargate { cluster } => vec![LaunchSource::Fargate(FargateTask {
            cluster: cluster.clone(),
            task_definition: "swarm".to_owned(),
            subnets: vec!["subnet-a".to_owned()],
            security_groups: Vec::new(),
            public_ip: false,
            container: None,
        })],
    }
}

pub(super) fn health(between: &mut impl FnMut(u64, u64) -> u64, compute: &Compute) -> HealthSpec {
    let http = ProbeKind::Http {
        path: "/healthz".to_owned(),
        statuses: Vec::new(),
    };
    let kind = [http, ProbeKind::Tcp][between(0, 1) as usize].clone();
    HealthSpec {
        probe: (between(0, 4) > 0).then_some(ProbeSpec {
            kind,
            port: None,
            timeout: Millis::from_secs(2),
        }),
        every: Millis::from_secs(between(10, 40)),
        unhealthy_after: between(2, 4) as u32,
        boot_grace: Millis::from_secs(between(20, 300)),
        status_checks: compute.is_ec2() && between(0, 1) > 0,
        restart: [RestartRule::Never, RestartRule::All, RestartRule::Any][between(0, 2) as usize],
        ..HealthSpec::default()
    }
}

fn demand() -> DemandSpec {
    DemandSpec {
        namespace: "Swarm".to_owned(),
        metric: "Invocations".to_owned(),
        statistic: Statistic::Sum,
        dimensions: BTreeMap::from([("InstanceId".to_owned(), "{instance}".to_owned())]),
        period: Millis::from_secs(60),
        window: Millis::from_secs(600),
        samples_min: 2,
        every: Millis::from_secs(60),
    }
}

fn told_of_health(health: &HealthSpec) -> String {
    let probe = health
        .probe
        .as_ref()
        .map(|probe| probe.kind.signal().as_str());
    format!(
        ", health by {}{} every {} (restart {:?} after {})",
        probe.unwrap_or("no probe"),
        if health.status_checks {
            " and status checks"
        } else {
            ""
        },
        health.every,
        health.restart,
        health.unhealthy_after,
    )
}
