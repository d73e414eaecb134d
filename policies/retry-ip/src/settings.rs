//! What a pool can set.

use reeve_policy_sdk::settings::{self, Range};
use serde::Deserialize;

/// Settings of the standard retry-ip policy.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Readings after the first one without an address, before the caller is told to come back.
    pub tries: u32,
    /// Milliseconds between two readings.
    pub interval_ms: u32,
    /// Milliseconds after which a caller who got no address is told to come back.
    pub come_back_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // The choice after docs/incidents.md#ip-race. Its 2.5 s are shorter than the 5 s that
            // an address can take: after them a caller does better to come back than to hold a
            // connection.
            tries: 5,
            interval_ms: 500,
            come_back_ms: 2_000,
        }
    }
}

impl settings::Settings for Settings {
    const SCHEMA: &'static str = include_str!("../settings.schema.json");

    fn ranges(&self) -> Vec<Range> {
        vec![
            Range::of("tries", self.tries, 1..=100),
            // The host allows these, for the interval as for the validity of a verdict.
            Range::of("interval_ms", self.interval_ms, 100..=60_000),
            Range::of("come_back_ms", self.come_back_ms, 100..=60_000),
        ]
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
