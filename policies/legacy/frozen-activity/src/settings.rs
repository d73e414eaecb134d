//! There are none: the original had its figures in code.

use reeve_policy_sdk::settings;
use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Settings`].
pub const SCHEMA: &str = include_str!("../settings.schema.json");

/// No settings; any field is refused.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {}

impl settings::Settings for Settings {}
