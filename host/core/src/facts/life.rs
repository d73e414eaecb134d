//! The life of the worker that its health is judged by, and when nothing may be concluded from it.

use super::WorkerFacts;
use crate::model::id::InstanceId;
use crate::model::time::Instant;

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

/// Why nothing is concluded from the worker's signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A restart is in flight: how the worker looks until it is over says nothing (docs/incidents.md#self-fire).
    Restarting,
    /// No instance embodies the worker.
    NothingAdopted,
    /// The instance does not run, or has no address: there is nothing to ask.
    NoAddress,
    /// The instance is about to be reaped. It is not handed out, and to bring it up anew would be against the decision.
    /// If it is used after all, the rows begin anew.
    Draining,
    /// A mutation is under way for the worker, and the instance may be on its way down.
    Changing,
    /// An operator works on the instance. Its answers are shown, because the operator wants to see them; but nothing
    /// follows from them, and when the pause ends the rows begin anew.
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

impl WorkerFacts {
    /// Why nothing is concluded at present; `None`: nothing is in the way.
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

    /// The life that can be seen at present.
    ///
    /// # Errors
    /// Why none can.
    pub(crate) fn present_life(&self) -> Result<Life, Hold> {
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

    /// The instance whose status checks are to be read, if there is one whose health is asked.
    pub(crate) fn checked_instance(&self) -> Option<&InstanceId> {
        let is_seen = self.present_life().is_ok() && self.is_health_asked();
        let adopted = self.adopted.as_ref().filter(|_| is_seen);
        adopted.map(|adopted| &adopted.id)
    }
}
