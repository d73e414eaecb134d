//! The watch of one life of one instance.
//!
//! A [`Watch`] begins when a life is adopted and has its address, and ends with that life. So an
//! answer that belongs to an earlier life, or was asked for before a restart, meets another watch
//! or none and is dropped.

use std::net::{IpAddr, SocketAddr};

use super::Health;
use crate::facts::{Life, WorkerFacts, inputs};
use crate::model::health::{
    Ask, Observation, ProbeKind, ProbeSpec, Scheduled, Sign, Signal, SignalKind, Signals, Standing,
    Target,
};
use crate::model::time::Instant;

/// What the host has observed of one life of one instance.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) life: Life,
    /// When the watch began, by this host. An answer to an earlier question belongs to another
    /// life.
    pub(super) since: Instant,
    /// Since when no hold is in force; `None` if one is.
    free_since: Option<Instant>,
    /// The signals of this life.
    pub(super) signals: Signals,
    /// What the provider was going to do with the instance, by the latest status checks.
    pub(super) scheduled: Vec<Scheduled>,
    /// When the probe under way was asked for.
    pub(super) probe_asked_at: Option<Instant>,
    /// When the record was last asked for. The record shows restarts by other hosts, which are no
    /// failures.
    pub(super) record_asked_at: Option<Instant>,
    /// Since when the worker is unhealthy; `None` if it is not.
    pub(super) unhealthy_since: Option<Instant>,
}

impl Watch {
    fn new(life: Life, now: Instant) -> Self {
        Self {
            life,
            since: now,
            free_since: None,
            signals: Signals::new(),
            scheduled: Vec::new(),
            probe_asked_at: None,
            record_asked_at: None,
            unhealthy_since: None,
        }
    }

    /// Begins the rows of readings again.
    pub(super) fn begin_rows(&mut self) {
        self.signals.values_mut().for_each(|signal| signal.row = 0);
    }
}

impl Health {
    /// Ends the watch of a life that is over and begins that of a new one. Rows do not grow during
    /// a hold.
    pub(super) fn watch_present_life(&mut self, facts: &WorkerFacts, now: Instant) {
        self.count_restart(facts);
        let life = facts.present_life().ok();
        let watch = self.watch.take();
        let same = watch.filter(|watch| Some(&watch.life) == life.as_ref());
        self.watch = same.or_else(|| Some(Watch::new(life?, now)));
        let Some(watch) = &mut self.watch else {
            return;
        };
        if facts.health_hold().is_none() {
            watch.free_since.get_or_insert(now);
        } else {
            watch.free_since = None;
            watch.begin_rows();
        }
    }

    /// Counts a restart that began since the last call.
    fn count_restart(&mut self, facts: &WorkerFacts) {
        let Some(restart) = &facts.restart else {
            return;
        };
        let is_new = self.restart_seen != Some(restart.started_at);
        self.restart_seen = Some(restart.started_at);
        if is_new && restart.request.is_for_health() {
            self.restarts_in_row = self.restarts_in_row.saturating_add(1);
        }
    }

    /// Takes in a reading of the present life that was asked for at `at`. The reading counts as of
    /// that instant, not as of its arrival: a host that stood still gets answers that are minutes
    /// old.
    pub(super) fn take(
        &mut self,
        facts: &WorkerFacts,
        kind: SignalKind,
        observation: Observation,
        at: Instant,
    ) {
        let (Some(spec), Some(watch)) = (&facts.pool.health, &mut self.watch) else {
            return;
        };
        let is_free = watch.free_since.is_some_and(|since| at >= since);
        let in_grace = at.since(watch.since) < spec.boot_grace;
        let signal = watch.signals.entry(kind).or_insert(Signal::unread(at));
        // Until its first success the instance may still boot.
        let is_booting = signal.standing == Standing::Unknown && in_grace;
        let is_too_early = is_booting && observation.sign == Sign::Bad;
        let counts = is_free && !is_too_early;
        signal.take_in(observation, at, counts, spec.thresholds(kind));
    }

    /// The reading of the box's heartbeat and its instant; `None` if boxes do not register. Silence
    /// counts from when a host could hear the box: since the life began, and since this host
    /// listens.
    pub(super) fn heartbeat_observation(
        &self,
        facts: &WorkerFacts,
        now: Instant,
        store_is_shared: bool,
    ) -> Option<(Observation, Instant)> {
        let limit = facts.pool.boxes.as_ref()?.token_live();
        let watch = self.watch.as_ref()?;
        let adopted_since = watch.life.adopted_since;
        let heartbeat = facts.record.activity().heartbeat_at;
        let heartbeat = heartbeat.filter(|at| *at > adopted_since);
        let heard_since = watch.since.max(self.listening_since);
        let silent_since = heartbeat.unwrap_or(heard_since).max(heard_since);
        // Another host may have heard the box; then the store has the heartbeat.
        let as_of = match store_is_shared {
            true => facts.record.read_at,
            false => now,
        };
        let told = |at: Option<Instant>| match at {
            Some(at) => format!("the last heartbeat came {} ago", now.since(at)),
            None => "no heartbeat has come yet".to_owned(),
        };
        let text = told(heartbeat);
        Some(match heartbeat {
            _ if as_of.since(silent_since) >= limit => {
                let text = format!("{text}; three of them are {limit}");
                (Observation::bad(text), as_of)
            }
            Some(at) if now.since(at) < limit => (Observation::good(text), now),
            _ => (Observation::unavailable(text), now),
        })
    }
}

impl WorkerFacts {
    /// The probe to send.
    pub(super) fn probe_target(&self, probe: &ProbeSpec) -> Option<Target> {
        let port = probe.port.unwrap_or(self.pool.port);
        Some(Target {
            address: SocketAddr::new(self.probed_ip()?, port),
            ask: match &probe.kind {
                ProbeKind::Http { path, .. } => Ask::Http(path.clone()),
                ProbeKind::Tcp => Ask::Tcp,
            },
            timeout: probe.timeout,
        })
    }

    /// The address that callers get, or else the private one first (docs/incidents.md#ip-race).
    fn probed_ip(&self) -> Option<IpAddr> {
        let instance = &self.adopted_instance()?.instance;
        let addresses = [instance.private_ip, instance.public_ip];
        let addresses = addresses.into_iter().flatten();
        let route = self.route.as_ref().map(|route| route.url.as_str());
        let is_served = |ip: &IpAddr| Some(inputs::url(*ip, self.pool.port).as_str()) == route;
        addresses
            .clone()
            .find(is_served)
            .or(addresses.clone().next())
    }
}
