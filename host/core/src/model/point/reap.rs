//! `reap`: may this instance be stopped? See `wit/reap.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Age, InstanceFacts, Reason, Tag};

/// The role of an instance for the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The adopted instance.
    Adopted,
    /// Another instance is adopted.
    Orphan,
    /// No instance is adopted.
    Unclaimed,
}

/// A count of requests over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sample {
    /// Requests, saturating.
    pub count: u32,
    /// The window's length.
    pub window_ms: u32,
    /// How long ago the window ended.
    pub ago_ms: u32,
}

/// The worker's demand by a metric outside the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// The pool has no metric, or the metric could not be read.
    #[default]
    Unavailable,
    /// Too few samples to tell.
    TooFew,
    /// A count.
    Requests(Sample),
}

/// The time on the wall in the pool's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalTime {
    /// 1 is Monday, 7 is Sunday.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// Minutes east of UTC.
    pub offset_min: i16,
}

/// The input of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// The instance in question.
    pub instance: InstanceFacts,
    /// The role of the instance.
    pub role: Role,
    /// How long ago a resolve last handed the instance out; `none` if it never did.
    pub handed_out: Age,
    /// How long ago the last known activity was.
    pub last_activity: Age,
    /// Deliveries not reported processed.
    pub work_in_flight: u32,
    /// How much longer the busy lease lasts; 0 if none is held.
    pub busy_remaining_ms: u32,
    /// Demand from a metric.
    pub demand: Demand,
    /// The time on the wall.
    pub now: LocalTime,
    /// The tags the pool's `policy_tags` names.
    pub tags: Vec<Tag>,
    /// The pool's settings for this policy, a JSON object.
    pub settings: String,
    /// The state that the policy returned last time for this instance.
    pub memo: String,
}

/// The choice about the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Nothing.
    Keep,
    /// Stop it.
    Stop,
    /// Terminate it.
    Terminate,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Stop => "stop",
            Self::Terminate => "terminate",
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
    /// The pause before the policy may be asked again.
    pub look_again_ms: u32,
    /// The state to pass back in the next input.
    pub memo: String,
}
