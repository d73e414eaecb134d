//! One simulated host process: the product's own [`Fleet`] with the parts of the shell, which are a
//! clock, a journal and the published routes. A host that ended can begin another life. The journal
//! and the store outlast a life.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{DecisionId, HostId, InstanceId, WorkerId};
use reeve_core::journal::{Content, Entry};
use reeve_core::numbers::Block;
use reeve_core::response::Route;
use reeve_core::spec::FleetSpec;
use reeve_core::store::Records;
use reeve_core::time::{Instant, Millis};

use super::{Clock, Life};

/// One host in all its lives.
pub(crate) struct SimHost {
    /// The present life. Results of calls of an earlier life are dropped.
    life: Life,
    spec: FleetSpec,
    pub(crate) clock: Clock,
    /// `None`: the host is down.
    pub(crate) fleet: Option<Fleet>,
    /// Until this time, events wait: the process is suspended.
    pub(crate) paused_until: Instant,
    /// The part of the journal that recovery reads.
    journal: Recovered,
    /// The journaled intents whose commit is not sent yet, by worker and decision.
    pub(crate) intents_written: BTreeSet<(WorkerId, DecisionId)>,
    /// The published routes, each with a mark that says whether it was handed out since the last
    /// collection.
    routes: BTreeMap<WorkerId, (Route, bool)>,
    /// The time at which the marks are collected; `None`: no route is marked.
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

    /// Begins another life with the host's journal and the store's records. `records` is `None` if
    /// the store did not answer, and so is `block`.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        store_is_shared: bool,
        records: Option<Records>,
        block: Option<Block>,
    ) {
        self.life.life += 1;
        let identity = Identity {
            host: self.id(),
            store_is_shared,
        };
        let recovered = Recovered {
            records,
            block,
            ..self.journal.clone()
        };
        let mut fleet = Fleet::new(self.spec.clone(), identity, recovered);
        fleet.check_itself();
        self.fleet = Some(fleet);
        self.paused_until = now;
    }

    /// The highest decision id in the journal.
    pub(crate) fn last_decision(&self) -> DecisionId {
        self.journal.decisions
    }

    /// Ends the present life. Its routes and its intents are lost.
    pub(crate) fn crash(&mut self) {
        self.fleet = None;
        self.routes.clear();
        self.collects_at = None;
        self.intents_written.clear();
    }

    pub(crate) fn is_up(&self) -> bool {
        self.fleet.is_some()
    }

    /// Keeps the numbers of a journal entry that recovery reads.
    pub(crate) fn note_journaled(&mut self, entry: &Entry) {
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

    /// Publishes a route. Returns the instance of the route before, if that route is marked.
    pub(crate) fn publish(&mut self, route: Route) -> Option<InstanceId> {
        let worker = route.worker.clone();
        marked(self.routes.insert(worker, (route, false)))
    }

    /// Withdraws a route. Returns its instance if the route is marked.
    pub(crate) fn withdraw(&mut self, worker: &WorkerId) -> Option<InstanceId> {
        marked(self.routes.remove(worker))
    }

    /// The published route if it is valid. The route is marked as handed out.
    pub(crate) fn answer(&mut self, now: Instant, worker: &WorkerId) -> Option<Route> {
        /// The period in which the product's loop collects the marks.
        const COLLECT: Millis = Millis::from_secs(1);
        let (route, handed_out) = self.routes.get_mut(worker)?;
        if self.clock.read(now) >= route.valid_until {
            return None;
        }
        *handed_out = true;
        self.collects_at.get_or_insert(now + COLLECT);
        Some(route.clone())
    }

    /// Takes the mark of a worker's route. Returns the instance if the route was marked.
    pub(crate) fn collect(&mut self, worker: &WorkerId) -> Option<InstanceId> {
        let (route, handed_out) = self.routes.get_mut(worker)?;
        std::mem::take(handed_out).then(|| route.instance.clone())
    }

    /// Takes the marks of all routes. Returns the workers and instances of the marked routes.
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

/// The instance of a removed route that was marked.
fn marked(before: Option<(Route, bool)>) -> Option<InstanceId> {
    before.and_then(|(route, handed_out)| handed_out.then_some(route.instance))
}
