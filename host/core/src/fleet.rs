//! All workers of one host, and the core's one entry point: [`Fleet::step`]. `flow` has the work of
//! one worker. This module has what workers share: scans, budgets, the count of decisions, and the
//! readings made for a whole pool (`demand`, `status_checks`, `tasks`).

mod demand;
mod status_checks;
mod tasks;

use std::collections::BTreeMap;

use crate::effect::Effect;
use crate::event::{Event, PoolEvent, PoolTimer, Timer};
use crate::facts::Remembered;
use crate::model::budget::Ledgers;
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::id::{DecisionId, Epoch, Generation, HostId, PoolName, WorkerId};
use crate::model::instance::Instance;
use crate::model::spec::FleetSpec;
use crate::model::store::{Records, Stored};
use crate::model::time::Instant;
use crate::numbers::{Block, Numbers};
use crate::turn::{Pool, Shared, Turn};
use crate::worker::{Worker, WorkerStatus};

/// What a host knows at its start, from its journal and its store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The highest generation of each worker in the journal. It keeps a token from being used for
    /// two attempts.
    pub generations: BTreeMap<WorkerId, Generation>,
    /// The highest decision id in the journal.
    pub decisions: DecisionId,
    /// The decision ids that the store has reserved for this life; `None` if it did not answer.
    pub block: Option<Block>,
    /// The highest epoch.
    pub epoch: Epoch,
    /// The workers' records in the store; `None` if the store could not be read. A record that could
    /// not be read is unknown, and one that is missing was never written.
    pub records: Option<Records>,
}

/// The identity of a host among the hosts of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The host's name in leases.
    pub host: HostId,
    /// Whether other hosts write the same store.
    pub store_is_shared: bool,
}

/// The state of one host. The same events at the same instants give the same effects.
#[derive(Clone, Debug)]
pub struct Fleet {
    workers: BTreeMap<WorkerId, Worker>,
    shared: Shared,
}

impl Fleet {
    /// A host at its start, which has read nothing from the cloud yet.
    pub fn new(spec: FleetSpec, identity: Identity, recovered: Recovered) -> Self {
        let pools = spec
            .pools
            .iter()
            .map(|(name, pool)| (name.clone(), Pool::new(name, pool, &spec)))
            .collect();
        let workers = spec.workers.iter().filter_map(|(id, worker)| {
            // The configuration refuses a worker without its pool; without a pool the worker would
            // have no region.
            let pool = spec.pools.get(&worker.pool)?.clone();
            let stored = |records: &Records| match records.get(id) {
                Some(found) => found.clone().ok(),
                None => Some(Stored::default()),
            };
            let remembered = Remembered {
                stored: recovered.records.as_ref().and_then(stored),
                generation: recovered.generations.get(id).copied().unwrap_or_default(),
                epoch: recovered.epoch,
            };
            let worker = Worker::new(
                id.clone(),
                spec.name.clone(),
                worker.clone(),
                pool,
                remembered,
            );
            Some((id.clone(), worker))
        });
        let mut fleet = Self {
            workers: workers.collect(),
            shared: Shared {
                us: identity.host,
                store_is_shared: identity.store_is_shared,
                lease: spec.lease,
                dry_run: spec.dry_run,
                ledgers: Ledgers::default(),
                adopted: BTreeMap::new(),
                budget: spec.budget,
                pools,
                decisions: Numbers::new(recovered.decisions, recovered.block),
                checks_itself: cfg!(debug_assertions),
            },
        };
        for worker in fleet.workers.values() {
            fleet.shared.note(worker);
        }
        fleet
    }

