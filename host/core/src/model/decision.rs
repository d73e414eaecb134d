//! What came of asking a policy, and what the host decides without one.

use serde::{Deserialize, Serialize};

use crate::model::cloud::MutationKind;
use crate::model::id::{Digest, Generation, InstanceId};
use crate::model::point::{Input, Reason, Verdict};
use crate::model::store::Adopted;
use crate::model::time::Instant;

/// One asked policy: which code, what it was told, what it said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The policy's name; `None` when nothing is bound to the point.
    pub policy: Option<String>,
    /// Which code decided; `None` likewise.
    pub digest: Option<Digest>,
    /// The whole input as the policy saw it, settings included.
    pub input: Input,
    /// Its answer, or why there is none.
    pub result: Result<Verdict, PolicyFailure>,
    /// Fuel the call used: a count of Wasm instructions, the same at every replay.
    pub fuel_used: u64,
}

/// Why a policy gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct PolicyFailure {
    /// Stable: `trap`, `fuel-exhausted`, `refused`, `out-of-bounds`, `not-bound` …
    pub code: String,
    /// The whole story in one line, with policy, digest and point.
    pub text: String,
}

/// What the host decided by a rule of its own, with the facts it rests on. No policy was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What is to be done: `stop` or `terminate`.
    pub action: MutationKind,
    /// With which instance.
    pub instance: InstanceId,
    /// The generation it was launched as for this worker; `None`: not known.
    pub generation: Option<Generation>,
    /// Since when the rule has applied to it.
    pub since: Instant,
    /// The instance that embodies the worker.
    pub adopted: Adopted,
    /// Why; the code is the rule's: `orphan`.
    pub reason: Reason,
}
