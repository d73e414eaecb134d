//! What is asked of a cloud and what changes it, as data: queries and their readings, mutations and their outcomes, and
//! the errors of both.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::compute::{Compute, Ending, LaunchSource};
use crate::model::demand::{Metric, Sample};
use crate::model::health::StatusChecks;
use crate::model::id::{InstanceId, LaunchToken, PointerName, Region, WorkerId};
use crate::model::instance::Instance;
use crate::model::time::{Instant, Millis};

/// What a pointer holds when it names no instance.
pub const POINTER_NONE: &str = "none";

/// A question to the cloud.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// What does this pointer say?
    Pointer {
        /// Where it is kept.
        region: Region,
        /// Its name.
        name: PointerName,
    },
    /// What about this one instance?
    Instance {
        /// Where it is.
        region: Region,
        /// What it is.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// Its id.
        id: InstanceId,
    },
    /// Which instances carry this tag with one of these values? All pages, any state.
    Scan {
        /// Where.
        region: Region,
        /// What they are.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// The tag's key.
        tag_key: String,
        /// Values to look for, sorted; never empty.
        tag_values: Vec<String>,
    },
    /// What did these workers' demand metrics count? All samples of the window, by worker.
    Demand {
        /// Where they are published.
        region: Region,
        /// The length of one sample.
        period: Millis,
        /// The window's begin, on a whole period.
        since: Instant,
        /// The window's end, on a whole period; no sample begins then or later.
        until: Instant,
        /// Each worker's metric; never empty.
        metrics: BTreeMap<WorkerId, Metric>,
    },
    /// What do the provider's own checks say of these instances? EC2 only.
    StatusChecks {
        /// Where they are.
        region: Region,
        /// Which, sorted; never empty.
        ids: Vec<InstanceId>,
    },
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The pointer names this instance; `None` when it is absent, empty or the sentinel `none`.
    Pointer(Option<InstanceId>),
    /// The instance; in state `not-visible` when the provider knows no such id.
    Instance(Instance),
    /// Every instance found, in no particular order.
    Scan(Vec<Instance>),
    /// Each worker's samples, oldest first; a metric that could not be read whole is an error. Periods for
    /// which nothing was published are left out.
    Demand(BTreeMap<WorkerId, Result<Vec<Sample>, CloudError>>),
    /// The checks by instance. One that the provider says nothing of is left out.
    StatusChecks(BTreeMap<InstanceId, StatusChecks>),
}

/// A change to the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutation {
    /// Launch one instance.
    Launch {
        /// Where.
        region: Region,
        /// What from. Stored as one key of the launch, so that a launch from a template is an object with a
        /// `launch_template`.
        #[serde(flatten)]
        source: LaunchSource,
        /// The same for every replay of one attempt.
        token: LaunchToken,
        /// Tags the instance is created with. Fixed per attempt: other tags with the same token are a
        /// parameter mismatch.
        tags: BTreeMap<String, String>,
    },
    /// Start a stopped instance.
    Start {
        /// Where.
        region: Region,
        /// What it is.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// Which.
        id: InstanceId,
    },
    /// Stop an instance; when it is the one the pointer names, write the sentinel first, as part of
    /// the same action. Only of what can be started again: see [`Compute::ending`].
    Stop {
        /// Where.
        region: Region,
        /// What it is.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// Which.
        id: InstanceId,
        /// The pointer to clear.
        clear_pointer: Option<PointerName>,
    },
    /// Terminate an instance; likewise.
    Terminate {
        /// Where.
        region: Region,
        /// What it is.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// Which.
        id: InstanceId,
        /// The pointer to clear.
        clear_pointer: Option<PointerName>,
    },
    /// Write the pointer.
    WritePointer {
        /// Where it is kept.
        region: Region,
        /// Its name.
        name: PointerName,
        /// The instance it shall name.
        id: InstanceId,
    },
}

impl Mutation {
    /// The kind alone, for counting and for limits.
    pub fn kind(&self) -> MutationKind {
        match self {
            Self::Launch { .. } => MutationKind::Launch,
            Self::Start { .. } => MutationKind::Start,
            Self::Stop { .. } => MutationKind::Stop,
            Self::Terminate { .. } => MutationKind::Terminate,
            Self::WritePointer { .. } => MutationKind::WritePointer,
        }
    }

    /// Whether the instance came of this launch: it carries every tag that the launch gives, fleet, worker and generation
    /// among them. Nothing comes of another mutation.
    pub fn made(&self, instance: &Instance) -> bool {
        let Self::Launch { tags, .. } = self else {
            return false;
        };
        tags.iter()
            .all(|(key, value)| instance.tags.get(key) == Some(value))
    }

    /// The instance it is about; a launch has none yet.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Launch { .. } => None,
            Self::Start { id, .. }
            | Self::Stop { id, .. }
            | Self::Terminate { id, .. }
            | Self::WritePointer { id, .. } => Some(id),
        }
    }
}

/// The kinds of mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MutationKind {
    /// A new instance.
    Launch,
    /// A stopped instance up again.
    Start,
    /// An instance down.
    Stop,
    /// An instance gone.
    Terminate,
    /// The pointer rewritten.
    WritePointer,
}

impl From<Ending> for MutationKind {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Stop => Self::Stop,
            Ending::Terminate => Self::Terminate,
        }
    }
}

impl fmt::Display for MutationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Launch => "launch",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Terminate => "terminate",
            Self::WritePointer => "write-pointer",
        })
    }
}

/// What a mutation came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The launch answered with this instance, just created or created by an earlier replay of the
    /// same token.
    Launched(Instance),
    /// The provider accepted it.
    Accepted,
}

/// Why a call to the cloud failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{operation} failed: {code}: {message} ({kind})")]
pub struct CloudError {
    /// What was tried: the provider's name of the operation, such as `RunInstances`.
    pub operation: String,
    /// What to make of it.
    pub kind: CloudErrorKind,
    /// The provider's own code, such as `InsufficientInstanceCapacity`; for an error without one, a
    /// word for where it arose (`Timeout`, `Connection`).
    pub code: String,
    /// The provider's own sentence.
    pub message: String,
    /// The pause the provider asked for, if it did.
    pub retry_after: Option<Millis>,
}

/// What to make of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudErrorKind {
    /// The id is not known *yet*, or gone: nothing is proved (EC2 developer guide, "Eventual consistency").
    NotVisibleYet,
    /// Calls come too fast; nothing was done.
    Throttled,
    /// No capacity of this type here; nothing was done.
    NoCapacity,
    /// The credentials are missing, wrong or not allowed to; nothing was done.
    Denied,
    /// The thing is not in a state that allows it, or a token was used with other parameters; nothing
    /// was done.
    Conflict,
    /// A timeout, a broken connection, a 5xx: *it may have been done all the same*.
    Transient,
    /// It will fail the same way again until somebody changes something; nothing was done.
    Permanent,
}

impl CloudErrorKind {
    /// Whether it is certain that the mutation was not carried out.
    pub fn is_definite(self) -> bool {
        self != Self::Transient
    }

    /// Whether it is also certain that no earlier try of the same launch was carried out. A rate limit and missing
    /// rights are found before the token is looked up, so they say nothing of an unanswered try. A conflict says the
    /// opposite: the token was used.
    pub fn is_definite_of_earlier_tries(self) -> bool {
        self.is_definite() && !matches!(self, Self::Throttled | Self::Denied | Self::Conflict)
    }
}

impl fmt::Display for CloudErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotVisibleYet => "not visible yet",
            Self::Throttled => "throttled",
            Self::NoCapacity => "no capacity",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        })
    }
}

#[cfg(test)]
mod tests;
