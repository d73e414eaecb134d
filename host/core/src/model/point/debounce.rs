//! `debounce`: a restart is asked for; do it? See `wit/debounce.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Age, BadSignal, Notice, Reason, Usage, Worker, seconds};
use crate::model::spec::RestartBy;

/// Which kinds are possible for the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kinds {
    /// A reboot.
    pub reboot: bool,
    /// A stop and a start.
    pub stop_start: bool,
    /// An end and a launch.
    pub replace: bool,
}

/// The input of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// The worker in question.
    pub worker: Worker,
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
    /// Signs that the adopted instance is in use.
    pub usage: Usage,
    /// Who says that it is unwell.
    pub bad_signals: Vec<BadSignal>,
    /// What the provider is going to do with it.
    pub notices: Vec<Notice>,
    /// The kinds of restart that are possible.
    pub kinds: Kinds,
    /// The kind that is asked for: the request's, or else the pool's.
    pub kind: RestartBy,
    /// The pool's settings for this policy, a JSON object.
    pub settings: String,
}

/// The choice about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Restart now, in this way.
    Go(RestartBy),
    /// Do nothing; count it.
    Drop,
    /// Restart once, in this many milliseconds at the earliest.
    Defer(u32),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Go(kind) => write!(f, "go ({kind})"),
            Self::Drop => f.write_str("drop"),
            Self::Defer(ms) => write!(f, "defer for {}", seconds(*ms)),
        }
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
