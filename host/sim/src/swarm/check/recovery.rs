//! Liveness: once the trouble is over, every worker recovers within a bound. Its callers are
//! served, or it runs without a caller if that is its wish (V6). Its orphans have ended, its pointer
//! agrees with its record, no mutation is under way, and its box is registered.
//!
//! It also measures how long each worker takes to be served, which has no bound of its own.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::POINTER_NONE;
use reeve_core::id::WorkerId;
use reeve_core::instance::InstanceState;
use reeve_core::spec::{FleetSpec, PoolSpec, Wish, WorkerSpec};
use reeve_core::time::{Instant, Millis};

use super::super::Casts;
use super::super::options::Options;
use super::super::shelf::Shelf;
use super::{CLOCKS_APART, Finding, Guarantee, live_of, origins, overdue, placed};
use crate::world::{SimInstance, World};

/// 30 minutes for a worker that cycles, 20 for a slow stop, 20 for the longest budget window and 10
/// for an orphan's grace period: 80 in all. The double allows for steps that wait for each other.
const BOUND: Millis = Millis::from_secs(160 * 60);

/// The workers that have not recovered yet.
pub(super) struct Recovery {
    since: Option<Instant>,
    /// Workers whose policies are known to bring them up.
    sound: BTreeSet<WorkerId>,
    /// When a caller first asked for the worker, or waited for it, since the trouble ended.
    demanded: BTreeMap<WorkerId, Instant>,
    /// How long after that the worker was served. One that is wanted running counts as demanded
    /// when the trouble ends, and as served when a look shows that it runs.
    served_after: BTreeMap<WorkerId, Millis>,
    open: BTreeMap<WorkerId, String>,
    /// The workers of a pool that fails for good. All others recover within the same bounds (V7).
    afflicted: BTreeSet<WorkerId>,
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
            demanded: BTreeMap::new(),
            served_after: BTreeMap::new(),
            open: BTreeMap::new(),
            afflicted: BTreeSet::new(),
        }
    }

    pub(super) fn afflicted(&mut self, workers: BTreeSet<WorkerId>) {
        self.sound.retain(|worker| !workers.contains(worker));
        self.afflicted.extend(workers);
    }

    /// Whether a part of the worker's pool has failed for good.
    pub(super) fn is_afflicted(&self, worker: &WorkerId) -> bool {
        self.afflicted.contains(worker)
    }

    /// Notes that the trouble is over, while callers of these workers wait.
    pub(super) fn calm(&mut self, at: Instant, waited_for: impl Iterator<Item = WorkerId>) {
        self.since = Some(at);
        self.demanded = waited_for.map(|worker| (worker, at)).collect();
    }

    pub(super) fn asked(&mut self, at: Instant, worker: &WorkerId) {
        if self.since.is_some() {
            self.demanded.entry(worker.clone()).or_insert(at);
        }
    }

    pub(super) fn served(&mut self, at: Instant, worker: &WorkerId) {
        let Some(since) = self.since.filter(|_| self.sound.contains(worker)) else {
            return;
        };
        let since = self.demanded.get(worker).copied().unwrap_or(since);
        let after = self.served_after.entry(worker.clone());
        after.or_insert(at.since(since));
    }

    /// How long each worker took to be served since the trouble ended.
    pub(super) fn served_after(&self) -> impl Iterator<Item = Millis> {
        self.served_after.values().copied()
    }

    /// Checks every worker. A worker that has not recovered within the bound is a violation, and so
    /// is an instance that is overdue for too long.
    pub(super) fn look(
        &mut self,
        now: Instant,
        world: &World,
        shelf: &Shelf,
        spec: &FleetSpec,
        pointers_are_down: bool,
    ) -> Vec<(WorkerId, Finding)> {
        self.open.clear();
        for worker in self.sound.clone() {
            let worker = &worker;
            let Some((of, pool)) = placed(spec, worker) else {
                continue;
            };
            let not_served = match of.wish {
                Wish::OnDemand if self.served_after.contains_key(worker) => None,
                Wish::OnDemand => Some("no caller was served since".to_owned()),
                Wish::Running => down(worker, of, world, shelf),
            };
            if not_served.is_none() {
                self.served(now, worker);
            }
            let works = works_out_of_reach(now, worker, pool, world, shelf);
            let trouble = not_served
                .filter(|_| !works)
                .or_else(|| adrift(worker, of, pool, world, shelf).filter(|_| !pointers_are_down))
                .or_else(|| trouble_of(worker, pool, shelf))
                .or_else(|| self.silent(worker, pool, shelf));
            if let Some(trouble) = trouble {
                self.open.insert(worker.clone(), trouble);
            }
        }
        let is_late = self.since.is_some_and(|since| now.since(since) > BOUND);
        let late = self.open.iter().filter(|_| is_late);
        let late = late.map(|(worker, text)| {
            let text = format!("{BOUND} after the trouble ended: {text}");
            let guarantee = match self.afflicted.is_empty() {
                true => Guarantee::Liveness,
                false => Guarantee::V7,
            };
            (worker.clone(), Err((guarantee, text)))
        });
        let since = self.since.unwrap_or(now);
        let overdue = overdue::look(now, since, world, shelf, spec);
        let reboots = overdue::reboots(now, since, shelf, spec);
        let is_spared = |(worker, _): &(WorkerId, Finding)| !self.afflicted.contains(worker);
        let overdue = overdue.into_iter().chain(reboots).filter(is_spared);
        late.chain(overdue).collect()
    }

    /// Reports a box that has sent no heartbeat since the trouble ended.
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

