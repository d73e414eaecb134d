//! What a pool can set.

use reeve_policy_sdk::settings::{self, within};
use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Settings`], for people and editors.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

/// The pool's settings for `adopt`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which age wins between candidates that can serve equally soon.
    pub prefer: Prefer,
    /// The longest time since its launch with which a candidate is taken; `None`: any.
    pub launched_ms_max: Option<u32>,
    /// Tags that a candidate must carry, at most 10. The pool's `policy_tags` must name their keys:
    /// this policy sees no other tags.
    pub required_tags: Vec<RequiredTag>,
    /// How long the same candidates stay declined, 0 to 1 h.
    pub none_valid_ms: u32,
}

/// Which age wins.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefer {
    /// The latest launch, which comes from the latest launch template.
    Newest,
    /// The earliest launch, which is warm.
    Oldest,
}

/// A tag that a candidate must carry.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredTag {
    /// The key, exactly.
    pub key: String,
    /// The value, exactly.
    pub value: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefer: Prefer::Newest,
            launched_ms_max: None,
            required_tags: Vec::new(),
            // Long enough that a pass does not ask twice, short enough that a change of tags by hand
            // is seen while the person still watches.
            none_valid_ms: 5_000,
        }
    }
}

impl settings::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        if self.required_tags.len() > 10 {
            return Err(format!(
                "setting `required_tags`: found {} entries; accepted are 0 to 10",
                self.required_tags.len()
            ));
        }
        if self.required_tags.iter().any(|tag| tag.key.is_empty()) {
            return Err("setting `required_tags`: found an empty key; \
                        accepted is the key of a tag that the pool's `policy_tags` names"
                .to_owned());
        }
        if let Some(ms) = self.launched_ms_max {
            within("launched_ms_max", ms, 1_000..=u32::MAX)?;
        }
        within("none_valid_ms", self.none_valid_ms, 0..=3_600_000)
    }
}
