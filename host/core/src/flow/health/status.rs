//! The status of a worker's health, for people.

use super::Health;
use crate::facts::{Condition, HealthStatus, Hold, SignalStatus, WorkerFacts};
use crate::model::health::{RestartRule, Signal, SignalKind, Standing, bad_signal};
use crate::model::time::Instant;

impl Health {
    /// Whether the worker is unhealthy in its present life.
    pub(in crate::flow) fn is_unhealthy(&self, facts: &WorkerFacts) -> bool {
        let watch = self.watch.as_ref();
        let since = watch.and_then(|watch| watch.unhealthy_since);
        since.is_some() && facts.present_life().ok().as_ref() == watch.map(|watch| &watch.life)
    }

    /// The condition of the present life, for the inputs of policies.
    pub(in crate::flow) fn condition(&self) -> Condition {
        let Some(watch) = &self.watch else {
            return Condition::default();
        };
        let signals = watch.signals.iter();
        let bad = signals.filter(|(_, signal)| signal.standing == Standing::Down);
        Condition {
            bad: bad
                .map(|(kind, signal)| (*kind, signal.row_since))
                .collect(),
            scheduled: watch.scheduled.clone(),
        }
    }

    fn told_held_off(
        &self,
        facts: &WorkerFacts,
        now: Instant,
        rule: RestartRule,
    ) -> Option<String> {
        let signals = &self.watch.as_ref()?.signals;
        let bad = bad_signal(rule, signals).filter(|_| rule != RestartRule::Never)?;
        let of_worker = facts.health_restart_held_off(now, signals.get(&bad)?.row_since);
        of_worker.or_else(|| self.storm.clone())
    }

    /// The worker's health; `None` if the pool has no health checks.
    pub(in crate::flow) fn status(
        &self,
        facts: &WorkerFacts,
        now: Instant,
    ) -> Option<HealthStatus> {
        let spec = facts.pool.health.as_ref()?;
        let watch = self.watch.as_ref();
        let unhealthy_since = watch
            .filter(|_| self.is_unhealthy(facts))
            .and_then(|watch| watch.unhealthy_since);
        let signal_status = |(kind, signal): (&SignalKind, &Signal)| SignalStatus {
            signal: kind.as_str(),
            reading: signal.sign,
            at: signal.at,
            age_ms: now.since(signal.at).get(),
            since: signal.since,
            failures: signal.failures(),
            text: signal.text.clone(),
        };
        let signals = watch.map(|watch| watch.signals.iter().map(signal_status).collect());
        Some(HealthStatus {
            unhealthy_since,
            held: facts.health_hold().map(Hold::as_str),
            restart_held_off: unhealthy_since
                .and_then(|_| self.told_held_off(facts, now, spec.restart)),
            restarts_in_row: self.restarts_in_row,
            signals: signals.unwrap_or_default(),
        })
    }
}
