//! The worker's life: the span over which the host judges the worker's health, and the holds during
//! which the host concludes nothing.

use super::WorkerFacts;
use crate::model::id::InstanceId;
use crate::model::store::Draining;
use crate::model::time::{Instant, Millis};

/// One life of one instance as the worker's. A life lasts from a start of the instance to its stop,
/// and from one adoption to the next. A restart ends it, on whichever host the restart ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The instance.
    pub instance: InstanceId,
    /// When the provider last started the instance.
    pub launched_at: Option<Instant>,
    /// When the instance was adopted, by the record.
    pub adopted_since: Instant,
}

/// Why the host concludes nothing from the worker's signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A restart is in flight. Signals prove nothing until the restart is over
    /// (docs/incidents.md#self-fire).
    Restarting,
    /// The instance reboots for a restart. The host probes it, because a probe shows the end of the
    /// reboot.
    Rebooting,
    /// No instance is adopted.
    NothingAdopted,
    /// The instance does not run, or has no address, so there is nothing to probe.
    NoAddress,
    /// The instance drains before a reap. The host does not hand the instance out, and a restart
    /// would undo the reap. If use cancels the drain, the rows of readings begin again.
    Draining,
    /// A mutation is under way for the worker, and may be ending the instance.
    Changing,
    /// An operator has paused the worker. The host probes the instance, because the operator wants
    /// to see the results, but nothing follows from them. When the pause ends, the rows of readings
    /// begin again.
    Paused,
}

impl Hold {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restarting | Self::Rebooting => "restarting",
            Self::NothingAdopted => "nothing-adopted",
            Self::NoAddress => "no-address",
            Self::Draining => "draining",
            Self::Changing => "changing",
            Self::Paused => "paused",
        }
    }

    /// Whether the host probes the instance in spite of the hold.
    fn is_asked(self) -> bool {
        matches!(self, Self::Paused | Self::Rebooting)
    }
}

impl WorkerFacts {
    /// How long this drain lasts.
    pub(crate) fn drain_of(&self, draining: &Draining) -> Millis {
        draining.lasts.unwrap_or(self.pool.limits.drain)
    }

    /// How long it is until the draining instance is ended, unless it comes into use; `None`: none
    /// drains.
    pub(crate) fn ends_in(&self, now: Instant) -> Option<Millis> {
        let draining = self.draining.as_ref()?;
        Some((draining.since + self.drain_of(draining)).since(now))
    }

    /// Why the host concludes nothing at present; `None` if it does conclude.
    pub fn health_hold(&self) -> Option<Hold> {
        if let Err(hold) = self.present_life() {
            return Some(hold);
        }
        if self.is_restarting() {
            Some(Hold::Rebooting)
        } else if self.draining.is_some() {
            Some(Hold::Draining)
        } else if self.is_changing() {
            Some(Hold::Changing)
        } else {
            self.paused.is_some().then_some(Hold::Paused)
        }
    }

    /// Whether the host probes the instance.
    pub(crate) fn is_health_asked(&self) -> bool {
        self.health_hold().is_none_or(Hold::is_asked)
    }

    /// The present life of the worker.
    ///
    /// # Errors
    /// The hold that hides the life.
    pub(crate) fn present_life(&self) -> Result<Life, Hold> {
        if self.is_restarting() && !self.is_rebooting() {
            return Err(Hold::Restarting);
        }
        let adopted = self.adopted.as_ref().ok_or(Hold::NothingAdopted)?;
        let known = self.adopted_instance();
        let known = known.filter(|known| known.instance.is_reachable());
        let known = known.ok_or(Hold::NoAddress)?;
        Ok(Life {
            instance: adopted.id.clone(),
            launched_at: known.instance.launched_at,
            adopted_since: adopted.since,
        })
    }

    /// The instance whose status checks the host reads; `None` if no instance is probed.
    pub(crate) fn checked_instance(&self) -> Option<&InstanceId> {
        let is_seen = self.present_life().is_ok() && self.is_health_asked();
        let adopted = self.adopted.as_ref().filter(|_| is_seen);
        adopted.map(|adopted| &adopted.id)
    }
}
