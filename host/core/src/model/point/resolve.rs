//! `resolve`: where is my worker? `wit/resolve.wit` says when it is asked, and what each answer
//! means.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AddressKind, Age, BadSignal, Demand, InstanceFacts, Notice, Reason, Worker, seconds};
use crate::model::cloud::CloudErrorKind;
use crate::model::id::InstanceId;

/// The last reading of the pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pointer {
    /// The pointer was not read, or the reading failed.
    #[default]
    Unknown,
    /// Empty, absent or the sentinel `none`.
    Empty,
    /// The pointer names this instance.
    Names(InstanceId),
}

/// The adopted instance, by the host's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adopted {
    /// No instance is adopted.
    #[default]
    None,
    /// This instance is adopted.
    Instance(InstanceId),
}

/// The result of `adopt` in this pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adoption {
    /// `adopt` was not asked.
    #[default]
    NotAsked,
    /// `adopt` took none of the candidates, or there were none.
    Declined,
    /// `adopt` took a candidate.
    Taken,
}

/// A mutation whose outcome is not known yet, with the milliseconds since it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InFlight {
    /// There is none.
    #[default]
    Nothing,
    /// A launch.
    Launching(u32),
    /// A start of a stopped instance.
    Starting(u32),
    /// A stop or a termination.
    Stopping(u32),
}

/// Who the host asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    /// A caller waits.
    Caller,
    /// No caller waits.
    Host,
}

/// An act that brings the worker up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The launch of an instance.
    Launch,
    /// The start of a stopped instance.
    Start,
    /// The boot of an instance.
    Boot,
    /// The wait for its address.
    Address,
}

/// Why an act failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The provider has no capacity of this type here.
    NoCapacity,
    /// The provider limits the rate of calls.
    Throttled,
    /// The host's credentials do not allow it.
    Denied,
    /// The wait for it ran out.
    TimedOut,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCapacity => "no-capacity",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::TimedOut => "timed-out",
            Self::Other => "other",
        }
    }

    /// The kind with this code; [`FailureKind::Other`] for one that is not known here.
    pub fn from_code(code: &str) -> Self {
        [
            Self::NoCapacity,
            Self::Throttled,
            Self::Denied,
            Self::TimedOut,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == code)
        .unwrap_or(Self::Other)
    }
}

impl From<CloudErrorKind> for FailureKind {
    fn from(kind: CloudErrorKind) -> Self {
        match kind {
            CloudErrorKind::NoCapacity => Self::NoCapacity,
            CloudErrorKind::Throttled => Self::Throttled,
            CloudErrorKind::Denied => Self::Denied,
            CloudErrorKind::NotVisibleYet
            | CloudErrorKind::Conflict
            | CloudErrorKind::Transient
            | CloudErrorKind::NotSent
            | CloudErrorKind::Permanent => Self::Other,
        }
    }
}

/// The failures in a row of one act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Failure {
    /// The act that failed.
    pub act: Act,
    /// The capacity option that was tried; 0 for a start.
    pub capacity_option: u32,
    /// Why the last one of the row failed.
    pub kind: FailureKind,
    /// Milliseconds since the last one.
    pub ago_ms: u32,
    /// How many failed in a row.
    pub count: u32,
}

/// The input of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// The worker in question.
    pub worker: Worker,
    /// Who the host asks for.
    pub asker: Asker,
    /// The published hint.
    pub pointer: Pointer,
    /// The authority.
    pub adopted: Adopted,
    /// Every instance of the worker the host knows, newest launch first, at most 100.
    pub instances: Vec<InstanceFacts>,
    /// Age of the last complete tag scan.
    pub scanned: Age,
    /// The result of `adopt` in this pass.
    pub adoption: Adoption,
    /// The mutation under way.
    pub in_flight: InFlight,
    /// The failures in a row, by act and option, the latest first.
    pub failures: Vec<Failure>,
    /// How many capacity options the pool's launches have; 0: the pool launches nothing.
    pub capacity_options: u32,
    /// Instances in a row that went down without ever having been handed out.
    pub unserved: u32,
    /// Instances in a row that a program outside this fleet ended soon.
    pub ended_elsewhere: u32,
    /// Who says that the adopted instance is unwell.
    pub bad_signals: Vec<BadSignal>,
    /// What the provider is going to do with it.
    pub notices: Vec<Notice>,
    /// Demand from a metric.
    pub demand: Demand,
    /// The pool's settings for this policy, a JSON object.
    pub settings: String,
    /// The state that the policy returned last time.
    pub memo: String,
}

/// Which instance to hand out, by which address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// The instance.
    pub id: InstanceId,
    /// The address to use.
    pub address: AddressKind,
}

/// The action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Hand out this address.
    Serve(Target),
    /// Ask `adopt` which running instance to take over.
    Adopt,
    /// Start this stopped instance.
    Start(InstanceId),
    /// Launch a new instance with this capacity option.
    Launch(u32),
    /// Give this instance up and have another one launched.
    Replace(InstanceId),
    /// Something is under way; the caller comes back after this many milliseconds.
    Wait(u32),
    /// Nothing can be done yet; the caller comes back after this many milliseconds.
    Unavailable(u32),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve(target) => write!(f, "serve {}", target.id),
            Self::Adopt => f.write_str("adopt"),
            Self::Start(id) => write!(f, "start {id}"),
            Self::Launch(0) => f.write_str("launch"),
            Self::Launch(option) => write!(f, "launch with option {option}"),
            Self::Replace(id) => write!(f, "replace {id}"),
            Self::Wait(ms) => write!(f, "wait {}", seconds(*ms)),
            Self::Unavailable(ms) => write!(f, "unavailable {}", seconds(*ms)),
        }
    }
}

/// The verdict of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Verdict {
    /// The action.
    pub action: Action,
    /// The reason.
    pub reason: Reason,
    /// How long a `serve` may be repeated without asking, while the facts behind it stay.
    pub valid_for_ms: u32,
    /// The state to pass back in the next input.
    pub memo: String,
}
