//! The options of a random world. The seed draws all of them, and a caller may change any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reeve_core::boxes::ProofKind;
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::demand::{DemandSpec, Statistic};
use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::id::{PointerName, PoolName, Region, WorkerId};
use reeve_core::spec::{
    BoxSpec, Budget, FleetSpec, LEASE, Limits, OrphanRule, PoolSpec, RestartBy, StopRefused, Wish,
    WorkerSpec,
};
use reeve_core::time::{Millis, UtcOffset};

use super::afflicted;
use super::fault::Fault;

/// The key of the tag by which all simulated fleets find their instances.
pub(super) const TAG_KEY: &str = "Name";
/// The name of the hosts' fleet.
pub(super) const FLEET: &str = "swarm";
/// The cluster of the Fargate pools.
const CLUSTER: &str = "swarm";
/// The random stream for a pool's compute and health. The world's streams have lower numbers, the
/// faults' streams higher ones.
const COMPUTE_AND_HEALTH: u64 = 50;
/// The random stream for a pool's patience.
const PATIENCE: u64 = 51;
/// The random stream for a pool's rules about instances that others launched.
const ORIGINS: u64 = 52;
/// The random stream for pools in which a storm can show.
const STORMS: u64 = 53;

/// The description of one random world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The seed of every random draw.
    pub seed: u64,
    /// How many hosts share the workers. A single host has a store of its own, unless
    /// `shared_store` is set.
    pub hosts: usize,
    /// Whether the store says of itself that other hosts may write to it.
    pub shared_store: bool,
    /// The pools.
    pub pools: Vec<PoolOptions>,
    /// The workers, each as the index of its pool.
    pub workers: Vec<usize>,
    /// How long faults occur.
    pub troubled: Millis,
    /// The kinds of trouble this world has.
    pub faults: BTreeSet<Fault>,
    /// Single occurrences that are left out, counted from 1. The shrinker mutes them.
    pub muted: BTreeSet<(Fault, u64)>,
    /// How long after its begin the run ends; `None`: it ends when every worker has recovered.
    pub cut: Option<Millis>,
}

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
    fn draw(between: &mut impl FnMut(u64, u64) -> u64) -> Self {
        Self {
            launch: Millis::from_secs(60 * between(4, 15)),
            address: Millis::from_secs(60 * between(2, 5)),
            stopping: Millis::from_secs(60 * between(5, 25)),
            start_failures: between(2, 4) as u32,
            start_give_up: Millis::from_secs(60 * between(5, 15)),
        }
    }
}

