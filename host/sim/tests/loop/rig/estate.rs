//! A worker with its instance, the orphans, and the hosts that look after them.

use super::prelude::*;
use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::guard::Rule;
use reeve_core::id::InstanceId;
use reeve_core::instance::{InstanceState, TAG_FLEET, TAG_GENERATION, TAG_WORKER};
use reeve_core::journal::{Content, Entry};
use reeve_core::spec::{FleetSpec, OrphanRule};
use reeve_sim::store::MemoryStore;

/// The adopted instance, of generation 3.
pub(crate) const HOME: &str = "i-home";
/// An instance that reeve launched for the worker as generation 2.
pub(crate) const OLD: &str = "i-old";
/// An instance that a person launched by hand.
pub(crate) const FOUND: &str = "i-found";

/// The default grace.
pub(crate) const GRACE: Millis = Millis::from_secs(600);
/// The default time between scans.
pub(crate) const SCAN: Millis = Millis::from_secs(30);

/// The configuration: the pool does not reap, so that only the host itself ends anything. It ends
/// what a person launched by hand as well.
pub(crate) fn spec() -> FleetSpec {
    let mut spec = incidents::fleet();
    for pool in spec.pools.values_mut() {
        pool.reap = false;
        pool.orphans = OrphanRule::EndUnclaimed;
    }
    spec
}

/// A worker with an adopted instance, and what lives in addition to that one.
pub(crate) struct Estate {
    pub(crate) rig: Rig,
}

impl Estate {
    /// One host with a store of its own and a worker whose instance runs; 10 s after the first
    /// scan.
    pub(crate) fn alone() -> Self {
        Self::over(MemoryStore::new(false), spec())
    }

    /// The same with this store and this configuration.
    pub(crate) fn over(store: MemoryStore, spec: FleetSpec) -> Self {
        let mut rig = Rig::over(store, World::new(1, BEGINS), Native::sensible());
        launch(&mut rig, HOME, 3);
        rig.world.place_pointer(&incidents::pointer(), HOME);
        rig.world.advance(BEGINS);
        rig.add_host(spec);
        rig.ask();
        rig.run(Millis::from_secs(10));
        let mut estate = Self { rig };
        estate.assert_home();
        estate
    }

    /// Instances of the kinds that are orphans; the next scan shows them.
    pub(crate) fn with_orphans(mut self) -> Self {
        self.launch_old();
        self.find();
        self
    }

    pub(crate) fn launch_old(&mut self) {
        launch(&mut self.rig, OLD, 2);
    }

    /// A person launches one by hand.
    pub(crate) fn find(&mut self) {
        self.rig.world.launch_tagged(FOUND, TAG, &[]);
        let now = self.rig.now();
        self.rig.world.advance(now);
    }

    /// Lets time go by up to so long after the story's begin.
    pub(crate) fn run_to(&mut self, since_begin: Millis) {
        let end = BEGINS + since_begin;
        let left = end.since(self.rig.now());
        self.rig.run(left);
    }

    pub(crate) fn state(&self, id: &str) -> InstanceState {
        let mut all = self.rig.world.instances();
        let found = all.find(|it| it.id.as_str() == id);
        found.expect("the world has it").state
    }

    pub(crate) fn is_up(&self, id: &str) -> bool {
        self.state(id).is_live()
    }

    /// The worker's own instance runs, and record and pointer name it.
    #[track_caller]
    pub(crate) fn assert_home(&mut self) {
        assert_eq!(self.state(HOME), InstanceState::Running);
        let record = self.rig.record().record;
        let adopted = record.adopted.map(|adopted| adopted.id);
        assert_eq!(adopted, Some(InstanceId::from(HOME)));
        let pointer = self.rig.world.pointer(&incidents::pointer());
        assert_eq!(pointer, Some(HOME));
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        (0..self.rig.host_count()).flat_map(|host| self.rig.journal(host))
    }

    /// What all hosts have sent to the cloud and got an answer for, except pointer writes.
    pub(crate) fn ended(&self) -> Vec<(MutationKind, String)> {
        let mut ended = Vec::new();
        for host in 0..self.rig.host_count() {
            let journal = self.rig.journal(host);
            for entry in journal {
                let Content::Intent { mutation, .. } = &entry.content else {
                    continue;
                };
                let is_outcome = |it: &&Entry| {
                    it.decision == entry.decision && matches!(it.content, Content::Outcome(_))
                };
                let is_pointer = matches!(mutation, Mutation::WritePointer { .. });
                if !is_pointer && journal.iter().any(|it| is_outcome(&it)) {
                    let id = mutation.instance().map(InstanceId::to_string);
                    ended.push((mutation.kind(), id.unwrap_or_default()));
                }
            }
        }
        ended
    }

    /// How often this rule refused.
    pub(crate) fn vetoes(&self, rule: Rule) -> usize {
        let is_by =
            |entry: &&Entry| matches!(&entry.content, Content::Vetoed(veto) if veto.rule == rule);
        self.entries().filter(is_by).count()
    }

    /// Since when the first host takes this instance for an orphan.
    pub(crate) fn orphan_since(&self, id: &str) -> Option<Instant> {
        let mut all = self.rig.status().instances.into_iter();
        all.find(|it| it.id.as_str() == id)?.orphan_since
    }
}

/// Launches an instance as reeve would have.
pub(crate) fn launch(rig: &mut Rig, id: &str, generation: u64) {
    let worker = incidents::worker();
    let (fleet, generation) = (incidents::fleet().name, generation.to_string());
    let more = [
        (TAG_FLEET, fleet.as_str()),
        (TAG_WORKER, worker.as_str()),
        (TAG_GENERATION, generation.as_str()),
    ];
    rig.world.launch_tagged(id, TAG, &more);
    let now = rig.now();
    rig.world.advance(now);
}
