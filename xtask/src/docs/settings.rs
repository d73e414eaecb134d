//! The standard policies' settings as tables, from their JSON schemas.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{cell, read};

/// The standard policies, in the order in which a resolve meets them.
pub(super) const POLICIES: [&str; 5] = ["resolve", "adopt", "retry-ip", "debounce", "reap"];

/// The part of a settings schema that a table shows. It is sorted by name, because other crates'
/// features decide whether `serde_json` keeps an object's order.
#[derive(Deserialize)]
struct Schema {
    properties: BTreeMap<String, Value>,
}

/// Makes a heading and a table for each standard policy.
///
/// # Errors
/// When a schema cannot be read.
pub(super) fn tables(root: &Path) -> Result<String> {
    let mut text = String::new();
    for policy in POLICIES {
        let file = format!("policies/{policy}/settings.schema.json");
        let schema: Schema = serde_json::from_str(&read(root, &file)?)
            .with_context(|| format!("{file} is no schema of a settings object"))?;
        text += &format!(
            "### {policy}\n\n| setting | default | accepted | meaning |\n|---|---|---|---|\n"
        );
        for (name, property) in &schema.properties {
            let meaning = property["description"].as_str().unwrap_or_default();
            text += &format!(
                "| `{name}` | `{}` | {} | {} |\n",
                property["default"],
                accepted(property),
                cell(meaning)
            );
        }
        text += "\n";
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// The accepted values of a property, in words.
fn accepted(property: &Value) -> String {
    if let Some(choices) = choices(property) {
        return choices;
    }
    if let (Some(least), Some(most)) = (property.get("minimum"), property.get("maximum")) {
        return format!("{least} to {most}");
    }
    let items = &property["items"];
    if let Some(choices) = choices(items) {
        return format!("a list of {choices}");
    }
    if let Some(members) = items["properties"].as_object() {
        let members: BTreeMap<_, _> = members.iter().collect();
        let shown: Vec<_> = members
            .into_iter()
            .map(|(name, member)| match accepted(member).as_str() {
                "" => format!("`{name}`"),
                range => format!("`{name}` ({range})"),
            })
            .collect();
        return format!("a list of objects: {}", shown.join(", "));
    }
    if items.get("minimum").is_some() {
        return format!("a list of {}", accepted(items));
    }
    match property["type"].as_str() {
        Some("boolean") => "`true`, `false`".to_owned(),
        _ => String::new(),
    }
}

/// The values of a choice, which is a constant with a description for each value.
fn choices(schema: &Value) -> Option<String> {
    let values = schema["oneOf"].as_array()?;
    let shown: Vec<_> = values
        .iter()
        .map(|value| format!("`{}`", value["const"]))
        .collect();
    Some(shown.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_accepted_values_of_a_setting_are_written_in_words() {
        let cases = [
            (
                json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }),
                "`\"a\"`, `\"b\"`",
            ),
            (
                json!({ "type": "integer", "minimum": 1, "maximum": 9 }),
                "1 to 9",
            ),
            (json!({ "type": "boolean" }), "`true`, `false`"),
            (
                json!({ "items": { "oneOf": [{ "const": "a" }] } }),
                "a list of `\"a\"`",
            ),
            (
                json!({ "items": { "properties": { "key": { "type": "string" } } } }),
                "a list of objects: `key`",
            ),
            (json!({ "type": "string" }), ""),
        ];
        for (property, expected) in cases {
            assert_eq!(accepted(&property), expected, "{property}");
        }
    }
}
