//! Delivered is not processed: what the worker's instance has taken and not finished, and since when none of
//! it gets done (docs/incidents.md#double-provision).

use super::WorkerFacts;
use crate::model::id::InstanceId;
use crate::model::store::Activity;
use crate::model::time::{Instant, Millis};

/// So many instances in a row that served nobody did so for a reason (docs/incidents.md#stale-pointer).
pub const CYCLING: u32 = 3;

impl WorkerFacts {
    /// Deliveries to the present instance that were not reported processed. 0 where nobody reports what is
    /// processed: then nothing can be said.
    pub fn work_in_flight(&self) -> u64 {
        self.unfinished(self.record.activity())
    }

    /// When the instance was last handed out, by this host or, if it is the adopted one, by any host that shares the
    /// store, in this life or an earlier one; `None`: never, so nobody could reach it.
    pub fn handed_out_at(&self, id: &InstanceId) -> Option<Instant> {
        let here = self.instances.get(id).and_then(|known| known.handed_out);
        let adopted = self.adopted.as_ref().filter(|adopted| &adopted.id == id);
        // What was handed out before it was adopted was another instance.
        let anywhere = adopted.and_then(|adopted| {
            let at = self.record.activity().handed_out_at;
            at.filter(|at| *at >= adopted.since)
        });
        here.max(anywhere)
    }

    /// Until when a worker whose instances come and go unserved is given none: a minute after the third in a row, twice
    /// as long after each further one, half an hour at the most. Two may be chance (a spot reclaim, a broken boot).
    pub fn cycling_until(&self) -> Option<Instant> {
        const PAUSE_FIRST: Millis = Millis::from_secs(60);
        const PAUSE_MAX: Millis = Millis::from_secs(1_800);
        let beyond = self.unserved_in_row.checked_sub(CYCLING)?;
        let pause = Millis::new(PAUSE_FIRST.get() << beyond.min(5)).min(PAUSE_MAX);
        Some(self.unserved_at? + pause)
    }

    /// What is known of the activity once the store has shown it, as of some moment after `asked_at`. The answer may be of
    /// before a refresh that has ended since, so no time goes back (G5). Whether it counts that refresh, or one that is
    /// under way, is not known: a host that has the store to itself keeps its own counts then, and one that shares it,
    /// which reads it again soon, goes by the higher.
    pub(crate) fn activity_as_read(
        &self,
        found: Activity,
        asked_at: Instant,
        store_is_shared: bool,
    ) -> Activity {
        let known = self.record.activity();
        let both = known.with(found);
        let may_be_older =
            !self.touches.is_empty() || self.touched_at.is_some_and(|at| at >= asked_at);
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

    /// Takes in what the activity has become, and with it whether work gets done. Since when it does not is
    /// measured by this host, from when it first saw it.
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

    /// Whether the instance takes deliveries and has finished none for longer than the pool allows, and for how
    /// long. Its heartbeat has no say in that.
    pub fn unresponsive_for(&self, now: Instant) -> Option<Millis> {
        // How the worker looks while it restarts says nothing (docs/incidents.md#self-fire).
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
