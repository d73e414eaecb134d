//! What is known of the worker's health, and when nothing may be concluded from it.
//!
//! What was seen belongs to one life of one instance: a [`Watch`] begins when that life is adopted and has its address,
//! and ends with it. So what is still on its way from the life before, or from before a restart, meets another watch or
//! none and is dropped.

mod restart;
mod status;

use std::net::{IpAddr, SocketAddr};

use super::{Worker, inputs};
use crate::model::health::{
    Ask, Observation, ProbeKind, ProbeSpec, Sign, Signal, SignalKind, Signals, Standing, Target,
};
use crate::model::id::InstanceId;
use crate::model::time::Instant;

pub use status::{HealthStatus, SignalStatus};

/// What is remembered of a worker's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What was seen of the present life; `None`: there is none that could be seen.
    pub watch: Option<Watch>,
    /// How often it was time to look, for the spread of the next time.
    pub round: u64,
    /// When that is; `None`: never, or not yet.
    pub due_at: Option<Instant>,
    /// Since when this host would have heard a heartbeat, had there been one: later than its start if it stood still,
    /// if the worker was paused, or if its door for boxes was full.
    pub listening_since: Instant,
    /// Whether people were told that the worker is unhealthy, and not yet that it is well again.
    pub told: bool,
    /// When a restart was last asked for.
    pub restart_asked_at: Option<Instant>,
    /// Restarts in a row that were begun for its health, on whichever host, and did not make it well.
    pub restarts_in_row: u32,
    /// The latest restart of the record that this host has seen, by its start.
    pub restart_seen: Option<Instant>,
}

/// What was seen of one life of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which.
    pub life: Life,
    /// Since when, by this host: what was asked before then is of another life.
    pub since: Instant,
    /// Since when nothing has been in the way of a conclusion; `None`: something is.
    pub free_since: Option<Instant>,
    /// What each signal says.
    pub signals: Signals,
    /// The probe under way, by when it was asked for.
    pub probe_asked_at: Option<Instant>,
    /// When the record was last asked for, so that no restart of another host is taken for a failure.
    pub record_asked_at: Option<Instant>,
    /// Since when the worker is unhealthy; `None`: it is not.
    pub unhealthy_since: Option<Instant>,
}

/// One life of one instance as the worker's: from one start of it to its stop, and from one adoption to the next. A
/// restart ends both, on whichever host it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The instance.
    pub instance: InstanceId,
    /// When the provider last started it.
    pub launched_at: Option<Instant>,
    /// When it was adopted, as the record has it.
    pub adopted_since: Instant,
}

/// Why nothing is concluded, though there may be something to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A restart is in flight: how the worker looks meanwhile says nothing (docs/incidents.md#self-fire).
    Restarting,
    /// Nothing embodies the worker.
    NothingAdopted,
    /// The instance does not run, or has no address: there is nobody to ask.
    NoAddress,
    /// The instance is about to be reaped. It is not handed out any more, and bringing it up anew would be against the
    /// decision; if it is used after all the rows begin anew.
    Draining,
    /// Something is being changed for the worker, and the instance may be on its way down.
    Changing,
    /// An operator works on it. What it answers is shown, because that is what the operator wants to know; but nothing
    /// follows from it, and when the pause ends the rows begin anew.
    Paused,
}

impl Hold {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restarting => "restarting",
            Self::NothingAdopted => "nothing-adopted",
            Self::NoAddress => "no-address",
            Self::Draining => "draining",
            Self::Changing => "changing",
            Self::Paused => "paused",
        }
    }

    /// Whether the instance is asked all the same.
    fn is_asked(self) -> bool {
        self == Self::Paused
    }
}

impl Worker {
    /// Why nothing is concluded now; `None`: nothing is in the way.
    pub fn health_hold(&self) -> Option<Hold> {
        if let Err(hold) = self.present_life() {
            return Some(hold);
        }
        if self.draining.is_some() {
            Some(Hold::Draining)
        } else if self.is_changing() {
            Some(Hold::Changing)
        } else {
            self.paused.is_some().then_some(Hold::Paused)
        }
    }

    /// Whether the instance is asked how it is.
    pub(crate) fn is_health_asked(&self) -> bool {
        self.health_hold().is_none_or(Hold::is_asked)
    }

    /// The life that can be seen now.
    fn present_life(&self) -> Result<Life, Hold> {
        if self.is_restarting() {
            return Err(Hold::Restarting);
        }
        let adopted = self.adopted.as_ref().ok_or(Hold::NothingAdopted)?;
        let known = self.adopted_known();
        let known = known.filter(|known| known.instance.is_reachable());
        let known = known.ok_or(Hold::NoAddress)?;
        Ok(Life {
            instance: adopted.id.clone(),
            launched_at: known.instance.launched_at,
            adopted_since: adopted.since,
        })
    }

