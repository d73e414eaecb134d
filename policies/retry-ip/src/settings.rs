//! What a pool can set.

use reeve_policy_sdk::settings::{self, within};
use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Settings`], for people and editors.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

/// The pool's settings for `retry-ip`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Looks after the first reading without an address, 1 to 100.
    pub tries: u32,
    /// Time between two looks, 100 ms to 60 s: what the host allows.
    pub interval_ms: u32,
    /// When the caller is told to come back, 100 ms to 60 s: the host caps the verdict's validity there.
    pub come_back_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // Incident ip-race's choice. It is shorter than the 5 s an address can take: past it, the caller
            // does better to come back than to hold a connection.
            tries: 5,
            interval_ms: 500,
            come_back_ms: 2_000,
        }
    }
}

impl settings::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        within("tries", self.tries, 1..=100)?;
        within("interval_ms", self.interval_ms, 100..=60_000)?;
        within("come_back_ms", self.come_back_ms, 100..=60_000)
    }
}
