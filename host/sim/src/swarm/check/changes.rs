//! What hosts change: records that they write, and mutations from the order to the answer.

use reeve_core::cloud::{CloudError, Outcome};
use reeve_core::guard::Permit;
use reeve_core::id::WorkerId;
use reeve_core::store::{Committed, StoreError};
use reeve_core::time::Instant;

use super::{
    Checks, Commit, Written, adoption, fence, origins, orphans, overdue, placed, pointer, scope,
};
use crate::engine::{Life, Sent};
use crate::swarm::shelf::Shelf;
use crate::world::World;

impl Checks {
    /// Notes that a host begins to write a worker's record.
    pub(in crate::swarm) fn writes(&mut self, by: Life, worker: &WorkerId) {
        self.shown.writes(by, worker);
    }

    /// Notes that a host learned the end of its write.
    pub(in crate::swarm) fn written(
        &mut self,
        by: Life,
        worker: &WorkerId,
        result: &Result<Committed, StoreError>,
    ) {
        self.shown.written(by, worker, result);
        if matches!(result, Ok(Committed::Lost(_))) {
            self.truth.learned(by);
        }
        self.started.written(by, worker, result);
    }

    /// Checks a written record.
    pub(in crate::swarm) fn committed(&mut self, at: Instant, commit: &Commit<'_>, world: &World) {
        let worker = &commit.write.worker;
        let Some((_, pool)) = placed(&self.spec, worker) else {
            return;
        };
        let by = commit.by;
        let written = Written {
            at,
            by,
            host: by.id(),
            worker,
            before: commit.before,
            write: commit.write,
            permit: commit.permit,
            world,
            pool,
            undone: commit.undone,
        };
        let is_forgotten = self.forgotten.contains(worker);
        let is_known = !self.is_shared && self.records_are_read;
        self.flight.committed(&written);
        self.started.committed(&written);
        self.truth.committed(by, worker, commit.permit.is_some());
        let findings = [
            self.fence.committed(&written, self.is_shared),
            self.adoption.committed(&written, is_forgotten),
            self.pointers.committed(&written),
            self.uses.committed(&written),
            self.restarts.committed(&written, &self.boxes),
            self.health.committed(&written, &self.spec),
            self.budgets.committed(&written, &self.spec, is_known),
            self.controllers.committed(&written, is_forgotten),
            self.launches.committed(&written),
            self.boxes.committed(&written),
            orphans::committed(&written),
            overdue::committed(&written, self.abandoned.contains(worker)),
            origins::committed(&written),
            self.pauses.committed(&written),
            self.refused.committed(&written, is_forgotten),
            self.blocked.committed(&written),
        ];
        for finding in findings {
            self.settle(at, worker, finding);
        }
    }

    /// Checks a mutation that a host sends.
    pub(in crate::swarm) fn sent(&mut self, at: Instant, by: Life, permit: &Permit, shelf: &Shelf) {
        self.looked_up.sent(by, permit);
        self.shown.sent(by, permit);
        self.pointers.sent(by, permit);
        let truth = shelf.truth(permit.worker());
        let findings = [fence::sent(permit, &truth), self.flight.sent(by, permit)];
        for finding in findings {
            self.settle(at, permit.worker(), finding);
        }
    }

    /// Checks a mutation that reaches the cloud, before the cloud carries it out.
    pub(in crate::swarm) fn arrives(
        &mut self,
        at: Instant,
        sent: &Sent,
        shelf: &Shelf,
        world: &World,
    ) {
        let Some((spec, pool)) = placed(&self.spec, &sent.worker) else {
            return;
        };
        let truth = shelf.truth(&sent.worker);
        let findings = [
            self.fence.arrives(sent),
            scope::arrives(sent, spec, world),
            origins::arrives(sent, pool, &truth, world),
            adoption::arrives(sent, &truth, world),
            pointer::arrives(sent, &truth),
        ];
        for finding in findings {
            self.settle(at, &sent.worker, finding);
        }
    }

    /// Notes the cloud's response to a mutation.
    pub(in crate::swarm) fn concluded(
        &mut self,
        sent: &Sent,
        result: &Result<Outcome, CloudError>,
    ) {
        self.launches.concluded(sent, result);
        self.refused.concluded(sent, result);
    }

    /// Checks the pointer after the cloud carried a mutation out.
    pub(in crate::swarm) fn arrived(&mut self, at: Instant, sent: &Sent, world: &World) {
        let Some((spec, _)) = placed(&self.spec, &sent.worker) else {
            return;
        };
        if self.pointers_are_ours {
            let finding = pointer::arrived(sent, spec, world);
            self.settle(at, &sent.worker, finding);
        }
    }
}