    /// Ends the watch of a life that is over and begins that of a new one. While nothing may be concluded rows do not
    /// grow.
    pub(crate) fn watch_present_life(&mut self, now: Instant) {
        self.count_restart();
        let life = self.present_life().ok();
        let hold = self.health_hold();
        let watch = self.health.watch.take();
        let same = watch.filter(|watch| Some(&watch.life) == life.as_ref());
        self.health.watch = same.or_else(|| Some(Watch::new(life?, now)));
        let Some(watch) = &mut self.health.watch else {
            return;
        };
        if hold.is_none() {
            watch.free_since.get_or_insert(now);
        } else {
            watch.free_since = None;
            watch.signals.values_mut().for_each(|signal| signal.row = 0);
        }
    }

    /// Counts a restart that was begun since this host last looked.
    fn count_restart(&mut self) {
        let Some(restart) = &self.restart else {
            return;
        };
        let is_new = self.health.restart_seen != Some(restart.started_at);
        self.health.restart_seen = Some(restart.started_at);
        if is_new && restart.request.is_for_health() {
            self.health.restarts_in_row = self.health.restarts_in_row.saturating_add(1);
        }
    }

    /// The instance whose status checks are to be read, if one is watched.
    pub(crate) fn checked_instance(&self) -> Option<&InstanceId> {
        let life = self.present_life().is_ok() && self.is_health_asked();
        let adopted = self.adopted.as_ref().filter(|_| life);
        adopted.map(|adopted| &adopted.id)
    }

    /// The probe to send now.
    pub(crate) fn probe_target(&self, probe: &ProbeSpec) -> Option<Target> {
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

    /// The address that callers get, else the private one first (docs/incidents.md#ip-race).
    fn probed_ip(&self) -> Option<IpAddr> {
        let instance = &self.adopted_known()?.instance;
        let addresses = [instance.private_ip, instance.public_ip];
        let addresses = addresses.into_iter().flatten();
        let route = self.route.as_ref().map(|route| route.url.as_str());
        let is_served = |ip: &IpAddr| Some(inputs::url(*ip, self.pool.port).as_str()) == route;
        addresses
            .clone()
            .find(is_served)
            .or(addresses.clone().next())
    }

    /// Takes in a reading of the present life that was asked for at `at`. What it proves is a matter of that moment and
    /// not of the one at which it arrives: a host that stood still gets the answers of minutes ago.
    pub(crate) fn take_health(&mut self, kind: SignalKind, observation: Observation, at: Instant) {
        let (Some(spec), Some(watch)) = (&self.pool.health, &mut self.health.watch) else {
            return;
        };
        let is_free = watch.free_since.is_some_and(|since| at >= since);
        let in_grace = at.since(watch.since) < spec.boot_grace;
        let signal = watch.signals.entry(kind).or_insert(Signal::unread(at));
        // Until it has answered once it may still be on its way up.
        let is_booting = signal.standing == Standing::Unknown && in_grace;
        let is_too_early = is_booting && observation.sign == Sign::Bad;
        let counts = is_free && !is_too_early;
        signal.take_in(observation, at, counts, spec.thresholds(kind));
    }

    /// What the box's heartbeat says, and as of when; `None` where boxes do not register. Silence is measured from
    /// when this host, or any other, would have heard: since the life began, and since this host listens.
    pub(crate) fn heartbeat_observation(
        &self,
        now: Instant,
        store_is_shared: bool,
    ) -> Option<(Observation, Instant)> {
        let limit = self.pool.boxes.as_ref()?.token_live();
        let watch = self.health.watch.as_ref()?;
        let adopted_since = watch.life.adopted_since;
        let heartbeat = self.record.activity().heartbeat_at;
        let heartbeat = heartbeat.filter(|at| *at > adopted_since);
        let heard_since = watch.since.max(self.health.listening_since);
        let silent_since = heartbeat.unwrap_or(heard_since).max(heard_since);
        // Another host may have heard what this one has not: it is in the store.
        let as_of = match store_is_shared {
            true => self.record.read_at,
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

impl Watch {
    fn new(life: Life, now: Instant) -> Self {
        Self {
            life,
            since: now,
            free_since: None,
            signals: Signals::new(),
            probe_asked_at: None,
            record_asked_at: None,
            unhealthy_since: None,
        }
    }
}
