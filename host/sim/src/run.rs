//! The result of a run: the timeline, the callers that were served, the vetoes and the harms.

use std::fmt;

use reeve_core::id::InstanceId;
use reeve_core::time::{Instant, Millis};

use crate::timeline::Entry;
use crate::world::WorldEvent;

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The time at which the story began. Expectations count their times from it.
    pub begins: Instant,
    /// The timeline, oldest line first.
    pub entries: Vec<Entry>,
    /// The harms that the stage found in the world's events.
    pub harms: Vec<Harm>,
    /// The host's launches, starts, stops and terminations, as the world recorded them.
    pub mutations: Vec<WorldEvent>,
    /// How many proposals the guard vetoed.
    pub vetoes: usize,
    /// The responses with an address.
    pub served: Vec<Served>,
    /// How many callers stopped asking without an address, or still waited at the end.
    pub gave_up: usize,
}

/// A response that gave a caller an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The caller's name in the script.
    pub caller: String,
    /// The time of the response.
    pub at: Instant,
    /// The time from the caller's first request to this response, repeated requests included.
    pub took: Millis,
}

/// An act of the host that damages a worker. A script counts harms by the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The host started or launched an instance while another instance of the worker was pending
    /// or running.
    SecondInstance {
        /// The instance that the host started or launched.
        started: InstanceId,
        /// `true`: a launch created the instance. `false`: the host started a stopped instance.
        is_new: bool,
        /// The instance that was pending or running before.
        other: Other,
    },
    /// The host stopped or terminated an instance that no request had reached.
    StoppedUnserved {
        /// The instance that the host ended.
        instance: InstanceId,
        /// Whether the instance had an address, so that requests could have reached it.
        was_reachable: bool,
        /// Whether the host itself had launched or started the instance.
        is_the_hosts: bool,
    },
    /// The host stopped or terminated an instance within the idle limit after a request.
    StoppedInUse {
        /// The instance that the host ended.
        instance: InstanceId,
        /// The time from the last request that reached the instance to the stop.
        last_used_ago: Millis,
    },
    /// The host handed out an instance that was down, later than it could have known.
    DeadAddress {
        /// The instance.
        instance: InstanceId,
        /// How long it had been down; `None`: the cloud does not know it any more.
        down_for: Option<Millis>,
    },
    /// Callers delivered work to an instance whose box had not processed it at the end of the run.
    DeliveredIntoTheVoid {
        /// The instance of that box.
        instance: InstanceId,
        /// How many deliveries the box had not processed.
        deliveries: usize,
    },
}

/// The instance that was up when the host brought up a second one. An incident is recognised by
/// how much of it the host could have known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The id of the instance.
    pub id: InstanceId,
    /// The time from its launch to the launch or start of the second instance.
    pub up_for: Millis,
    /// Whether it was running and had its address.
    pub is_reachable: bool,
    /// Whether the host itself had launched or started it.
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
            Self::DeadAddress { instance, down_for } => {
                write!(f, "{instance} was handed out, and had been down for ")?;
                match down_for {
                    Some(down_for) => write!(f, "{down_for}"),
                    None => f.write_str("more than an hour"),
                }
            }
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
    /// The shortest time in which a caller got an address; `None`: no caller got one.
    pub fn until_served(&self) -> Option<Millis> {
        self.served.iter().map(|served| served.took).min()
    }

    /// Sums the run up in one word. A harm outweighs a veto, and a veto outweighs an unserved
    /// caller.
    pub fn outcome(&self) -> Outcome {
        if !self.harms.is_empty() {
            Outcome::Failed
        } else if self.vetoes > 0 {
            Outcome::Contained
        } else if self.served.is_empty() || self.gave_up > 0 {
            Outcome::Failed
        } else {
            Outcome::Served
        }
    }
}

/// The result of a run in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host did harm, or a caller was never served although the guard refused nothing.
    Failed,
    /// The guard refused at least one proposal, and the host did no harm.
    Contained,
    /// Every caller was served, and the guard refused nothing.
    Served,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Failed, Self::Contained, Self::Served];

    /// The word that scripts use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Contained => "contained",
            Self::Served => "served",
        }
    }
}
