//! What a run came to: who was served, what was refused, and what should never have happened.

use std::fmt;

use reeve_core::id::InstanceId;
use reeve_core::time::{Instant, Millis};

use crate::timeline::Entry;
use crate::world::Happening;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// When the story began.
    pub begins: Instant,
    /// Line by line, oldest first.
    pub entries: Vec<Entry>,
    /// What should never have happened, as seen from the world.
    pub harms: Vec<Harm>,
    /// What the host did to instances, as seen from the world: launches, starts, stops,
    /// terminations.
    pub deeds: Vec<Happening>,
    /// Proposals the guard refused.
    pub vetoes: usize,
    /// Callers who were served.
    pub served: Vec<Served>,
    /// Callers who gave up.
    pub gave_up: usize,
}

/// A caller got an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Who.
    pub caller: String,
    /// When.
    pub at: Instant,
    /// How long that took from the first time they asked.
    pub took: Millis,
}

/// What should never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The host started or launched one while another was up for the same worker.
    SecondInstance {
        /// What it brought up.
        started: InstanceId,
        /// Whether that was launched; else it was a stopped one.
        is_new: bool,
        /// The instance that was there.
        other: Other,
    },
    /// The host stopped one that no request had ever reached.
    StoppedUnserved {
        /// Which.
        instance: InstanceId,
        /// Whether requests could have reached it.
        was_reachable: bool,
        /// Whether the host had brought it up itself.
        is_the_hosts: bool,
    },
    /// The host stopped one that was in use so little time before.
    StoppedInUse {
        /// Which.
        instance: InstanceId,
        /// How long before a request had reached it.
        last_used_ago: Millis,
    },
    /// An instance took deliveries that were never processed, while the host called the worker
    /// well.
    DeliveredIntoTheVoid {
        /// Which.
        instance: InstanceId,
        /// How many.
        deliveries: usize,
    },
}

/// What was up when a second one was brought up, as the host could have known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Which.
    pub id: InstanceId,
    /// Since when it was there, before the second one.
    pub up_for: Millis,
    /// Whether it ran and had its address.
    pub is_reachable: bool,
    /// Whether the host had brought it up itself.
    pub is_the_hosts: bool,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecondInstance { started, other, .. } => {
                write!(f, "{started} was brought up next to {}", other.id)
            }
            Self::StoppedInUse {
                instance,
                last_used_ago,
            } => write!(
                f,
                "{instance} was stopped {last_used_ago} after a request reached it"
            ),
            Self::DeliveredIntoTheVoid {
                instance,
                deliveries,
            } => write!(
                f,
                "{instance} took {deliveries} deliveries and processed none of them"
            ),
            Self::StoppedUnserved { instance, .. } => {
                write!(f, "{instance} was stopped without ever having served")
            }
        }
    }
}

impl Run {
    /// From the first ask to the first answer with an address.
    pub fn until_served(&self) -> Option<Millis> {
        self.served.iter().map(|served| served.took).min()
    }

    /// What it came to, in one word.
    pub fn outcome(&self) -> Outcome {
        let nobody_served = self.served.is_empty();
        if !self.harms.is_empty() {
            Outcome::Failed
        } else if self.vetoes > 0 {
            Outcome::Contained
        } else if nobody_served || self.gave_up > 0 {
            Outcome::Failed
        } else {
            Outcome::Served
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Harm was done, or a caller was never served without anything having been refused.
    Failed,
    /// Harm was proposed, and refused.
    Contained,
    /// Everybody was served, and nothing had to be refused.
    Served,
}
