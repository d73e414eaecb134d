//! The watchdog's one figure.

use reeve_policy_sdk::settings::{self, Range};
use serde::Deserialize;

/// Settings of incident stale-pointer's original behaviour.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Milliseconds without invocations after which an instance is stopped.
    pub idle_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        // The incident's figure.
        Self { idle_ms: 600_000 }
    }
}

impl settings::Settings for Settings {
    const SCHEMA: &'static str = include_str!("../settings.schema.json");

    fn ranges(&self) -> Vec<Range> {
        vec![Range::of("idle_ms", self.idle_ms, 1_000..=86_400_000)]
    }
}

#[cfg(test)]
mod tests {
    use reeve_policy_sdk::testing::schema;

    #[test]
    fn the_committed_schema_is_derived_from_the_settings() {
        schema::compare::<super::Settings>(env!("CARGO_MANIFEST_DIR")).unwrap();
    }
}
