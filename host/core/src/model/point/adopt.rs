//! `adopt`: which running instance should the host adopt? See `wit/adopt.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BadSignal, Generation, InstanceFacts, Origin, Reason, Tag, Worker};
use crate::model::id::InstanceId;

/// A live instance that carries the worker's tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Candidate {
    /// The instance.
    pub facts: InstanceFacts,
    /// Who launched it.
    pub origin: Origin,
    /// The attempt that launched it.
    pub generation: Generation,
    /// Whether it was launched from another template than the pool names now.
    pub outdated: bool,
    /// Who says that it is unwell.
    pub bad_signals: Vec<BadSignal>,
    /// The tags the pool's `policy_tags` names.
    pub tags: Vec<Tag>,
}

/// The input of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Input {
    /// The worker in question.
    pub worker: Worker,
    /// The candidates, newest launch first, at most 100.
    pub candidates: Vec<Candidate>,
    /// The pool's settings for this policy, a JSON object.
    pub settings: String,
}

/// The choice among the candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Take this candidate.
    Take(InstanceId),
    /// Take none of them.
    None,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take(id) => write!(f, "take {id}"),
            Self::None => f.write_str("take none"),
        }
    }
}

/// The verdict of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Verdict {
    /// The choice among the candidates.
    pub choice: Choice,
    /// The reason.
    pub reason: Reason,
    /// How long a `none` holds for the same candidates.
    pub valid_for_ms: u32,
}
