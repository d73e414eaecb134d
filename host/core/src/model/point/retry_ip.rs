//! `retry-ip`: it runs without an address; look again? See `wit/retry-ip.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{InstanceFacts, Reason, Worker, seconds};

/// The input of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// The worker in question.
    pub worker: Worker,
    /// The adopted instance.
    pub instance: InstanceFacts,
    /// Readings without an address so far, 1 at the first call.
    pub tries: u32,
    /// Milliseconds since the first of these readings.
    pub waited_ms: u32,
    /// Instances in a row that went down without ever having been handed out.
    pub unserved: u32,
    /// The pool's settings for this policy, a JSON object.
    pub settings: String,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    /// Read again after this many milliseconds; the caller waits.
    Again(u32),
    /// Tell the caller to come back after this many milliseconds; the host keeps looking.
    GiveUp(u32),
    /// End this instance and have another brought up.
    Abandon,
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again(ms) => write!(f, "look again in {}", seconds(*ms)),
            Self::GiveUp(ms) => write!(f, "give up, come back in {}", seconds(*ms)),
            Self::Abandon => f.write_str("abandon"),
        }
    }
}

/// The verdict of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Verdict {
    /// The next step.
    pub next: Next,
    /// The reason.
    pub reason: Reason,
    /// How long a `give-up` answers later callers too.
    pub valid_for_ms: u32,
}
