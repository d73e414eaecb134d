//! One simulated host process: the product's own [`Fleet`], with what the shell keeps beside it: a clock, a
//! journal, published routes. It lives many lives; what a life leaves behind is its journal, and the store.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{DecisionId, HostId, InstanceId, WorkerId};
use reeve_core::journal::{Entry, Record};
use reeve_core::response::Route;
use reeve_core::spec::FleetSpec;
use reeve_core::time::{Instant, Millis};

use super::clock::Clock;
use super::due::Life;
use super::shelf::Shelf;

/// A host.
pub(super) struct SimHost {
    /// Which of them.
    pub(super) number: usize,
    /// Its lives so far. What was sent in an earlier one is answered to nobody.
    pub(super) life: u32,
    pub(super) clock: Clock,
    /// `None`: it is down.
    pub(super) fleet: Option<Fleet>,
    /// It stands still until then.
    pub(super) paused_until: Instant,
    journal: Recovered,
    /// The intents in the journal whose commit has not been sent, by worker and decision.
    pub(super) intents_written: BTreeSet<(WorkerId, DecisionId)>,
    routes: BTreeMap<WorkerId, (Route, bool)>,
    /// When the marks of handed-out routes are collected; `None`: there are none.
    pub(super) collects_at: Option<Instant>,
}

impl SimHost {
    pub(super) fn new(number: usize, clock: Clock) -> Self {
        Self {
            number,
            life: 0,
            clock,
            fleet: None,
            paused_until: Instant::default(),
            journal: Recovered::default(),
            intents_written: BTreeSet::new(),
            routes: BTreeMap::new(),
            collects_at: None,
        }
    }

    /// Its name in this life's leases.
    pub(super) fn id(&self) -> HostId {
        let (host, life) = (self.number, self.life);
        Life { host, life }.id()
    }

    /// Begins another life, with what the journal and the store remember.
    pub(super) fn begin(&mut self, now: Instant, spec: &FleetSpec, shelf: &Shelf) {
        self.life += 1;
        let identity = Identity {
            host: self.id(),
            store_is_shared: reeve_core::ports::Store::is_shared(&shelf.store),
        };
        let records = shelf.store.read_all_now().ok();
        let recovered = Recovered {
            records: records.filter(|_| shelf.is_up(now)),
            ..self.journal.clone()
        };
        let mut fleet = Fleet::new(spec.clone(), identity, recovered);
        fleet.check_itself();
        self.fleet = Some(fleet);
        self.paused_until = now;
    }

    /// Ends at once.
    pub(super) fn crash(&mut self) {
        self.fleet = None;
        self.routes.clear();
        self.collects_at = None;
        self.intents_written.clear();
    }

    pub(super) fn is_up(&self) -> bool {
        self.fleet.is_some()
    }

    /// Keeps of the journal what recovery reads.
    pub(super) fn write_down(&mut self, record: &Record) {
        let highest = &mut self.journal.decisions;
        *highest = record.decision.max(*highest);
        if let Entry::Intent {
            generation, epoch, ..
        } = &record.entry
        {
            let highest = self.journal.generations.entry(record.worker.clone());
            let highest = highest.or_default();
            *highest = (*generation).max(*highest);
            self.journal.epoch = (*epoch).max(self.journal.epoch);
        }
    }

    /// Publishes a route; gives the instance of the one before, if that was handed out unnoticed.
    pub(super) fn publish(&mut self, route: Route) -> Option<InstanceId> {
        let worker = route.worker.clone();
        taken(self.routes.insert(worker, (route, false)))
    }

    /// Withdraws a route; likewise.
    pub(super) fn withdraw(&mut self, worker: &WorkerId) -> Option<InstanceId> {
        taken(self.routes.remove(worker))
    }

    /// The published route, if it is valid; it counts as handed out.
    pub(super) fn answer(&mut self, now: Instant, worker: &WorkerId) -> Option<Route> {
        /// How often the product's loop collects the marks.
        const COLLECT: Millis = Millis::from_secs(1);
        let (route, handed_out) = self.routes.get_mut(worker)?;
        if self.clock.read(now) >= route.valid_until {
            return None;
        }
        *handed_out = true;
        self.collects_at.get_or_insert(now + COLLECT);
        Some(route.clone())
    }

    /// Which instance was handed out of this worker's route since this was last asked.
    pub(super) fn collect(&mut self, worker: &WorkerId) -> Option<InstanceId> {
        let (route, handed_out) = self.routes.get_mut(worker)?;
        std::mem::take(handed_out).then(|| route.instance.clone())
    }

    /// The same, of all routes.
    pub(super) fn collect_all(&mut self) -> Vec<(WorkerId, InstanceId)> {
        self.collects_at = None;
        let routes = self.routes.iter_mut();
        routes
            .filter_map(|(worker, (route, handed_out))| {
                std::mem::take(handed_out).then(|| (worker.clone(), route.instance.clone()))
            })
            .collect()
    }
}

fn taken(before: Option<(Route, bool)>) -> Option<InstanceId> {
    before.and_then(|(route, handed_out)| handed_out.then_some(route.instance))
}
