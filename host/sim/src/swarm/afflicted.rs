//! One part of the host's work that fails from some time on and to the end of the world: the
//! policies of a pool, the record of a worker, the scans of a pool (V7). A world has at most one
//! pool that is hit, so that the workers of the other one show whether the fault stays there.

use std::collections::BTreeSet;

use reeve_core::id::{PoolName, WorkerId};

use super::chance::Stream;
use super::estate::Estate;
use super::fault::Fault;

/// The faults that hit one pool.
pub(super) const FAULTS: [Fault; 3] = [
    Fault::PoolPoliciesFail,
    Fault::RecordUnreadable,
    Fault::PoolScansFail,
];

/// The pool that is hit.
#[derive(Debug, Default)]
pub(super) struct Afflicted {
    pool: Option<PoolName>,
    policies_fail: bool,
}

impl Afflicted {
    /// Whether the policies of this pool give no usable answer.
    pub(super) fn policies_fail(&self, pool: &PoolName) -> bool {
        self.policies_fail && self.pool.as_ref() == Some(pool)
    }
}

impl Estate<'_> {
    /// Makes a part of the afflicted pool fail for good.
    pub(super) fn afflict(&mut self, fault: Fault) {
        let workers: Vec<_> = self.spec.workers.iter().collect();
        let (_, some) = workers[self.chance.pick(Stream::Detail, workers.len())];
        let pool = self.afflicted.pool.get_or_insert_with(|| some.pool.clone());
        let of_pool = workers.iter().filter(|(_, spec)| spec.pool == *pool);
        let of_pool: Vec<(WorkerId, String)> = of_pool
            .map(|(id, spec)| ((*id).clone(), spec.tag_value.clone()))
            .collect();
        match fault {
            Fault::PoolPoliciesFail => self.afflicted.policies_fail = true,
            Fault::RecordUnreadable => {
                let place = self.chance.pick(Stream::Detail, of_pool.len());
                self.shelf.damage(of_pool[place].0.clone());
            }
            Fault::PoolScansFail => {
                let tags = of_pool.iter().map(|(_, tag)| tag.clone());
                self.clouds.refuse_scans(tags.collect());
            }
            _ => {}
        }
        let workers: BTreeSet<_> = of_pool.into_iter().map(|(worker, _)| worker).collect();
        self.checks.afflicted(workers);
    }
}
