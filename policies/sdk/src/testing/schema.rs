//! The schema of a policy's settings, derived from the struct that reads them.
//!
//! The derived schema is committed as `settings.schema.json`, because a component carries it and a
//! reader looks for it. A test compares the two, and `REEVE_BLESS=1` writes the file.

use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::settings::{Range, Settings};

const FILE: &str = "settings.schema.json";

/// Set to write the file instead of comparing it.
const BLESS: &str = "REEVE_BLESS";

/// Compares `settings.schema.json` in the crate at `manifest_dir` (`env!("CARGO_MANIFEST_DIR")`)
/// with the schema [derived](of) from `T`. With the environment variable `REEVE_BLESS`, writes it.
///
/// # Errors
/// The file cannot be read or written, or is not the derived schema.
pub fn compare<T: Settings + JsonSchema>(manifest_dir: &str) -> Result<(), String> {
    let path = Path::new(manifest_dir).join(FILE);
    let at = |error: std::io::Error| format!("{}: {error}", path.display());
    let derived = of::<T>()?;
    if std::env::var_os(BLESS).is_some() {
        return std::fs::write(&path, format!("{derived:#}\n")).map_err(at);
    }
    let committed = std::fs::read_to_string(&path).map_err(at)?;
    if says(&committed, &derived) {
        return Ok(());
    }
    Err(format!(
        "{} is not the schema of the settings; {BLESS}=1 writes it again:\n{derived:#}",
        path.display()
    ))
}

/// Order and white space do not count.
fn says(committed: &str, derived: &Value) -> bool {
    serde_json::from_str::<Value>(committed).is_ok_and(|committed| committed == *derived)
}

/// The schema of `T`: schemars' derivation, with the [ranges](Settings::ranges) of `T`. The first
/// sentence of the struct's documentation is its title, and a field's documentation its
/// description.
///
/// # Errors
/// A range is of a field that `T` does not have.
pub fn of<T: Settings + JsonSchema>() -> Result<Value, String> {
    let generator = SchemaSettings::draft2020_12().with(|with| with.inline_subschemas = true);
    let mut schema = generator
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    plain(&mut schema);
    if let Some(description) = schema
        .as_object_mut()
        .and_then(|all| all.remove("description"))
    {
        schema["title"] = description;
    }
    for Range {
        field, accepted, ..
    } in T::default().ranges()
    {
        let property = schema.pointer_mut(&format!("/properties/{field}"));
        let property = property.ok_or_else(|| format!("`{field}` has a range and is no field"))?;
        property["minimum"] = json!(accepted.start());
        property["maximum"] = json!(accepted.end());
    }
    schema.sort_all_objects();
    Ok(schema)
}

/// Leaves Rust out of the schema: line breaks of comments, and the names of its integers.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("format").is_some_and(Value::is_string) {
                members.remove("format");
            }
            if let Some(Value::String(description)) = members.get_mut("description") {
                *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            members.values_mut().for_each(plain);
        }
        Value::Array(members) => members.iter_mut().for_each(plain),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    /// Settings of a kettle.
    #[derive(Default, Deserialize, JsonSchema, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Kettle {
        /// How much
        /// to boil.
        litres: u32,
        lid: Lid,
    }

    #[derive(Default, Deserialize, JsonSchema, Serialize)]
    #[serde(rename_all = "kebab-case")]
    enum Lid {
        /// Off.
        #[default]
        Open,
        /// On.
        Shut,
    }

    impl Settings for Kettle {
        fn ranges(&self) -> Vec<Range> {
            vec![Range::of("litres", self.litres, 0..=5)]
        }
    }

    #[test]
    fn a_schema_has_descriptions_ranges_and_defaults() {
        let expected = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Settings of a kettle.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "litres": {
                    "description": "How much to boil.",
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 5,
                    "default": 0,
                },
                "lid": {
                    "oneOf": [
                        { "const": "open", "type": "string", "description": "Off." },
                        { "const": "shut", "type": "string", "description": "On." },
                    ],
                    "default": "open",
                },
            },
        });
        assert_eq!(of::<Kettle>(), Ok(expected));
    }

    #[test]
    fn a_committed_schema_that_says_something_else_is_told_apart() {
        let derived = of::<Kettle>().unwrap();
        let committed = format!("{derived:#}\n");
        assert!(says(&committed, &derived));
        assert!(!says(&committed.replace("Off.", "On."), &derived));
        assert!(!says("", &derived));
    }
}