impl Options {
    /// Draws the world of a seed, with policies of these casts.
    pub fn draw(seed: u64, casts: &[String]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut between = |from: u64, to: u64| from + rng.next_u64() % (to - from + 1);
        let hosts = [1, 1, 2, 2, 3][between(0, 4) as usize];
        let shared_store = hosts > 1 || between(0, 2) == 0;
        let mut pools: Vec<_> = (0..between(1, 2))
            .map(|_| PoolOptions::draw(&mut between, casts))
            .collect();
        let last = pools.len() as u64 - 1;
        let workers: Vec<_> = (0..between(1, 3))
            .map(|_| between(0, last) as usize)
            .collect();
        // A world has a share of the faults only, because many faults at once hide each other.
        let share = [20, 35, 50, 70][between(0, 3) as usize];
        let mut faults: BTreeSet<_> = Fault::ALL
            .into_iter()
            .filter(|fault| {
                let drawn = between(0, 99);
                *fault == Fault::Throttled || drawn < share
            })
            .collect();
        // Compute and health have a stream of their own, which leaves the other draws unchanged.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(COMPUTE_AND_HEALTH);
        let mut between = |from: u64, to: u64| from + rng.next_u64() % (to - from + 1);
        for pool in &mut pools {
            if between(0, 3) == 0 {
                pool.live_in_fargate();
            }
            pool.stop_refused = match between(0, 1) {
                0 => StopRefused::Keep,
                _ => StopRefused::Terminate,
            };
            pool.health = (between(0, 2) == 0).then(|| health(&mut between, &pool.compute));
        }
        for pool in &mut pools {
            if between(0, 3) == 0 {
                pool.wish = Wish::Running;
            }
            pool.heartbeats_are_use = pool.boxes && between(0, 2) == 0;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(PATIENCE);
        let mut between = |from: u64, to: u64| from + rng.next_u64() % (to - from + 1);
        for pool in &mut pools {
            pool.patience = Patience::draw(&mut between);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(ORIGINS);
        let mut between = |from: u64, to: u64| from + rng.next_u64() % (to - from + 1);
        for pool in &mut pools {
            use OrphanRule::{EndOurs, EndUnclaimed, Leave};
            pool.orphans = [EndOurs, EndOurs, EndUnclaimed, Leave][between(0, 3) as usize];
            pool.terminate_adopted = between(0, 1) == 0;
        }
        for pool in &mut pools {
            pool.follow_pointer = between(0, 2) == 0;
        }
        let workers = with_storms(seed, &mut pools, workers, &faults);
        if workers.iter().all(|pool| Some(pool) == workers.first()) {
            faults.retain(|fault| !afflicted::FAULTS.contains(fault));
        }
        Self {
            seed,
            hosts,
            shared_store,
            pools,
            workers,
            troubled: Millis::from_secs(60 * between(50, 60)),
            faults,
            muted: BTreeSet::new(),
            cut: None,
        }
    }

    /// The configuration that every host of this world has.
    pub(super) fn fleet(&self) -> FleetSpec {
        let pools = self.pools.iter().enumerate();
        FleetSpec {
            name: FLEET.to_owned(),
            dry_run: false,
            pools: pools
                .map(|(place, pool)| (pool_name(place), pool.spec()))
                .collect(),
            workers: self
                .workers
                .iter()
                .enumerate()
                .map(|it| self.worker(it))
                .collect(),
            budget: Budget::default(),
            lease: LEASE,
        }
    }

    fn worker(&self, (place, pool): (usize, &usize)) -> (WorkerId, WorkerSpec) {
        let name = format!("w{}", place + 1);
        let spec = WorkerSpec {
            pool: pool_name(*pool),
            tag_value: format!("{name}-instance"),
            pointer: PointerName::new(format!("/swarm/{name}")),
            wish: self
                .pools
                .get(*pool)
                .map_or_else(Wish::default, |pool| pool.wish),
            labels: [("tenant".to_owned(), format!("t{}", place % 2))].into(),
        };
        (WorkerId::new(name), spec)
    }
}

impl PoolOptions {
    fn draw(between: &mut impl FnMut(u64, u64) -> u64, casts: &[String]) -> Self {
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
            budget: Budget {
                launches: between(2, 8) as u32,
                starts: between(2, 8) as u32,
                stops: between(2, 8) as u32,
                window: Millis::from_secs(60 * between(5, 20)),
            },
        }
    }

    /// Puts the pool on Fargate. A task cannot be started again, so a restart replaces it.
    fn live_in_fargate(&mut self) {
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

    fn spec(&self) -> PoolSpec {
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
                ..Limits::default()
            },
            heartbeats_are_use: self.heartbeats_are_use,
        }
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

/// The workers, with more of them in the first pool if storms are to show there: it takes three workers
/// that are probed, run, and are restarted for one signal.
fn with_storms(
    seed: u64,
    pools: &mut [PoolOptions],
    mut workers: Vec<usize>,
    faults: &BTreeSet<Fault>,
) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STORMS);
    let mut between = |from: u64, to: u64| from + rng.next_u64() % (to - from + 1);
    let is_drawn = faults.contains(&Fault::PoolAils) && between(0, 3) == 0;
    let Some(pool) = pools.first_mut().filter(|_| is_drawn) else {
        return workers;
    };
    let drawn = health(&mut between, &pool.compute);
    pool.health = Some(HealthSpec {
        probe: Some(ProbeSpec {
            kind: ProbeKind::Tcp,
            port: None,
            timeout: Millis::from_secs(2),
        }),
        // The whole pool fails before the first restart could follow.
        every: Millis::from_secs(10),
        unhealthy_after: 4,
        boot_grace: Millis::from_secs(20),
        status_checks: false,
        restart: RestartRule::Any,
        ..drawn
    });
    (pool.wish, pool.reap) = (Wish::Running, false);
    (pool.boxes, pool.heartbeats_are_use) = (false, false);
    workers.extend([0; 4]);
    workers
}

fn health(between: &mut impl FnMut(u64, u64) -> u64, compute: &Compute) -> HealthSpec {
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

/// The name of the pool at this index.
pub(super) fn pool_name(place: usize) -> PoolName {
    PoolName::new(format!("pool-{}", place + 1))
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = if self.shared_store {
            "shared"
        } else {
            "of its own"
        };
        writeln!(
            f,
            "seed {} · {} host(s), store {store} · {} worker(s) · {} min of trouble",
            self.seed,
            self.hosts,
            self.workers.len(),
            self.troubled.get() / 60_000
        )?;
        for (place, pool) in self.pools.iter().enumerate() {
            let on = |is_on: bool, what| if is_on { what } else { "" };
            writeln!(
                f,
                "  {}: {}, policies {}, restart {:?}{}{}{}{}{}{}, idle {}, drain {}, orphans {} after {}{}{}, window {}, budget {}/{}/{} in {}",
                pool_name(place),
                if pool.compute.is_ec2() {
                    "EC2"
                } else {
                    "Fargate"
                },
                pool.cast,
                pool.restart_by,
                on(pool.reap, ", reap"),
                on(pool.boxes, ", boxes"),
                on(pool.heartbeats_are_use, " whose heartbeats are use"),
                on(pool.wish == Wish::Running, ", wanted running"),
                on(pool.demand, ", demand"),
                pool.health.as_ref().map_or(String::new(), told_of_health),
                pool.idle_min,
                pool.drain,
                pool.orphans.as_str(),
                pool.orphan_grace,
                on(pool.terminate_adopted, ", terminates adopted"),
                on(pool.follow_pointer, ", follows pointers"),
                pool.restart_window,
                pool.budget.launches,
                pool.budget.starts,
                pool.budget.stops,
                pool.budget.window,
            )?;
        }
        let faults: Vec<_> = self.faults.iter().map(|fault| fault.as_str()).collect();
        write!(f, "  trouble: {}", faults.join(", "))
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
