//! `reap`: may this instance be stopped? See `wit/reap.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Age, InstanceFacts, Reason, Tag};

/// What the instance is to the worker.
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

/// The worker's demand as a metric outside the host tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// No metric, or it could not be read.
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

/// What the policy is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// The instance in question.
    pub instance: InstanceFacts,
    /// What it is to the worker.
    pub role: Role,
    /// Since a resolve last handed it out; `none`: never.
    pub handed_out: Age,
    /// Since the last activity known.
    pub last_activity: Age,
    /// Deliveries not reported processed.
    pub work_in_flight: u32,
    /// What remains of the busy lease, 0 when none is held.
    pub busy_remaining_ms: u32,
    /// Demand from a metric.
    pub demand: Demand,
    /// The time on the wall.
    pub now: LocalTime,
    /// The tags the pool's `policy_tags` names.
    pub tags: Vec<Tag>,
    /// The pool's settings for this policy, a JSON object.
    pub settings: String,
    /// What the policy returned last time for this instance.
    pub memo: String,
}

/// What to do with the instance.
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

/// What the policy answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Verdict {
    /// What to do.
    pub choice: Choice,
    /// Why.
    pub reason: Reason,
    /// When to ask again at the earliest.
    pub look_again_ms: u32,
    /// Handed back next time.
    pub memo: String,
}
