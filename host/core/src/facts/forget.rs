//! Clears the facts of one worker, so that the host reads the worker from the cloud again.

use super::{KnownInstance, Refusals, RefusedEnds, WorkerFacts};
use crate::model::id::{Epoch, HostId};
use crate::model::store::{MustUnderstand, WorkerRecord};

impl WorkerFacts {
    /// The record of a worker whose state an operator clears. The record keeps the epoch, the
    /// generation, the former instance, the pause and the ledgers. If the generation began at 0, two
    /// launch attempts would share a token (G1). If the epoch began at 0, a fence would let an old
    /// host through (G6).
    pub(crate) fn to_forgotten(&self, us: &HostId, epoch: Epoch) -> WorkerRecord {
        WorkerRecord {
            epoch,
            by: Some(us.clone()),
            generation: self.generation,
            former: self.adopted_last(),
            paused: self.paused.clone(),
            ledger: self.ledger.clone(),
            reaped: self.reaped.clone(),
            must_understand: MustUnderstand::of(self.paused.is_some()),
            unknown: self.record.unknown(),
            ..WorkerRecord::default()
        }
    }

    /// Clears what the record said, and what the host concluded in addition.
    ///
    /// Four facts stay:
    /// - The instance that was adopted last. A superseded box has ended, and its instance must not
    ///   be adopted again.
    /// - Callers that wait.
    /// - The ledgers. Clearing them would be a way around the budgets (G10).
    /// - When each instance was handed out. Otherwise an instance in use would look as if no caller
    ///   had ever reached it (G5).
    pub(crate) fn forget(&mut self) {
        self.former = self.adopted_last();
        self.adopted = None;
        self.pointer = None;
        self.pointed_since = None;
        self.pointer_agreed = None;
        self.pointer_moved = None;
        self.scanned_at = None;
        self.failures.clear();
        self.failed_starts.clear();
        self.refusals = Refusals::default();
        self.credential = None;
        self.register_error = None;
        self.spot = None;
        self.unfinished_since = None;
        self.draining = None;
        self.restart = None;
        self.deferred = None;
        self.demand = None;
        self.ended_elsewhere = 0;
        self.ended_elsewhere_last = None;
        self.controller_told = false;
        self.unserved_in_row = 0;
        self.lost_unread.clear();
        self.instances.values_mut().for_each(KnownInstance::forget);
    }
}

impl KnownInstance {
    /// Clears what the host concluded about the instance. The last reading stays, with its age.
    fn forget(&mut self) {
        self.start_accepted = None;
        self.refused_ends = RefusedEnds::default();
        self.orphan = None;
    }
}
