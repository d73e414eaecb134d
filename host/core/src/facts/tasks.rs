//! The tasks that a scan of the worker's cluster must read, so that the scan is complete for this
//! worker although ECS lists by family.

use super::WorkerFacts;
use crate::model::cloud::{Mutation, TaskScope};
use crate::model::compute::LaunchSource;

impl WorkerFacts {
    /// Adds what this worker needs to the scope of its pool's scan.
    ///
    /// - The family of the pool, and that of a launch under way: the pool may have had another one
    ///   when the launch was written.
    /// - Each known task by id. A task of a former family is in no list of the pool's family, and its
    ///   end would stay unseen.
    /// - What reeve started, until a scan has shown the worker's tasks: an orphan of a former family
    ///   is not in the record, and must end too (G2).
    ///
    /// A pool that launches nothing has no family, and its scan reads the whole cluster.
    pub(crate) fn add_to_scope(&self, scope: &mut TaskScope) {
        if self.pool.launch.is_empty() {
            return;
        }
        let under_way = self.intent.iter();
        let under_way = under_way.filter_map(|intent| match &intent.mutation {
            Mutation::Launch { source, .. } => Some(source),
            _ => None,
        });
        let families = under_way
            .chain(&self.pool.launch)
            .filter_map(LaunchSource::family);
        scope.families.extend(families.map(str::to_owned));
        scope.started_by_reeve |= self.scanned_at.is_none();
        let known = self.instances.values();
        let known = known.filter(|known| self.carries_tag(known) && !known.has_ended());
        let known = known.map(|known| known.instance.id.clone());
        let adopted = self.adopted.as_ref().map(|adopted| adopted.id.clone());
        let has_ended = self.adopted_instance().is_some_and(|it| it.has_ended());
        let adopted = adopted.filter(|_| !has_ended);
        scope.ids.extend(known.chain(adopted));
    }
}
