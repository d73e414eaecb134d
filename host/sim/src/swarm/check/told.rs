//! What hosts hear and tell: readings, outcomes, routes, notices, vetoes, and their ends by a mistake.

use std::any::Any;

use reeve_core::cloud::{CloudError, Query, Reading};
use reeve_core::event::Asker;
use reeve_core::guard::Veto;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::journal::{Content, Entry};
use reeve_core::notice::{Notice, Step};
use reeve_core::operator::{CommandOutcome, Refused};
use reeve_core::point::{Verdict, retry_ip};
use reeve_core::response::Route;
use reeve_core::store::{StoreError, Stored};
use reeve_core::time::Instant;

use super::{Checks, Guarantee, Heard, origins, placed};
use crate::engine::Life;
use crate::swarm::shelf::Shelf;
use crate::world::World;

impl Checks {
    /// Notes that a host learned the outcome of a mutation.
    pub(in crate::swarm) fn heard(&mut self, at: Instant, heard: &Heard<'_>, shelf: &Shelf) {
        self.flight.heard(heard);
        self.shown.heard(heard);
        self.started.heard(at, heard);
        self.looked_up.heard(at, heard);
        self.budgets.heard(at, heard);
        let truth = shelf.truth(heard.worker);
        self.refused.heard(at, heard, &truth);
        self.truth.heard(heard);
        let finding = self.blocked.heard(at, heard, &truth);
        self.settle(at, heard.worker, finding);
    }

    /// Notes a reading of a worker's record that a host got.
    pub(in crate::swarm) fn record_read(
        &mut self,
        by: Life,
        worker: &WorkerId,
        result: &Result<Option<Stored>, StoreError>,
    ) {
        if let Ok(Some(stored)) = result
            && self.shown.read(by, worker, stored)
        {
            self.truth.learned(by);
        }
    }

    /// Notes a reading that a host asked for and got, for a worker or for a pool.
    pub(in crate::swarm) fn read(
        &mut self,
        (asked, at): (Instant, Instant),
        by: Life,
        asker: &Asker,
        query: &Query,
        result: &Result<Reading, CloudError>,
    ) {
        let (worker, pool) = match asker {
            Asker::Worker(worker) => (
                Some(worker),
                self.spec.workers.get(worker).map(|spec| &spec.pool),
            ),
            Asker::Pool(pool) => (None, Some(pool)),
        };
        if let Some(pool) = pool {
            let times = (asked, at);
            self.looked_up
                .read(times, by, (worker, pool), query, result);
        }
        match result {
            Ok(reading) => {
                self.ended.read(by, worker, reading);
                self.started.read(by, reading);
                if let (Some(worker), Reading::Pointer(pointer)) = (worker, reading) {
                    self.pointers.read(by, worker, pointer);
                }
            }
            Err(error) => {
                // A pool's workers hear of a rate limit on the readings of any of them.
                let workers = self.spec.workers.iter();
                for (worker, _) in workers.filter(|(_, spec)| Some(&spec.pool) == pool) {
                    self.truth.refused(worker, error);
                }
            }
        }
    }

    /// Checks a route that a host publishes.
    pub(in crate::swarm) fn published(
        &mut self,
        at: Instant,
        by: Life,
        route: &Route,
        world: &World,
    ) {
        let Some((spec, _)) = placed(&self.spec, &route.worker) else {
            return;
        };
        let findings = [
            self.ended.published(by, route),
            self.shown.handed_out(by, &route.worker, &route.instance),
            self.looked_up.published(at, by, &spec.pool, route),
            origins::published(route, world),
        ];
        for finding in findings {
            self.settle(at, &route.worker, finding);
        }
    }

    /// Checks a notice of a host.
    pub(in crate::swarm) fn announced(&mut self, at: Instant, by: Life, notice: &Notice) {
        self.looked_up.announced(by, notice);
        self.restarts.announced(by, notice);
        self.health.announced(notice);
        self.budgets.announced(by, notice);
        if notice.step == Step::StartGivenUp {
            self.truth.counted_anew(&notice.worker);
            self.blocked.gave_start_up(&notice.worker);
        }
        let findings = [
            self.refused.announced(notice),
            self.blocked.announced(by, notice),
            self.shown.announced(by, notice),
            self.started.announced(at, by, notice),
        ];
        for finding in findings {
            self.settle(at, &notice.worker, finding);
        }
    }

    /// Checks a line of a host's journal.
    pub(in crate::swarm) fn journaled(&mut self, at: Instant, by: Life, entry: &Entry) {
        self.budgets.journaled(at, by, entry);
        let finding = self.truth.journaled(by, entry);
        self.settle(at, &entry.worker, finding);
        match &entry.content {
            Content::Ruled(ruling) => self.pointers.ruled(by, entry.decision, ruling),
            Content::Vetoed(veto) => self.vetoed(at, &entry.worker, veto),
            Content::Decided(made) => {
                if let Ok(Verdict::RetryIp(verdict)) = &made.result
                    && verdict.next == retry_ip::Next::Abandon
                {
                    self.abandoned.insert(entry.worker.clone());
                }
            }
            _ => {}
        }
    }

    fn vetoed(&mut self, at: Instant, worker: &WorkerId, veto: &Veto) {
        // A host whose write of a refusal is lost learns from the record that the act is under way.
        let placed = placed(&self.spec, worker).filter(|_| self.store_is_sound);
        if let Some((_, pool)) = placed {
            let findings = [
                self.budgets.vetoed(at, worker, pool, veto),
                self.budgets.vetoed_pace(at, worker, &self.spec, veto),
            ];
            for finding in findings {
                self.settle(at, worker, finding);
            }
        }
    }

    /// Reports a panic of a host: no event may cause one.
    pub(in crate::swarm) fn panicked(&mut self, at: Instant, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text = format!("the host panicked: {}", text.unwrap_or("no message"));
        self.settle(at, &WorkerId::from("?"), Err((Guarantee::NoPanic, text)));
    }

    /// Reports steps that follow each other at one instant without an end.
    pub(in crate::swarm) fn stands_still(&mut self, at: Instant, steps: u32) {
        let text = format!("{steps} steps ran at one instant without an end");
        self.settle(at, &WorkerId::from("?"), Err((Guarantee::Liveness, text)));
    }

    /// Checks the response to a command.
    pub(in crate::swarm) fn reported(
        &mut self,
        at: Instant,
        request: RequestId,
        worker: &WorkerId,
        result: &Result<CommandOutcome, Refused>,
    ) {
        self.pauses.reported(request);
        let finding = self.restarts.reported(request, result);
        self.settle(at, worker, finding);
    }
}
