//! Unfinished work: deliveries that the worker's instance has taken and not processed, and since
//! when none of them is processed. Delivered is not processed (docs/incidents.md#double-provision).

use super::WorkerFacts;
use crate::model::id::InstanceId;
use crate::model::spec::Wish;
use crate::model::store::Activity;
use crate::model::time::{Instant, Millis};

impl WorkerFacts {
    /// Deliveries to the present instance that were not reported processed. The count is 0 if no
    /// box reports processed work, because then it says nothing.
    pub fn work_in_flight(&self) -> u64 {
        self.unfinished(self.record.activity())
    }

    /// When the instance was last handed out: by this host, or, for the adopted instance, by any
    /// host that shares the store and in any life. `None` if it never was, so that no caller could
    /// reach it.
    pub fn handed_out_at(&self, id: &InstanceId) -> Option<Instant> {
        let here = self.instances.get(id).and_then(|known| known.handed_out);
        let adopted = self.adopted.as_ref().filter(|adopted| &adopted.id == id);
        // A time before the adoption belongs to another instance.
        let anywhere = adopted.and_then(|adopted| {
            let at = self.record.activity().handed_out_at;
            at.filter(|at| *at >= adopted.since)
        });
        here.max(anywhere)
    }

    /// When the box of the adopted instance last sent a heartbeat, if its pool counts heartbeats as
    /// use. A time before the adoption belongs to another instance.
    pub fn heartbeat_as_use(&self) -> Option<Instant> {
        let adopted = self.adopted.as_ref()?;
        let at = self.record.activity().heartbeat_at;
        at.filter(|at| self.pool.heartbeats_are_use && *at >= adopted.since)
    }

    /// Whether the worker is to run without a caller.
    pub fn is_wanted_running(&self) -> bool {
        self.spec.wish == Wish::Running
    }

    /// The activity after a reading that was asked for at `asked_at`. The reading may be older than
    /// a refresh that has ended since, so no time goes back (G5). It may also miss a refresh in
    /// flight. With a private store the host then keeps its own counts. With a shared store it
    /// takes the maximum and reads again soon.
    pub(crate) fn activity_as_read(
        &self,
        found: Activity,
        asked_at: Instant,
        store_is_shared: bool,
    ) -> Activity {
        let known = self.record.activity();
        let both = known.with(found);
        let may_be_older =
            !self.refreshes.is_empty() || self.refreshed_at.is_some_and(|at| at >= asked_at);
        let counts = match (may_be_older, store_is_shared) {
            (false, _) => found,
            (true, true) => both,
            (true, false) => known,
        };
        Activity {
            delivered: counts.delivered,
            processed: counts.processed,
            ..both
        }
    }

    /// Takes in the activity, and notes since when unfinished work makes no progress. This host
    /// measures that from when it first saw the work.
    pub(crate) fn take_activity(&mut self, activity: Activity, now: Instant) {
        let before = self.record.activity();
        if let Some(stored) = &mut self.record.stored {
            stored.activity = activity;
        }
        let progress = activity.processed > before.processed;
        self.unfinished_since = match self.unfinished(activity) {
            0 => None,
            _ if progress => Some(now),
            _ => self.unfinished_since.or(Some(now)),
        };
    }

    /// For how long the instance has taken deliveries and processed none, if that is longer than
    /// the pool allows. Heartbeats do not count as progress.
    pub fn unresponsive_for(&self, now: Instant) -> Option<Millis> {
        // Signals during a restart prove nothing (docs/incidents.md#self-fire).
        if self.is_restarting() {
            return None;
        }
        let stuck_for = now.since(self.unfinished_since?);
        let is_unresponsive = stuck_for >= self.pool.limits.unresponsive_after;
        (is_unresponsive && self.adopted_is_live(now)).then_some(stuck_for)
    }

    fn unfinished(&self, activity: Activity) -> u64 {
        let reports_processed = self.pool.boxes.is_some() || activity.processed > 0;
        let Some(adopted) = self.adopted.as_ref().filter(|_| reports_processed) else {
            return 0;
        };
        activity
            .unfinished()
            .saturating_sub(adopted.unfinished_before)
    }
}
