//! `reap`: may this instance be stopped? See `wit/reap.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    BadSignal, Demand, Generation, InstanceFacts, Notice, Origin, Reason, Tag, Usage, Worker,
};

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

/// The input of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// The worker in question.
    pub worker: Worker,
    /// The instance in question.
    pub instance: InstanceFacts,
    /// The role of the instance.
    pub role: Role,
    /// Who launched it.
    pub origin: Origin,
    /// The attempt that launched it.
    pub generation: Generation,
    /// Whether it was launched from another template than the pool names now.
    pub outdated: bool,
    /// Signs that it is in use.
    pub usage: Usage,
    /// Demand from a metric.
    pub demand: Demand,
    /// Who says that it is unwell.
    pub bad_signals: Vec<BadSignal>,
    /// What the provider is going to do with it.
    pub notices: Vec<Notice>,
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
    /// End it as the pool does.
    End,
    /// Stop it.
    Stop,
    /// Terminate it.
    Terminate,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::End => "end",
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
    /// How long the adopted instance drains before its end.
    pub drain_ms: u32,
    /// The state to pass back in the next input.
    pub memo: String,
}
