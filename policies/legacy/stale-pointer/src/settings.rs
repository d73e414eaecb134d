//! The watchdog's one figure.

use reeve_policy_sdk::settings::{self, within};
use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Settings`], for people and editors.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

/// The pool's settings, shared by both points.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Milliseconds without invocations after which an instance is stopped, 1 s to 1 d.
    pub idle_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        // The incident's figure.
        Self { idle_ms: 600_000 }
    }
}

impl settings::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        within("idle_ms", self.idle_ms, 1_000..=86_400_000)
    }
}
