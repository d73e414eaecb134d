//! Names the tasks that the scan of a cluster reads. All workers of a pool share the scan, so its
//! scope is what all of them need.

use std::collections::BTreeMap;

use crate::effect::Effect;
use crate::event::Asker;
use crate::model::cloud::Query;
use crate::model::compute::Compute;
use crate::model::id::WorkerId;
use crate::worker::Worker;

/// Completes the scans of clusters among the effects of a step.
pub(super) fn name(workers: &BTreeMap<WorkerId, Worker>, effects: &mut [Effect]) {
    for effect in effects {
        let Effect::Query {
            asker: Asker::Pool(pool),
            query:
                Query::Scan {
                    compute: Compute::Fargate { .. },
                    tasks,
                    ..
                },
        } = effect
        else {
            continue;
        };
        for worker in workers.values().filter(|it| &it.spec.pool == pool) {
            worker.add_to_scope(tasks);
        }
    }
}
