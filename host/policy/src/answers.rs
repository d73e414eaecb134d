//! Implements the core's [`Policies`] for the slots, so that a host does not depend on Wasm.

use reeve_core::decision::{self, PolicyFailure};
use reeve_core::id::PoolName;
use reeve_core::point::Input;
use reeve_core::ports::Policies;

use crate::slots::{Decision, Slots};

impl Policies for Slots {
    fn decide(&self, pool: &PoolName, input: Input) -> decision::Decision {
        let Decision {
            policy,
            settings,
            input,
            verdict,
            fuel_used,
        } = Self::decide(self, pool, input);
        decision::Decision {
            digest: policy.as_ref().map(|policy| policy.digest),
            policy: policy.map(|policy| policy.name),
            settings,
            input,
            result: verdict.map_err(|error| PolicyFailure {
                code: error.code().to_owned(),
                text: error.to_string(),
            }),
            fuel_used,
        }
    }
}
