//! Liveness: once the trouble is over, everything comes right within a bound: who asks is served,
//! orphans have ended, the pointer agrees with the record, nothing is left under way and the box is
//! registered.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::POINTER_NONE;
use reeve_core::id::WorkerId;
use reeve_core::spec::{FleetSpec, PoolSpec, WorkerSpec};
use reeve_core::time::{Instant, Millis};

use super::super::Casts;
use super::super::options::Options;
use super::super::shelf::Shelf;
use super::{CLOCKS_APART, live_of, placed};
use crate::world::World;

/// Half an hour for a worker that cycles, 20 minutes for a slow stop, 20 for the longest window of
/// a budget, 10 for an orphan's grace, and as much again for what has to happen one after the
/// other.
const BOUND: Millis = Millis::from_secs(160 * 60);

/// What is not yet as it should be.
pub(super) struct Recovery {
    since: Option<Instant>,
    /// Workers whose policies are known to bring them up.
    sound: BTreeSet<WorkerId>,
    served: BTreeSet<WorkerId>,
    open: BTreeMap<WorkerId, String>,
}

impl Recovery {
    pub(super) fn new(spec: &FleetSpec, options: &Options, casts: &Casts) -> Self {
        let is_sound = |(place, worker): (usize, &WorkerId)| {
            let pool = options.workers.get(place).copied().unwrap_or(0);
            let cast = &options.pools.get(pool)?.cast;
            casts.sound.contains(cast).then(|| worker.clone())
        };
        Self {
            since: None,
            sound: spec
                .workers
                .keys()
                .enumerate()
                .filter_map(is_sound)
                .collect(),
            served: BTreeSet::new(),
            open: BTreeMap::new(),
        }
    }

    pub(super) fn calm(&mut self, at: Instant) {
        self.since = Some(at);
        self.served.clear();
    }

    pub(super) fn served(&mut self, worker: &WorkerId) {
        self.served.insert(worker.clone());
    }

    /// Looks at every worker; what is wrong for too long is a violation.
    pub(super) fn look(
        &mut self,
        now: Instant,
        world: &World,
        shelf: &Shelf,
        spec: &FleetSpec,
    ) -> Vec<(WorkerId, String)> {
        self.open.clear();
        for worker in &self.sound {
            let Some((of, pool)) = placed(spec, worker) else {
                continue;
            };
            let trouble = match self.served.contains(worker) {
                false => Some("no caller was served since".to_owned()),
                true => not_well(worker, of, pool, world, shelf)
                    .or_else(|| self.silent(worker, pool, shelf)),
            };
            if let Some(trouble) = trouble {
                self.open.insert(worker.clone(), trouble);
            }
        }
        let is_late = self.since.is_some_and(|since| now.since(since) > BOUND);
        let late = self.open.iter().filter(|_| is_late);
        late.map(|(worker, text)| {
            let text = format!("{BOUND} after the trouble ended: {text}");
            (worker.clone(), text)
        })
        .collect()
    }

    /// A box that has registered shows its token.
    fn silent(&self, worker: &WorkerId, pool: &PoolSpec, shelf: &Shelf) -> Option<String> {
        let heard_at = shelf.truth(worker).activity.heartbeat_at;
        let since = self.since? + CLOCKS_APART;
        let is_silent = pool.boxes.is_some() && heard_at.is_none_or(|at| at < since);
        is_silent.then(|| "no heartbeat came since".to_owned())
    }

    pub(super) fn all_is_well(&self) -> bool {
        self.since.is_some() && self.open.is_empty()
    }
}

/// What is not as it should be with a worker that is served.
fn not_well(
    worker: &WorkerId,
    spec: &WorkerSpec,
    pool: &PoolSpec,
    world: &World,
    shelf: &Shelf,
) -> Option<String> {
    let truth = shelf.truth(worker);
    let record = &truth.record;
    let Some(adopted) = &record.adopted else {
        return Some("no instance is adopted".to_owned());
    };
    let pointer = world.pointer(&spec.pointer).unwrap_or(POINTER_NONE);
    if pointer != adopted.id.as_str() {
        return Some(format!(
            "the pointer says {pointer}, and the record {}",
            adopted.id
        ));
    }
    if let Some(orphan) = live_of(world, spec).find(|instance| instance.id != adopted.id) {
        return Some(format!("{} lives on next to {}", orphan.id, adopted.id));
    }
    if let Some(intent) = &record.intent {
        return Some(format!("a {} is under way", intent.mutation.kind()));
    }
    if record
        .restart
        .as_ref()
        .is_some_and(|restart| restart.is_in_flight())
    {
        return Some("a restart is in flight".to_owned());
    }
    let is_registered = record.credential.as_ref().is_some_and(|credential| {
        credential.instance == adopted.id && credential.generation == adopted.generation
    });
    (pool.boxes.is_some() && !is_registered).then(|| format!("{} is not registered", adopted.id))
}
