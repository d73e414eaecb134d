//! What came of asking a policy.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, PoolName};
use crate::point::{Input, Verdict};

/// Whoever answers questions: the Wasm slots in the product, a function in a test.
pub trait Policies: Send + Sync {
    /// Asks the policy that is bound to the input's point in this pool, with the settings it is bound
    /// with. Never fails: what goes wrong is the decision's `result`.
    fn decide(&self, pool: &PoolName, input: Input) -> Decision;
}

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