    /// Takes in one event that happened at `now`, and returns the effects in order. Events about
    /// workers that are not configured have no effect.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut turn = Turn::new(now, &mut self.shared);
        match event {
            Event::Started => {
                let pools: Vec<_> = turn.shared.pools.keys().cloned().collect();
                for pool in pools {
                    demand::schedule(&mut turn, &pool);
                    scan_now_and_again(&mut turn, pool);
                }
                for worker in self.workers.values_mut() {
                    worker.on_started(&mut turn);
                }
            }
            Event::Pool { pool, what } => on_pool(&mut self.workers, &mut turn, &pool, what),
            Event::Worker { worker, what } => {
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.on_event(&mut turn, what);
                }
            }
        }
        let mut effects = turn.effects;
        tasks::name(&self.workers, &mut effects);
        effects
    }

    /// Makes each step end with a check that no flow that has heard nothing does something; the
    /// check panics if one does. Builds with debug assertions always check.
    pub fn check_itself(&mut self) {
        self.shared.checks_itself = true;
    }

    /// The last decision id in use, if the next block is to be reserved above it.
    pub fn wants_decision_ids(&self) -> Option<DecisionId> {
        let numbers = &self.shared.decisions;
        numbers.are_short().then(|| numbers.last())
    }

    /// Takes in a block of decision ids that the store has reserved for this life.
    pub fn add_decision_ids(&mut self, block: Block) {
        self.shared.decisions.add(block);
    }

    /// One worker.
    pub fn worker(&self, id: &WorkerId) -> Option<&Worker> {
        self.workers.get(id)
    }

    /// All workers, in the order of their names.
    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.workers.values()
    }

    /// The status of one worker.
    pub fn status(&self, id: &WorkerId, now: Instant) -> Option<WorkerStatus> {
        Some(self.workers.get(id)?.status(now))
    }
}

fn on_pool(
    workers: &mut BTreeMap<WorkerId, Worker>,
    turn: &mut Turn<'_>,
    pool: &PoolName,
    what: PoolEvent,
) {
    match what {
        PoolEvent::TimerFired(PoolTimer::Scan) => {
            status_checks::ask(workers, turn, pool);
            scan_now_and_again(turn, pool.clone());
        }
        PoolEvent::TimerFired(PoolTimer::ReadDemand) => {
            demand::schedule(turn, pool);
            demand::ask(workers, turn, pool);
        }
        PoolEvent::Queried {
            query,
            asked_at,
            result,
        } => match query {
            Query::Demand { metrics, .. } => {
                demand::distribute(workers, turn, pool, asked_at, metrics, result);
            }
            Query::StatusChecks { ids, .. } => {
                status_checks::distribute(workers, turn, pool, asked_at, &ids, result);
            }
            Query::Scan { .. }
            | Query::Instance { .. }
            | Query::Pointer { .. }
            | Query::TemplateVersion { .. } => {
                turn.note_rate(pool, &query, asked_at, &result);
                distribute(workers, turn, pool, asked_at, result);
            }
        },
    }
}

fn scan_now_and_again(turn: &mut Turn<'_>, pool: PoolName) {
    turn.scan(&pool);
    let Some(state) = turn.shared.pools.get(&pool) else {
        return;
    };
    let at = turn.now + state.spec.limits.scan_interval;
    turn.effects.push(Effect::Timer {
        at,
        timer: Timer::Pool(pool, PoolTimer::Scan),
    });
}

fn distribute(
    workers: &mut BTreeMap<WorkerId, Worker>,
    turn: &mut Turn<'_>,
    name: &PoolName,
    asked_at: Instant,
    result: Result<Reading, CloudError>,
) {
    let Some(pool) = turn.shared.pools.get_mut(name) else {
        return;
    };
    pool.scan_in_flight = false;
    let tag_key = pool.spec.tag_key.clone();
    let mut by_value: BTreeMap<String, Vec<Instance>> = BTreeMap::new();
    let result = match result {
        Ok(Reading::Scan(found)) => {
            for instance in found {
                if let Some(value) = instance.tags.get(&tag_key) {
                    by_value.entry(value.clone()).or_default().push(instance);
                }
            }
            Ok(())
        }
        // Any other reading does not answer a scan.
        Ok(_) => return,
        Err(error) => Err(error),
    };
    for worker in workers
        .values_mut()
        .filter(|worker| &worker.spec.pool == name)
    {
        let found = match &result {
            Ok(()) => Ok(by_value.remove(&worker.spec.tag_value).unwrap_or_default()),
            Err(error) => Err(error.clone()),
        };
        worker.on_scan(turn, asked_at, found);
    }
}
