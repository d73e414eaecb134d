//! What a pool can set.

use reeve_policy_sdk::settings::{self, within};
use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Settings`], for people and editors.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

/// The pool's settings for `debounce`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long after a restart's start further requests are dropped, 0 to 1 h. 0 leaves only the
    /// restart in flight in the way.
    pub window_ms: u32,
    /// What becomes of a request with another cause than that of the last restart.
    pub different_cause: DifferentCause,
}

/// What becomes of a request with another cause.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferentCause {
    /// Dropped like any other.
    Drop,
    /// Done once, after the restart under way and a fresh heartbeat.
    Defer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // A boot takes 20 to 30 s, in which the worker looks dead; incident self-fire settled on twice that.
            window_ms: 60_000,
            different_cause: DifferentCause::Drop,
        }
    }
}

impl settings::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        within("window_ms", self.window_ms, 0..=3_600_000)
    }
}
