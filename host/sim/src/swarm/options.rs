//! The options of a random world. The seed draws all of them, and a caller may change any of them.

mod pool;

use std::collections::BTreeSet;
use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::id::{PointerName, PoolName, WorkerId};
use reeve_core::spec::{Budget, FleetSpec, LEASE, OrphanRule, Pace, StopRefused, Wish, WorkerSpec};
use reeve_core::time::Millis;

pub use pool::{Patience, PoolOptions};

use super::afflicted;
use super::fault::Fault;
use pool::health;

/// The key of the tag by which all simulated fleets find their instances.
pub(super) const TAG_KEY: &str = "Name";
/// The name of the hosts' fleet.
pub(super) const FLEET: &str = "swarm";
/// The random stream for a pool's compute and health. The world's streams have lower numbers, the
/// faults' streams higher ones.
const COMPUTE_AND_HEALTH: u64 = 50;
/// The random stream for a pool's patience.
const PATIENCE: u64 = 51;
/// The random stream for a pool's rules about instances that others launched.
const ORIGINS: u64 = 52;
/// The random stream for pools in which a storm can show.
const STORMS: u64 = 53;
/// The random stream for the budgets of pools and hosts.
const BUDGETS: u64 = 54;
/// The random stream for a pool's pace of reaps.
const PACE: u64 = 55;

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
    /// The launches, starts and stops that a host may spend in a window.
    pub host_budget: Budget,
    /// How long faults occur.
    pub troubled: Millis,
    /// The kinds of trouble this world has.
    pub faults: BTreeSet<Fault>,
    /// Single occurrences that are left out, counted from 1. The shrinker mutes them.
    pub muted: BTreeSet<(Fault, u64)>,
    /// How long after its begin the run ends; `None`: it ends when every worker has recovered.
    pub cut: Option<Millis>,
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
        // Each further choice has a stream of its own, which leaves the other draws unchanged.
        let mut between = stream(seed, COMPUTE_AND_HEALTH);
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
        let mut between = stream(seed, PATIENCE);
        for pool in &mut pools {
            pool.patience = Patience::draw(&mut between);
        }
        let mut between = stream(seed, ORIGINS);
        for pool in &mut pools {
            use OrphanRule::{EndOurs, EndUnclaimed, Leave};
            pool.orphans = [EndOurs, EndOurs, EndUnclaimed, Leave][between(0, 3) as usize];
            pool.terminate_adopted = between(0, 1) == 0;
        }
        for pool in &mut pools {
            pool.follow_pointer = between(0, 2) == 0;
        }
        let mut between = stream(seed, PACE);
        for pool in &mut pools {
            // A pool has few workers, so the smallest share allows one and the largest all of them.
            pool.reap_pace = Pace {
                percent: [10, 70, 100][between(0, 2) as usize],
                window: Millis::from_secs(60 * between(1, 20)),
            };
        }
        let workers = with_storms(seed, &mut pools, workers, &faults);
        if workers.iter().all(|pool| Some(pool) == workers.first()) {
            faults.retain(|fault| !afflicted::FAULTS.contains(fault));
        }
        let host_budget = shared_budgets(seed, &mut pools);
        Self {
            seed,
            hosts,
            shared_store,
            pools,
            workers,
            host_budget,
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
            budget: self.host_budget,
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

/// The numbers of one random stream, each from a range with both ends included.
fn stream(seed: u64, number: u64) -> impl FnMut(u64, u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    move |from, to| from + rng.next_u64() % (to - from + 1)
}

/// The workers, with more of them in the first pool if storms are to show there: it takes three workers
/// that are probed, run, and are restarted for one signal.
fn with_storms(
    seed: u64,
    pools: &mut [PoolOptions],
    mut workers: Vec<usize>,
    faults: &BTreeSet<Fault>,
) -> Vec<usize> {
    let mut between = stream(seed, STORMS);
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

/// Draws the budgets of some pools, and the host's, which this returns. A budget lasts as long as the
/// trouble unless it is drawn, so that no entry leaves its window and few acts are held up by it.
fn shared_budgets(seed: u64, pools: &mut [PoolOptions]) -> Budget {
    let mut between = stream(seed, BUDGETS);
    if between(0, 2) > 0 {
        return Budget::default();
    }
    for pool in pools {
        pool.pool_budget = budget(&mut between, 6, 16);
    }
    budget(&mut between, 8, 24)
}

/// A budget of between `from` and `to` of each kind. The checks of liveness allow for the longest
/// window.
fn budget(between: &mut impl FnMut(u64, u64) -> u64, from: u64, to: u64) -> Budget {
    Budget {
        launches: between(from, to) as u32,
        starts: between(from, to) as u32,
        stops: between(from, to) as u32,
        window: Millis::from_secs(60 * between(5, 20)),
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
        writeln!(f, "  budget of a host {}", told_of_budget(self.host_budget))?;
        for (place, pool) in self.pools.iter().enumerate() {
            writeln!(f, "  {}: {pool}", pool_name(place))?;
        }
        let faults: Vec<_> = self.faults.iter().map(|fault| fault.as_str()).collect();
        write!(f, "  trouble: {}", faults.join(", "))
    }
}

fn told_of_budget(budget: Budget) -> String {
    let Budget {
        launches,
        starts,
        stops,
        window,
    } = budget;
    format!("{launches}/{starts}/{stops} in {window}")
}
