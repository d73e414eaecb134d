//! Decisions of policies, and rulings that the host makes by its own rules.

use serde::{Deserialize, Serialize};

use crate::model::cloud::MutationKind;
use crate::model::id::{Digest, Generation, InstanceId};
use crate::model::point::{Input, Reason, Verdict};
use crate::model::store::Adopted;
use crate::model::time::Instant;

/// One call of a policy: the code, the input and the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The policy's name; `None` if no policy is bound to the point.
    pub policy: Option<String>,
    /// The digest of the component that decided; `None` if no policy is bound.
    pub digest: Option<Digest>,
    /// The digest of the settings in the input, which names them in a few characters; `None` if no
    /// policy is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Digest>,
    /// The whole input, as the policy saw it, settings included.
    pub input: Input,
    /// The verdict, or the failure that left none.
    pub result: Result<Verdict, PolicyFailure>,
    /// The fuel that the call used: a count of Wasm instructions, the same at every replay.
    pub fuel_used: u64,
}

/// The failure of a policy to give a usable verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct PolicyFailure {
    /// The stable code: `trap`, `fuel-exhausted`, `refused`, `out-of-bounds`, `not-bound` …
    pub code: String,
    /// The details in one line, with policy, digest and point.
    pub text: String,
}

/// A decision that the host made by its own rule, with the facts behind it. No policy was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The mutation: `stop` or `terminate`.
    pub action: MutationKind,
    /// The instance to end.
    pub instance: InstanceId,
    /// The generation that the instance was launched as for this worker; `None` if it is unknown.
    pub generation: Option<Generation>,
    /// Since when the rule has applied to the instance.
    pub since: Instant,
    /// The adopted instance at that time.
    pub adopted: Adopted,
    /// The reason; its code is the rule's: `orphan`, `launch-timed-out` or `address-timed-out`.
    pub reason: Reason,
}
