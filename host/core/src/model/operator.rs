//! What may be told a host to do with a worker, and what comes of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::restart::RestartRequest;

/// A command of an operator about one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Change nothing in the cloud for this worker, whoever asks, until it is resumed.
    Pause {
        /// Why, for whoever finds the worker paused; `None`: none was given.
        reason: Option<String>,
    },
    /// Take the pause back.
    Resume,
    /// Give up what is believed of the worker and learn it anew from the cloud. What only rises (epoch,
    /// generation) and the pause stay, or tokens and fences would repeat (G1, G6).
    Forget,
    /// End the worker's instance and bring it up again.
    Restart(RestartRequest),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { reason: None } => f.write_str("pause"),
            Self::Pause {
                reason: Some(reason),
            } => write!(f, "pause ({reason})"),
            Self::Resume => f.write_str("resume"),
            Self::Forget => f.write_str("forget"),
            Self::Restart(request) => write!(f, "restart ({request})"),
        }
    }
}

/// What a command came to. It is so on every host that shares the store, and after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// The worker is paused from now on.
    Paused,
    /// It was paused already, and has another reason now.
    ReasonChanged,
    /// It was paused already, for this reason or for one that nobody replaced.
    AlreadyPaused,
    /// The pause is taken back.
    Resumed,
    /// There was no pause to take back.
    NotPaused,
    /// What was believed of the worker is gone.
    Forgotten,
    /// A restart has begun.
    RestartBegun,
    /// One is in flight, and this request is one with it.
    RestartJoined,
    /// The request was dropped and counted (docs/incidents.md#self-fire).
    RestartDropped,
    /// It follows once the restart in flight is over.
    RestartDeferred,
}

impl CommandOutcome {
    /// The stable code, as it stands in answers and the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::ReasonChanged => "reason_changed",
            Self::AlreadyPaused => "already_paused",
            Self::Resumed => "resumed",
            Self::NotPaused => "not_paused",
            Self::Forgotten => "forgotten",
            Self::RestartBegun => "restart_begun",
            Self::RestartJoined => "restart_joined",
            Self::RestartDropped => "restart_dropped",
            Self::RestartDeferred => "restart_deferred",
        }
    }

    /// Whether anything is different from before.
    pub fn is_change(self) -> bool {
        !matches!(
            self,
            Self::AlreadyPaused | Self::NotPaused | Self::RestartJoined | Self::RestartDropped
        )
    }
}

/// Why a command was not followed. The worker is as it was, unless the text says that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Refused {
    /// The stable code.
    pub code: RefusedCode,
    /// What was found, and what to do now.
    pub text: String,
}

impl Refused {
    pub(crate) fn new(code: RefusedCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

/// The stable codes of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedCode {
    /// Another host is changing something for the worker.
    LeaseHeld,
    /// Something is being changed for the worker, and what comes of it is not known yet.
    MutationInFlight,
    /// The worker's record could not be read or written.
    StoreUnreachable,
    /// Other hosts wrote the worker's record again and again in between.
    RecordChanged,
    /// The host changes nothing, the worker's record included.
    DryRun,
    /// An operator has paused the worker.
    Paused,
    /// Another rule of the guard objects; the text names it.
    Vetoed,
}

impl RefusedCode {
    /// The code as it stands in answers and the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeaseHeld => "lease_held",
            Self::MutationInFlight => "mutation_in_flight",
            Self::StoreUnreachable => "store_unreachable",
            Self::RecordChanged => "record_changed",
            Self::DryRun => "dry_run",
            Self::Paused => "paused",
            Self::Vetoed => "vetoed",
        }
    }

    /// One line for people who see only the code.
    pub fn title(self) -> &'static str {
        match self {
            Self::LeaseHeld => "Another host acts for the worker",
            Self::MutationInFlight => "Something is being changed for the worker",
            Self::StoreUnreachable => "The store of the workers' records could not be asked",
            Self::RecordChanged => "Other hosts keep writing the worker's record",
            Self::DryRun => "This host changes nothing",
            Self::Paused => "An operator has paused the worker",
            Self::Vetoed => "The host does not allow it",
        }
    }
}

impl fmt::Display for RefusedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