/// Whether the worker's box works on an instance that has no address. It fetches its work itself, so
/// the instance is not ended, and its callers wait for as long.
fn works_out_of_reach(
    now: Instant,
    worker: &WorkerId,
    pool: &PoolSpec,
    world: &World,
    shelf: &Shelf,
) -> bool {
    let truth = shelf.truth(worker);
    let heartbeat_at = truth
        .activity
        .heartbeat_at
        .filter(|_| pool.heartbeats_are_use);
    let beats = heartbeat_at.is_some_and(|at| now.since(at) < pool.limits.address_timeout);
    let adopted = truth.record.adopted.as_ref();
    let instance = adopted.and_then(|adopted| world.instance(&adopted.id));
    let runs =
        |one: &SimInstance| one.state == InstanceState::Running && one.private_ip().is_none();
    beats && instance.is_some_and(runs)
}

/// Reports a worker that is wanted running (V6) and does not run with an address.
fn down(worker: &WorkerId, spec: &WorkerSpec, world: &World, shelf: &Shelf) -> Option<String> {
    let truth = shelf.truth(worker);
    let adopted = truth.record.adopted.as_ref();
    let runs = adopted.is_some_and(|adopted| {
        live_of(world, spec).any(|one| one.id == adopted.id && one.private_ip().is_some())
    });
    (!runs).then(|| "it is wanted running, and does not run".to_owned())
}

/// Reports a pointer or an orphan that does not agree with the record. A pointer that cannot be read
/// is not repaired, and no orphan is ended that the pointer may name.
fn adrift(
    worker: &WorkerId,
    spec: &WorkerSpec,
    pool: &PoolSpec,
    world: &World,
    shelf: &Shelf,
) -> Option<String> {
    let truth = shelf.truth(worker);
    let adopted = truth.record.adopted.as_ref()?;
    // The host reads the pointer, and writes it anew, when a caller asks for the worker.
    let pointer = world.pointer(&spec.pointer).unwrap_or(POINTER_NONE);
    if spec.wish == Wish::OnDemand && pointer != adopted.id.as_str() {
        return Some(format!(
            "the pointer says {pointer}, and the record {}",
            adopted.id
        ));
    }
    let mut orphans = live_of(world, spec).filter(|instance| {
        instance.id != adopted.id && origins::may_be_ended(pool.orphans, instance)
    });
    let orphan = orphans.next()?;
    Some(format!(
        "the orphan {} of {} still lives",
        orphan.id, adopted.id
    ))
}

/// Reports what is wrong with a worker whose callers are served; `None`: nothing.
fn trouble_of(worker: &WorkerId, pool: &PoolSpec, shelf: &Shelf) -> Option<String> {
    let truth = shelf.truth(worker);
    let record = &truth.record;
    let Some(adopted) = &record.adopted else {
        return Some("no instance is adopted".to_owned());
    };
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
