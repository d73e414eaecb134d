//! Commands of operators and programs about a worker, and their outcomes.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::id::InstanceId;
use crate::model::restart::RestartRequest;

/// A command of an operator about one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Change nothing in the cloud for this worker until an operator resumes it.
    Pause {
        /// The reason, for people who find the worker paused; `None` if none was given.
        reason: Option<String>,
    },
    /// End the pause.
    Resume,
    /// Clear the worker's state and read the worker from the cloud again. The epoch, the generation
    /// and the pause stay, because otherwise tokens and fences would repeat (G1, G6).
    Forget,
    /// End the worker's instance and bring the worker up again.
    Restart(RestartRequest),
    /// Move the worker to an instance that runs.
    Adopt {
        /// The instance.
        instance: InstanceId,
        /// The person who asks, by their own word; `None` if no name was given.
        by: Option<String>,
    },
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
            Self::Adopt { instance, by: None } => write!(f, "adopt {instance}"),
            Self::Adopt {
                instance,
                by: Some(by),
            } => write!(f, "adopt {instance} (asked by {by})"),
        }
    }
}

/// The outcome of a command. The outcome holds on every host that shares the store, and after a
/// restart of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// The worker is paused from now on.
    Paused,
    /// The worker was paused already, and its reason was replaced.
    ReasonChanged,
    /// The worker was paused already, and its reason stays.
    AlreadyPaused,
    /// The pause is ended.
    Resumed,
    /// The worker was not paused.
    NotPaused,
    /// The worker's state is cleared.
    Forgotten,
    /// A restart has begun.
    RestartBegun,
    /// A restart is in flight, and this request joins it.
    RestartJoined,
    /// The request was dropped and counted (docs/incidents.md#self-fire).
    RestartDropped,
    /// The restart follows when the one in flight is over.
    RestartDeferred,
    /// The instance is the worker's from now on.
    Adopted,
    /// The instance was the worker's already.
    AlreadyAdopted,
}

impl CommandOutcome {
    /// The stable code in responses and the journal.
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
            Self::Adopted => "adopted",
            Self::AlreadyAdopted => "already_adopted",
        }
    }

    /// Whether the command changed anything.
    pub fn is_change(self) -> bool {
        !matches!(
            self,
            Self::AlreadyPaused
                | Self::NotPaused
                | Self::RestartJoined
                | Self::RestartDropped
                | Self::AlreadyAdopted
        )
    }
}

/// The refusal of a command. The worker is unchanged, unless the text says that this is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Refused {
    /// The stable code.
    pub code: RefusedCode,
    /// What was found, and what to do.
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
    /// A mutation is under way for the worker, and its outcome is not known yet.
    MutationInFlight,
    /// The worker's record could not be read or written.
    StoreUnreachable,
    /// Other hosts wrote the worker's record first, several times in a row.
    RecordChanged,
    /// Dry run: the host changes nothing, including the worker's record.
    DryRun,
    /// An operator has paused the worker.
    Paused,
    /// The cloud refuses to end or reboot the worker's instance; the instance stays in service.
    EndRefused,
    /// The pool's instances cannot be restarted in the way that was asked for.
    RestartKind,
    /// The instance is of another fleet.
    InstanceForeign,
    /// The instance is another worker's.
    InstanceOfAnotherWorker,
    /// The cloud does not show the instance.
    InstanceNotVisible,
    /// The instance is not pending or running.
    InstanceNotLive,
    /// An instance of a newer generation is or was adopted.
    InstanceSuperseded,
    /// The instance could not be read.
    CloudUnreachable,
    /// Another rule of the guard objects; the text names it.
    Vetoed,
}

impl RefusedCode {
    /// The code in responses and the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeaseHeld => "lease_held",
            Self::MutationInFlight => "mutation_in_flight",
            Self::StoreUnreachable => "store_unreachable",
            Self::RecordChanged => "record_changed",
            Self::DryRun => "dry_run",
            Self::Paused => "paused",
            Self::EndRefused => "end_refused",
            Self::RestartKind => "restart_kind",
            Self::InstanceForeign => "instance_foreign",
            Self::InstanceOfAnotherWorker => "instance_of_another_worker",
            Self::InstanceNotVisible => "instance_not_visible",
            Self::InstanceNotLive => "instance_not_live",
            Self::InstanceSuperseded => "instance_superseded",
            Self::CloudUnreachable => "cloud_unreachable",
            Self::Vetoed => "vetoed",
        }
    }

    /// A one-line title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::LeaseHeld => "Another host acts for the worker",
            Self::MutationInFlight => "Something is being changed for the worker",
            Self::StoreUnreachable => "The store of the workers' records could not be asked",
            Self::RecordChanged => "Other hosts keep writing the worker's record",
            Self::DryRun => "This host changes nothing",
            Self::Paused => "An operator has paused the worker",
            Self::EndRefused => "The cloud refuses to end the worker's instance",
            Self::RestartKind => "The pool's instances cannot be restarted like that",
            Self::InstanceForeign => "The instance is of another fleet",
            Self::InstanceOfAnotherWorker => "The instance is another worker's",
            Self::InstanceNotVisible => "The cloud does not show the instance",
            Self::InstanceNotLive => "The instance does not run",
            Self::InstanceSuperseded => "An instance of a newer generation is or was adopted",
            Self::CloudUnreachable => "The cloud could not be asked about the instance",
            Self::Vetoed => "The host does not allow it",
        }
    }
}

impl fmt::Display for RefusedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
