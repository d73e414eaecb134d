//! A worker's health as people see it.

use serde::Serialize;

use super::super::Worker;
use super::Hold;
use crate::model::health::{HealthSpec, RestartRule, Sign, Signal, SignalKind, bad_signal};
use crate::model::time::Instant;

/// A worker's health as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthStatus {
    /// Since when it is unhealthy; `null`: it is not.
    pub unhealthy_since: Option<Instant>,
    /// Why nothing is concluded now: `restarting`, `nothing-adopted`, `no-address`, `draining`, `changing` or `paused`;
    /// `null`: nothing is in the way.
    pub held: Option<&'static str>,
    /// Why an unhealthy worker is not restarted although the configuration says so; `null`: nothing keeps it.
    pub restart_held_off: Option<String>,
    /// Restarts in a row that did not make it well.
    pub restarts_in_row: u32,
    /// What each signal says of the present life; none before its first reading.
    pub signals: Vec<SignalStatus>,
}

/// One signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignalStatus {
    /// `http`, `tcp`, `status-checks` or `heartbeat`.
    pub signal: &'static str,
    /// `good`, `bad`, or `unavailable`: it could not be read, which proves nothing.
    pub reading: Sign,
    /// When it was asked for.
    pub at: Instant,
    /// How long ago that was.
    pub age_ms: u64,
    /// Since when each reading was the same.
    pub since: Instant,
    /// Failures in a row that count.
    pub failures: u32,
    /// The reading in words.
    pub text: String,
}

impl Worker {
    /// Whether it is unhealthy, and nothing keeps that from being said.
    pub fn is_unhealthy(&self) -> bool {
        let watch = self.health.watch.as_ref();
        let since = watch.and_then(|watch| watch.unhealthy_since);
        since.is_some() && self.present_life().ok().as_ref() == watch.map(|watch| &watch.life)
    }

    fn told_held_off(&self, now: Instant, rule: RestartRule) -> Option<String> {
        let signals = &self.health.watch.as_ref()?.signals;
        let bad = bad_signal(rule, signals).filter(|_| rule != RestartRule::Never)?;
        self.health_restart_held_off(now, signals.get(&bad)?.row_since)
    }

    /// Its health as people see it; `None` where the pool looks after none.
    pub(in crate::worker) fn health_status(&self, now: Instant) -> Option<HealthStatus> {
        let spec: &HealthSpec = self.pool.health.as_ref()?;
        let watch = self.health.watch.as_ref();
        let unhealthy_since = watch
            .filter(|_| self.is_unhealthy())
            .and_then(|watch| watch.unhealthy_since);
        let status = |(kind, signal): (&SignalKind, &Signal)| SignalStatus {
            signal: kind.as_str(),
            reading: signal.sign,
            at: signal.at,
            age_ms: now.since(signal.at).get(),
            since: signal.since,
            failures: signal.failures(),
            text: signal.text.clone(),
        };
        Some(HealthStatus {
            unhealthy_since,
            held: self.health_hold().map(Hold::as_str),
            restart_held_off: unhealthy_since.and_then(|_| self.told_held_off(now, spec.restart)),
            restarts_in_row: self.health.restarts_in_row,
            signals: watch
                .map_or_else(Vec::new, |watch| watch.signals.iter().map(status).collect()),
        })
    }
}
