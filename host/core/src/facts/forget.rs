//! Giving up what is believed of a worker, so that it is learned anew from the cloud.

use super::{Known, WorkerFacts};
use crate::model::id::{Epoch, HostId};
use crate::model::store::WorkerRecord;

impl WorkerFacts {
    /// The record of a worker that is forgotten: what only rises, and the operator's pause. Had it a new
    /// generation to begin with, a token would be used for two attempts (G1); had it a new epoch, a fence
    /// would let an old host through (G6).
    pub(crate) fn to_forgotten(&self, us: &HostId, epoch: Epoch) -> WorkerRecord {
        WorkerRecord {
            epoch,
            by: Some(us.clone()),
            generation: self.generation,
            former: self.embodied_last(),
            paused: self.paused.clone(),
            ..WorkerRecord::default()
        }
    }

    /// Gives up what stood in the record and what was concluded beside it.
    ///
    /// Four things stay: who embodied the worker last, or one whose box was told that it is superseded, and has ended,
    /// could embody it again; callers who wait; what was spent of the budgets, or forgetting would be a way
    /// around them (G10); and what was handed out when, or an instance in use would look as if nobody had
    /// ever reached it (G5).
    pub(crate) fn forget(&mut self) {
        self.former = self.embodied_last();
        self.adopted = None;
        self.pointer = None;
        self.scanned_at = None;
        self.last_failure = None;
        self.credential = None;
        self.register_error = None;
        self.unfinished_since = None;
        self.draining = None;
        self.restart = None;
        self.demand = None;
        self.unserved_in_row = 0;
        self.instances.values_mut().for_each(Known::forget);
    }
}

impl Known {
    /// Gives up what was concluded of the instance. Its last reading stays, with its age.
    fn forget(&mut self) {
        self.start_accepted = None;
        self.orphan = None;
    }
}
