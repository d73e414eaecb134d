//! Calls to the cloud as data: queries and their readings, mutations and their outcomes, and the
//! errors of both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::compute::{Compute, Ending, LaunchSource};
use crate::model::demand::{Metric, Sample};
use crate::model::health::StatusChecks;
use crate::model::id::{InstanceId, LaunchToken, PointerName, Region, WorkerId};
use crate::model::instance::Instance;
use crate::model::time::{Instant, Millis};

/// The value of a pointer that names no instance.
pub const POINTER_NONE: &str = "none";

/// A query to the cloud; it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// Reads a pointer.
    Pointer {
        /// The region of the pointer.
        region: Region,
        /// The pointer's name.
        name: PointerName,
    },
    /// Reads one instance by its id.
    Instance {
        /// The region of the instance.
        region: Region,
        /// The kind of compute.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// The instance's id.
        id: InstanceId,
    },
    /// Reads all instances that carry this tag with one of these values: all pages, any state.
    Scan {
        /// The region.
        region: Region,
        /// The kind of compute.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// The tag's key.
        tag_key: String,
        /// The tag's values, sorted; never empty.
        tag_values: Vec<String>,
        /// The tasks that the scan of a cluster reads; of no use on EC2, which filters by tag.
        #[serde(default, skip_serializing_if = "TaskScope::is_default")]
        tasks: Box<TaskScope>,
    },
    /// Reads the demand metrics of these workers: all samples of the window.
    Demand {
        /// The region that the metrics are published in.
        region: Region,
        /// The length of one sample.
        period: Millis,
        /// The begin of the window, on a whole period.
        since: Instant,
        /// The end of the window, on a whole period; no sample begins at it or later.
        until: Instant,
        /// Each worker's metric; never empty.
        metrics: BTreeMap<WorkerId, Metric>,
    },
    /// Reads the number of the default version of a launch template. EC2 only.
    TemplateVersion {
        /// The region of the template.
        region: Region,
        /// The template, by name or id (`lt-…`).
        template: String,
    },
    /// Reads the provider's status checks of these instances. EC2 only.
    StatusChecks {
        /// The region of the instances.
        region: Region,
        /// The instances, sorted; never empty.
        ids: Vec<InstanceId>,
    },
}

/// The tasks that the scan of a cluster reads. ECS cannot list tasks by tag
/// (docs/aws-facts.md#ecs-listing), and a whole cluster may have thousands of tasks of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskScope {
    /// The families of the task definitions whose tasks are listed. Empty: the whole cluster is
    /// listed, because no family is known.
    pub families: BTreeSet<String>,
    /// Whether the running tasks that reeve started are listed too, whatever their family. It is
    /// `true` until a scan has shown the pool's tasks of families that the pool no longer has.
    pub started_by_reeve: bool,
    /// Tasks that are read by id if no list shows them: known tasks of a former family.
    pub ids: BTreeSet<InstanceId>,
}

impl TaskScope {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The pointer's value.
    Pointer(PointerReading),
    /// The instance; its state is `not-visible` if the provider knows no such id.
    Instance(Instance),
    /// All instances with the tag, in no particular order.
    Scan(Vec<Instance>),
    /// Each worker's samples, oldest first. A metric that could not be read whole is an error.
    /// Periods without published values are left out.
    Demand(BTreeMap<WorkerId, Result<Vec<Sample>, CloudError>>),
    /// The number of the version.
    TemplateVersion(u64),
    /// The checks by instance. An instance that the provider does not report is left out.
    StatusChecks(BTreeMap<InstanceId, StatusChecks>),
}

/// The value of a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointerReading {
    /// The instance that the pointer names; `None` when the pointer is absent, empty or the
    /// sentinel `none`.
    pub names: Option<InstanceId>,
    /// When the value was written, by the provider's clock; `None` if the provider does not say.
    pub written_at: Option<Instant>,
}

/// A change to the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutation {
    /// Launch one instance.
    Launch {
        /// The region.
        region: Region,
        /// The template or task definition to launch from. It is stored as one key of the launch,
        /// so that a launch from a template is an object with a `launch_template`.
        #[serde(flatten)]
        source: LaunchSource,
        /// The idempotency token; the same for every replay of one attempt.
        token: LaunchToken,
        /// The tags of the new instance. They are fixed per attempt: other tags with the same token
        /// are a parameter mismatch.
        tags: BTreeMap<String, String>,
    },
    /// Start a stopped instance.
    Start {
        /// The region.
        region: Region,
        /// The kind of compute.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// The instance.
        id: InstanceId,
    },
    /// Reboot the operating system of a running instance. EC2 only: ECS can only end a task for good.
    Reboot {
        /// The region.
        region: Region,
        /// The instance.
        id: InstanceId,
    },
    /// Stop an instance. If the pointer names it, the sentinel `none` is written first, as part of
    /// the same action. Only for instances that can be started again: see [`Compute::ending`].
    Stop {
        /// The region.
        region: Region,
        /// The kind of compute.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// The instance.
        id: InstanceId,
        /// The pointer to clear.
        clear_pointer: Option<PointerName>,
    },
    /// Terminate an instance; the pointer is cleared as for a stop.
    Terminate {
        /// The region.
        region: Region,
        /// The kind of compute.
        #[serde(default, skip_serializing_if = "Compute::is_ec2")]
        compute: Compute,
        /// The instance.
        id: InstanceId,
        /// The pointer to clear.
        clear_pointer: Option<PointerName>,
    },
    /// Write the pointer.
    WritePointer {
        /// The region of the pointer.
        region: Region,
        /// The pointer's name.
        name: PointerName,
        /// The instance that the pointer will name.
        id: InstanceId,
    },
}

