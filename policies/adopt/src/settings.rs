//! What a pool can set.

use reeve_policy_sdk::settings::{self, Range};
use serde::Deserialize;

/// Settings of the standard adopt policy.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which age wins between candidates that can serve equally soon.
    pub prefer: Prefer,
    /// The longest time in milliseconds since its launch with which a candidate is taken; null:
    /// any. With a bound, a candidate of unknown launch time is not taken.
    pub launched_ms_max: Option<u32>,
    /// Tags that a candidate must carry. The pool's policy_tags must name their keys: a policy sees
    /// no other tags.
    #[cfg_attr(test, schemars(length(max = TAGS_MAX)))]
    pub required_tags: Vec<RequiredTag>,
    /// Milliseconds for which the same candidates stay declined.
    pub none_valid_ms: u32,
}

/// More would be a rule for a policy of the pool's own.
const TAGS_MAX: usize = 10;

/// Which launch wins.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Prefer {
    /// The latest launch, from the latest launch template.
    Newest,
    /// The earliest launch, which is warm.
    Oldest,
}

/// A tag that a candidate must carry.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequiredTag {
    /// The key, exactly.
    #[cfg_attr(test, schemars(length(min = 1)))]
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
            // Long enough that one resolve does not ask twice. Short enough that an operator who
            // changes a tag by hand sees the effect while watching.
            none_valid_ms: 5_000,
        }
    }
}

impl settings::Settings for Settings {
    const SCHEMA: &'static str = include_str!("../settings.schema.json");

    fn ranges(&self) -> Vec<Range> {
        vec![
            Range::of("launched_ms_max", self.launched_ms_max, 1_000..=u32::MAX),
            Range::of("none_valid_ms", self.none_valid_ms, 0..=3_600_000),
        ]
    }

    fn check(&self) -> Result<(), String> {
        if self.required_tags.len() > TAGS_MAX {
            return Err(format!(
                "setting `required_tags`: found {} entries; accepted are 0 to {TAGS_MAX}",
                self.required_tags.len()
            ));
        }
        if self.required_tags.iter().any(|tag| tag.key.is_empty()) {
            return Err("setting `required_tags`: found an empty key; \
                        accepted is the key of a tag that the pool's `policy_tags` names"
                .to_owned());
        }
        Ok(())
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
