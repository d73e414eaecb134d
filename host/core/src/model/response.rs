//! Responses: each request gets one, of the request's kind.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::boxes::Receipt;
use crate::model::id::{DecisionId, Digest, Generation, InstanceId, WorkerId};
use crate::model::operator::{CommandOutcome, Refused};
use crate::model::point::resolve::FailureKind;
use crate::model::time::{Instant, Millis};

/// The response to a [`Request`](crate::model::request::Request).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To a resolve.
    Resolve(Resolution),
    /// To a register or a report.
    Statement(Receipt),
    /// To a command.
    Command(Result<CommandOutcome, Refused>),
    /// To a caller that does not reach an instance.
    Unreachable(Looked),
}

/// What the host does about an instance that a caller does not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The stable code.
    pub outcome: LookOutcome,
    /// The details for people.
    pub detail: String,
    /// When to resolve again.
    pub retry_after: Millis,
}

/// The stable codes of [`Looked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookOutcome {
    /// The instance is not the worker's. Nothing was changed.
    Stale,
    /// The address is withdrawn, and the instance is being read by its id, or boots.
    Looking,
    /// The instance was read a moment ago after such a report, and runs.
    Runs,
    /// The same, and the provider says that it stops, is stopped or has ended.
    Down,
    /// The same, and it could not be read, or the provider does not show it.
    NotRead,
}

impl LookOutcome {
    /// The code in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Looking => "looking",
            Self::Runs => "runs",
            Self::Down => "down",
            Self::NotRead => "not_read",
        }
    }
}

/// The response to a resolve: where the worker is, or why it has no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The worker is here.
    Served(Route),
    /// The worker has no address yet.
    NotYet(NotYet),
}

/// The address of a worker, and the decision behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The worker.
    pub worker: WorkerId,
    /// `http://{address}:{port}`.
    pub url: String,
    /// The instance.
    pub instance: InstanceId,
    /// The generation of the instance; 0 if another program launched it.
    pub generation: Generation,
    /// The decision that the route rests on.
    pub decision: DecisionId,
    /// The code that decided; `None` for a safe default.
    pub digest: Option<Digest>,
    /// Until when the route may be handed out without asking the policy again.
    pub valid_until: Instant,
}

/// Why the worker has no address, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotYet {
    /// The stable code.
    pub code: NotYetCode,
    /// The details for people.
    pub detail: String,
    /// When to ask again.
    pub retry_after: Millis,
    /// The decision that the response rests on; `None` if no decision was made.
    pub decision: Option<DecisionId>,
}

/// The stable codes of "not yet".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotYetCode {
    /// The instance runs; its address is not assigned yet.
    IpPending,
    /// A stopped instance is being started.
    Starting,
    /// A new instance is being launched or boots.
    Launching,
    /// The instance is still stopping.
    Stopping,
    /// The worker restarts.
    Restarting,
    /// The provider has no capacity.
    NoCapacity,
    /// The provider limits the rate of calls.
    Throttled,
    /// The host's credentials do not allow what is needed.
    Denied,
    /// The guard refused the policy's proposal.
    Vetoed,
    /// An operator has paused the worker; the detail has the reason.
    Paused,
    /// The cloud could not be reached.
    CloudUnreachable,
    /// The store could not be reached.
    StoreUnreachable,
    /// The policy waits; the detail says for what.
    Waiting,
    /// The policy says that nothing can be done yet; the detail says why.
    Unavailable,
    /// The caller's wait ended first.
    Timeout,
    /// The host is shutting down; another host will respond.
    Draining,
}

impl NotYetCode {
    /// The code in responses, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IpPending => "ip_pending",
            Self::Starting => "starting",
            Self::Launching => "launching",
            Self::Stopping => "stopping",
            Self::Restarting => "restarting",
            Self::NoCapacity => "no_capacity",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Vetoed => "vetoed",
            Self::Paused => "paused",
            Self::CloudUnreachable => "cloud_unreachable",
            Self::StoreUnreachable => "store_unreachable",
            Self::Waiting => "waiting",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Draining => "draining",
        }
    }

    /// A one-line title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::IpPending => "The worker's instance is running; its address is pending",
            Self::Starting => "The worker's instance is starting",
            Self::Launching => "The worker's instance is launching",
            Self::Restarting => "The worker restarts",
            Self::Stopping => "The worker's instance is still stopping",
            Self::NoCapacity => "The provider has no capacity for the worker's instance type",
            Self::Throttled => "The provider limits the rate of calls",
            Self::Denied => "The host is not allowed to do what the worker needs",
            Self::Vetoed => "The policy proposed something that the host does not allow",
            Self::Paused => "An operator has paused the worker",
            Self::CloudUnreachable => "The cloud could not be asked",
            Self::StoreUnreachable => "The store of the workers' records could not be asked",
            Self::Waiting => "The worker is not ready",
            Self::Unavailable => "The worker is unavailable",
            Self::Timeout => "The worker was not ready in the time given",
            Self::Draining => "This host is shutting down",
        }
    }
}

impl From<FailureKind> for NotYetCode {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::NoCapacity => Self::NoCapacity,
            FailureKind::Throttled => Self::Throttled,
            FailureKind::Denied => Self::Denied,
            FailureKind::TimedOut | FailureKind::Other => Self::Unavailable,
        }
    }
}

impl fmt::Display for NotYetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
