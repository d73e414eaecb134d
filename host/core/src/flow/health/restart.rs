//! When the host restarts a worker for its health, and when not.

use super::Health;
use crate::facts::WorkerFacts;
use crate::model::time::{Instant, Millis};

impl Health {
    /// Whether a restart may be requested. The pause after the last restart is the restart window.
    /// It doubles for each restart in a row that did not help, up to an hour, so that a misspelt
    /// path does not become a loop.
    pub(super) fn may_ask_for_restart(&self, facts: &WorkerFacts, now: Instant) -> bool {
        const PAUSE_MAX: Millis = Millis::from_secs(3_600);
        let window = facts.pool.limits.restart_window;
        let doubled = window.get() << self.restarts_in_row.min(12);
        let pause = Millis::new(doubled).min(PAUSE_MAX).max(window);
        let latest = facts.restart.as_ref();
        let latest = latest.filter(|restart| restart.request.is_for_health());
        let begun_at = latest.map(|restart| restart.started_at);
        let asked_at = self.restart_asked_at.max(begun_at);
        asked_at.is_none_or(|at| now.since(at) >= pause)
    }
}

impl WorkerFacts {
    /// The reason not to end the instance although its signals have been bad since `since`. A
    /// health check must not end an instance in use (docs/incidents.md#frozen-activity).
    pub(super) fn health_restart_held_off(&self, now: Instant, since: Instant) -> Option<String> {
        let activity = self.record.activity();
        if let Some(until) = activity.busy_until.filter(|until| *until > now) {
            return Some(format!("it is held busy for {} more", until.since(now)));
        }
        let work = self.work_in_flight();
        if work > 0 && self.unresponsive_for(now).is_none() {
            return Some(format!(
                "{work} deliveries are being processed; without progress that holds for {}",
                self.pool.limits.unresponsive_after
            ));
        }
        if activity.processed_at.is_some_and(|at| at >= since) {
            return Some("it has processed something since the failures began".to_owned());
        }
        // If processed work is reported, a delivery alone does not prove life
        // (docs/incidents.md#double-provision).
        let says_processed = self.pool.boxes.is_some() || activity.processed > 0;
        let delivered = activity.delivered_at.is_some_and(|at| at >= since);
        (delivered && !says_processed)
            .then(|| "work was delivered to it since the failures began".to_owned())
    }
}
