//! What a pool can set.

use reeve_policy_sdk::settings::{self, Range};
use serde::Deserialize;

/// Settings of the standard debounce policy.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Milliseconds after a restart's start in which further requests are dropped. 0 leaves only a
    /// restart in flight in the way.
    pub window_ms: u32,
    /// What becomes of a request with another cause than that of the last restart: dropped like any
    /// other, or deferred, which is done once, after that restart and a fresh heartbeat. Causes are
    /// compared by name, so two secrets need two names.
    pub different_cause: DifferentCause,
}

/// What becomes of a request with another cause.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DifferentCause {
    /// The request is dropped like any other.
    Drop,
    /// The host restarts once more, after the restart in flight and a fresh heartbeat.
    Defer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // A boot takes 20 to 30 s, in which the worker looks dead. Twice that is the window
            // that ended docs/incidents.md#self-fire.
            window_ms: 60_000,
            different_cause: DifferentCause::Drop,
        }
    }
}

impl settings::Settings for Settings {
    const SCHEMA: &'static str = include_str!("../settings.schema.json");

    fn ranges(&self) -> Vec<Range> {
        vec![Range::of("window_ms", self.window_ms, 0..=3_600_000)]
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
