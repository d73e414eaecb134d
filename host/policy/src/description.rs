//! A policy's description of itself.

use serde::Serialize;

/// The result of `about.describe`, within its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Description {
    /// Lower-case letters, digits and `-`, 1 to 64 bytes.
    pub name: String,
    /// The policy's own version, semver.
    pub version: String,
    /// One sentence for people, at most 512 bytes.
    pub summary: String,
    /// A JSON Schema of the settings object, at most 64 KiB.
    pub settings_schema: String,
}
