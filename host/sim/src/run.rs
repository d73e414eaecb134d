//! The result of a run: the timeline, the callers that were served or not, the vetoes and the harms.

use std::fmt;

use reeve_core::id::InstanceId;
use reeve_core::notice::Step;
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
    /// The callers that could have been served in time, and were not.
    pub down: Vec<Down>,
    /// The host's launches, starts, stops and terminations, as the world recorded them.
    pub mutations: Vec<WorldEvent>,
    /// The steps that the host sent notices about, each with its time.
    pub notices: Vec<(Instant, Step)>,
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

/// A caller that waited for longer than the script's `down-after` while it could be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// The caller's name in the script.
    pub caller: String,
    /// The time of the caller's first request.
    pub since: Instant,
    /// The time at which `down-after` was over.
    pub at: Instant,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waited = self.at.since(self.since);
        write!(f, "{} has no address after {waited}", self.caller)
    }
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

    /// The longest time that a caller waited for its address; `None`: no caller got one.
    pub fn longest_wait(&self) -> Option<Millis> {
        self.served.iter().map(|served| served.took).max()
    }

    /// Sums the run up in one word. The first that is true counts, in the order of
    /// [`Outcome::ALL`].
    pub fn outcome(&self) -> Outcome {
        if !self.harms.is_empty() {
            Outcome::Failed
        } else if !self.down.is_empty() {
            Outcome::Down
        } else if self.vetoes > 0 {
            Outcome::Contained
        } else if self.gave_up > 0 {
            Outcome::Unserved
        } else {
            Outcome::Served
        }
    }
}

/// The result of a run in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host did harm.
    Failed,
    /// A caller that could have been served waited for longer than the bound.
    Down,
    /// The guard refused at least one proposal.
    Contained,
    /// A caller was left without an address. It could not be served, or did not wait that long.
    Unserved,
    /// Every caller was served.
    Served,
}

impl Outcome {
    /// All outcomes, the worst first.
    pub const ALL: [Self; 5] = [
        Self::Failed,
        Self::Down,
        Self::Contained,
        Self::Unserved,
        Self::Served,
    ];

    /// The word that scripts use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Down => "down",
            Self::Contained => "contained",
            Self::Unserved => "unserved",
            Self::Served => "served",
        }
    }
}
