//! The same decision in Rego, by regorus: the cost of a policy in an interpreted rule language.

use anyhow::{Context, Result};
use regorus::{Engine, Value};

/// The policy's rules, compiled into the bench so that it needs no further file.
const RULES: &str = include_str!("decide.rego");
/// The rule that is the decision.
const VERDICT: &str = "data.reeve.resolve.verdict";

/// An engine with the rules parsed and prepared; only the input changes from decision to decision.
pub(crate) struct Rego {
    engine: Engine,
}

impl Rego {
    /// Parses the rules.
    pub(crate) fn load() -> Result<Self> {
        let mut engine = Engine::new();
        engine
            .add_policy("decide.rego".to_owned(), RULES.to_owned())
            .context("regorus does not take decide.rego")?;
        Ok(Self { engine })
    }

    /// Decides; the verdict has the form that the contract's types have in JSON.
    pub(crate) fn decide(&mut self, input: Value) -> Result<Value> {
        self.engine.set_input(input);
        self.engine.eval_rule(VERDICT.to_owned())
    }
}

/// A JSON value as regorus holds it.
pub(crate) fn value(json: &serde_json::Value) -> Result<Value> {
    Value::from_json_str(&json.to_string()).context("regorus does not read the input")
}

/// A value of regorus as JSON.
pub(crate) fn json(value: &Value) -> Result<serde_json::Value> {
    Ok(serde_json::to_value(value)?)
}

#[cfg(test)]
mod tests {
    use reeve_policy_sdk::resolve::{Input, Verdict};
    use reeve_policy_sdk::testing::Cases;
    use reeve_resolve::Settings;

    use super::*;

    /// The settings are read for their errors alone: rego reads them from the input.
    fn decide(input: &Input, _: &Settings) -> Result<Verdict, String> {
        let answer = || {
            let verdict = Rego::load()?.decide(value(&serde_json::to_value(input)?)?)?;
            anyhow::Ok(serde_json::from_value(json(&verdict)?)?)
        };
        answer().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn every_case_of_the_standard_policy_holds_in_rego() {
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/resolve");
        Cases::of(policy).run("resolve", decide).finish();
    }
}