impl Mutation {
    /// The kind of the mutation, for counts and limits.
    pub fn kind(&self) -> MutationKind {
        match self {
            Self::Launch { .. } => MutationKind::Launch,
            Self::Start { .. } => MutationKind::Start,
            Self::Reboot { .. } => MutationKind::Reboot,
            Self::Stop { .. } => MutationKind::Stop,
            Self::Terminate { .. } => MutationKind::Terminate,
            Self::WritePointer { .. } => MutationKind::WritePointer,
        }
    }

    /// Whether this launch created the instance: the instance carries every tag of the launch, with
    /// fleet, worker and generation among them. `false` for any other mutation.
    pub fn made(&self, instance: &Instance) -> bool {
        let Self::Launch { tags, .. } = self else {
            return false;
        };
        tags.iter()
            .all(|(key, value)| instance.tags.get(key) == Some(value))
    }

    /// The instance that the mutation changes; `None` for a launch.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Launch { .. } => None,
            Self::Start { id, .. }
            | Self::Reboot { id, .. }
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
    /// The launch of a new instance.
    Launch,
    /// The start of a stopped instance.
    Start,
    /// The reboot of an instance.
    Reboot,
    /// The stop of an instance.
    Stop,
    /// The termination of an instance.
    Terminate,
    /// A write of the pointer.
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
            Self::Reboot => "reboot",
            Self::Stop => "stop",
            Self::Terminate => "terminate",
            Self::WritePointer => "write-pointer",
        })
    }
}

/// The outcome of a mutation that did not fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The instance that the launch returned. This try created it, or an earlier one with the same
    /// token.
    Launched(Instance),
    /// The provider accepted the mutation.
    Accepted,
}

/// Why a call to the cloud failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{operation} failed: {code}: {message} ({kind})")]
pub struct CloudError {
    /// The provider's name of the operation, such as `RunInstances`.
    pub operation: String,
    /// The kind of the error, which says what may be concluded.
    pub kind: CloudErrorKind,
    /// The provider's own code, such as `InsufficientInstanceCapacity`; for an error without one, a
    /// word for where it arose (`Timeout`, `Connection`).
    pub code: String,
    /// The provider's own sentence.
    pub message: String,
    /// The pause the provider asked for, if it did.
    pub retry_after: Option<Millis>,
}

/// The kinds of errors, by what may be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudErrorKind {
    /// The id is not known *yet*, or has ended: nothing is proved (EC2 developer guide, "Eventual
    /// consistency").
    NotVisibleYet,
    /// The provider limits the rate of calls; nothing was done.
    Throttled,
    /// The provider has no capacity of this type here; nothing was done.
    NoCapacity,
    /// The credentials are missing, wrong or lack the permission; nothing was done.
    Denied,
    /// The resource is not in a state that allows the mutation, or a token was used with other
    /// parameters. Nothing was done.
    Conflict,
    /// A timeout, a broken connection, or a 5xx: *the mutation may have been carried out*.
    Transient,
    /// The host did not send the call: its journal could not be written, or its lease may be over.
    NotSent,
    /// The call fails the same way until an operator changes something; nothing was done.
    Permanent,
}

impl CloudErrorKind {
    /// Whether the mutation was certainly not carried out.
    pub fn is_definite(self) -> bool {
        self != Self::Transient
    }

    /// Whether the provider refused the call. It says nothing about a call that was not sent.
    pub fn is_refusal(self) -> bool {
        self.is_definite() && self != Self::NotSent
    }

    /// Whether the provider refuses the call until something outside the host changes: a permission,
    /// a protection, or the kind of the instance. Nothing was done.
    pub fn is_for_good(self) -> bool {
        matches!(self, Self::Denied | Self::Permanent)
    }

    /// Whether no earlier try of the same launch was carried out either. Rate limits and missing
    /// permissions are checked before the token is looked up, so they say nothing about an
    /// unanswered try, and nor does a call that was not sent. A conflict says that the token was
    /// used.
    pub fn is_definite_of_earlier_tries(self) -> bool {
        use CloudErrorKind::{Conflict, Denied, NotSent, Throttled};
        self.is_definite() && !matches!(self, Throttled | Denied | Conflict | NotSent)
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
            Self::NotSent => "not sent",
            Self::Permanent => "permanent",
        })
    }
}

#[cfg(test)]
mod tests;
