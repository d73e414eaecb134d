//! One simulated host process: the product's own [`Fleet`], and what the shell keeps for it: a
//! clock, a journal, published routes. A host has many lives. The journal and the store outlast a
//! life.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{DecisionId, HostId, InstanceId, WorkerId};
use reeve_core::journal::{Content, Entry};
use reeve_core::response::Route;
use reeve_core::spec::FleetSpec;
use reeve_core::store::Stored;
use reeve_core::time::{Instant, Millis};

use super::{Clock, Life};

/// A host.
pub(crate) struct SimHost {
    /// This life. A call of an earlier life gets no answer.
    life: Life,
    spec: FleetSpec,
    pub(crate) clock: Clock,
    /// `None`: the host is down.
    pub(crate) fleet: Option<Fleet>,
    /// Until then, the host takes nothing in.
    pub(crate) paused_until: Instant,
    journal: Recovered,
    /// The intents in the journal whose commit has not been sent, by worker and decision.
    pub(crate) intents_written: BTreeSet<(WorkerId, DecisionId)>,
    routes: BTreeMap<WorkerId, (Route, bool)>,
    /// When the marks of handed-out routes are collected; `None`: there are none.
    pub(crate) collects_at: Option<Instant>,
}

impl SimHost {
    pub(crate) fn new(number: usize, clock: Clock, spec: FleetSpec) -> Self {
        Self {
            life: Life {
                host: number,
                life: 0,
            },
            spec,
            clock,
            fleet: None,
            paused_until: Instant::default(),
            journal: Recovered::default(),
            intents_written: BTreeSet::new(),
            routes: BTreeMap::new(),
            collects_at: None,
        }
    }

    pub(crate) fn life(&self) -> Life {
        self.life
    }

    /// The host's name in this life's leases.
    pub(crate) fn id(&self) -> HostId {
        self.life.id()
    }

    /// Begins another life, with the host's journal and the records of the store. `records` is
    /// `None`: the store did not answer.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        store_is_shared: bool,
        records: Option<BTreeMap<WorkerId, Stored>>,
    ) {
        self.life.life += 1;
        let identity = Identity {
            host: self.id(),
            store_is_shared,
        };
        let recovered = Recovered {
            records,
            ..self.journal.clone()
        };
        let mut fleet = Fleet::new(self.spec.clone(), identity, recovered);
        fleet.check_itself();
        self.fleet = Some(fleet);
        self.paused_until = now;
    }

    /// Ends at once.
    pub(crate) fn crash(&mut self) {
        self.fleet = None;
        self.routes.clear();
        self.collects_at = None;
        self.intents_written.clear();
    }

    pub(crate) fn is_up(&self) -> bool {
        self.fleet.is_some()
    }

    /// Keeps of the journal what recovery reads.
    pub(crate) fn write_down(&mut self, entry: &Entry) {
        let highest = &mut self.journal.decisions;
        *highest = entry.decision.max(*highest);
        if let Content::Intent {
            generation, epoch, ..
        } = &entry.content
        {
            let highest = self.journal.generations.entry(entry.worker.clone());
            let highest = highest.or_default();
            *highest = (*generation).max(*highest);
            self.journal.epoch = (*epoch).max(self.journal.epoch);
        }
    }

    /// Publishes a route; gives the instance of the one before, if that was handed out unnoticed.
    pub(crate) fn publish(&mut self, route: Route) -> Option<InstanceId> {
        let worker = route.worker.clone();
        taken(self.routes.insert(worker, (route, false)))
    }

    /// Withdraws a route; likewise.
    pub(crate) fn withdraw(&mut self, worker: &WorkerId) -> Option<InstanceId> {
        taken(self.routes.remove(worker))
    }

    /// The published route, if it is valid; it counts as handed out.
    pub(crate) fn answer(&mut self, now: Instant, worker: &WorkerId) -> Option<Route> {
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
    pub(crate) fn collect(&mut self, worker: &WorkerId) -> Option<InstanceId> {
        let (route, handed_out) = self.routes.get_mut(worker)?;
        std::mem::take(handed_out).then(|| route.instance.clone())
    }

    /// The same, of all routes.
    pub(crate) fn collect_all(&mut self) -> Vec<(WorkerId, InstanceId)> {
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
