//! `debounce`: a restart is asked for; do it? See `wit/debounce.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Age, Reason};

/// The input of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// Why the restart is asked for, 1 to 64 bytes.
    pub cause: String,
    /// How long ago the latest restart began.
    pub last_started: Age,
    /// Whether the latest restart is still in flight.
    pub in_flight: bool,
    /// Whether the latest restart had the same cause.
    pub same_cause: bool,
    /// Requests that were dropped since the latest restart began.
    pub dropped: u32,
    /// Whether a deferred restart is already waiting.
    pub deferred: bool,
    /// The pool's settings for this policy, a JSON object.
    pub settings: String,
}

/// The choice about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Restart now.
    Go,
    /// Do nothing; count it.
    Drop,
    /// Restart once, after a fresh heartbeat.
    Defer,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "go",
            Self::Drop => "drop",
            Self::Defer => "defer",
        })
    }
}

/// The verdict of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Verdict {
    /// The choice.
    pub choice: Choice,
    /// The reason.
    pub reason: Reason,
    /// How long the answer holds for requests of the same cause.
    pub valid_for_ms: u32,
}
