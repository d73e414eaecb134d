//! A policy's settings: typed, with a default each, and with errors that name the field.
//!
//! The host passes the pool's settings as a JSON object with every question, and a policy runs in a
//! fresh sandbox each time. So every decision reads the settings. An empty object is not parsed,
//! and the field at fault is searched for only after a failure.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A policy's settings. Implement it for a struct with `#[serde(default, deny_unknown_fields)]`.
///
/// The settings of a policy that has one number:
///
/// ```text
/// #[derive(Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct Settings {
///     /// Milliseconds in which further restarts are dropped.
///     window_ms: u32,
/// }
///
/// impl Default for Settings { … }
///
/// impl reeve_policy_sdk::settings::Settings for Settings {
///     fn ranges(&self) -> Vec<Range> {
///         vec![Range::of("window_ms", self.window_ms, 0..=3_600_000)]
///     }
/// }
/// ```
pub trait Settings: DeserializeOwned + Default {
    /// The JSON Schema that people and editors see; the default says nothing. The standard policies
    /// derive theirs from the struct (`testing::schema`).
    const SCHEMA: &'static str = "{}";

    /// The numbers that have a range, each with the value found.
    fn ranges(&self) -> Vec<Range> {
        Vec::new()
    }

    /// Refuses what [`ranges`](Self::ranges) cannot say: lists out of bounds, combinations without
    /// sense.
    ///
    /// # Errors
    /// A sentence that names the field, what was found and what is accepted.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The settings of a policy that has none. Any field is refused.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct NoSettings {}

impl Settings for NoSettings {
    const SCHEMA: &'static str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "This policy has no settings.",
  "type": "object",
  "additionalProperties": false,
  "properties": {}
}
"#;
}

/// A number, and the values that are accepted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The setting's name in JSON.
    pub field: &'static str,
    /// The value; `None` if the setting can be left empty and is.
    pub found: Option<u32>,
    /// From the least to the greatest accepted value.
    pub accepted: RangeInclusive<u32>,
}

impl Range {
    /// The range of one field.
    pub fn of(
        field: &'static str,
        found: impl Into<Option<u32>>,
        accepted: RangeInclusive<u32>,
    ) -> Self {
        Self {
            field,
            found: found.into(),
            accepted,
        }
    }

    fn check(self) -> Result<(), String> {
        match self.found {
            Some(found) => within(self.field, found, self.accepted),
            None => Ok(()),
        }
    }
}

/// Reads a settings object. An empty text counts as `{}`. A field that is left out has its default.
///
/// # Errors
/// A sentence that names the field, what was found and what is accepted. The cases are: text that
/// is no JSON object, an unknown field, a value of the wrong type, a number out of its range, and a
/// refusal by [`Settings::check`].
pub fn parse<T: Settings>(json: &str) -> Result<T, String> {
    let json = json.trim_ascii();
    if json.is_empty() || json == "{}" {
        return Ok(T::default());
    }
    // A struct also reads from an array, field by field; a settings array is a mistake.
    if !json.starts_with('{') {
        return Err(
            "settings: found something that is not a JSON object; accepted is an object such as {}"
                .to_owned(),
        );
    }
    let settings: T = serde_json::from_str(json).map_err(|error| explain::<T>(json, &error))?;
    settings.ranges().into_iter().try_for_each(Range::check)?;
    settings.check()?;
    Ok(settings)
}

/// Refuses a number outside `accepted`.
///
/// # Errors
/// A sentence that names the field, what was found and what is accepted.
pub fn within(
    field: &str,
    found: impl Into<u32>,
    accepted: RangeInclusive<u32>,
) -> Result<(), String> {
    let found = found.into();
    if accepted.contains(&found) {
        return Ok(());
    }
    let (least, most) = accepted.into_inner();
    Err(format!(
        "setting `{field}`: found {found}; accepted are {least} to {most}"
    ))
}

/// The error in words. serde names an unknown field and the known ones, but does not name the field
/// of a value of the wrong type. To find it, the fields are read one at a time.
fn explain<T: Settings>(json: &str, error: &serde_json::Error) -> String {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(json) else {
        return format!("settings: not a JSON object: {error}");
    };
    for (name, value) in fields {
        let alone = Value::Object(Map::from_iter([(name.clone(), value)]));
        if let Err(error) = serde_json::from_value::<T>(alone) {
            return format!("setting `{name}`: {}", in_plain_words(&error));
        }
    }
    format!("settings: {}", in_plain_words(error))
}

/// serde's own words, with English for Rust's names of types.
fn in_plain_words(error: &serde_json::Error) -> String {
    error
        .to_string()
        .replace(
            "expected u32",
            "expected a whole number from 0 to 4294967295",
        )
        .replace("expected u8", "expected a whole number from 0 to 255")
        .replace("expected a boolean", "expected true or false")
        .replace("expected a sequence", "expected a list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Kettle {
        litres: u32,
        lid: Lid,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Lid {
        Open,
        Shut,
    }

    impl Default for Kettle {
        fn default() -> Self {
            Self {
                litres: 2,
                lid: Lid::Shut,
            }
        }
    }

    impl Settings for Kettle {
        fn ranges(&self) -> Vec<Range> {
            vec![Range::of("litres", self.litres, 1..=5)]
        }
    }

    #[track_caller]
    fn refused(json: &str, parts: &[&str]) {
        let error = parse::<Kettle>(json).expect_err(json);
        for part in parts {
            assert!(
                error.contains(part),
                "{json}\n  said: {error}\n  lacks: {part}"
            );
        }
    }

    #[test]
    fn nothing_and_an_empty_object_give_the_defaults() {
        for json in ["", "  ", "{}", " { } "] {
            assert_eq!(parse::<Kettle>(json), Ok(Kettle::default()), "{json:?}");
        }
    }

    #[test]
    fn a_field_that_is_left_out_has_its_default() {
        let expected = Kettle {
            litres: 3,
            lid: Lid::Shut,
        };
        assert_eq!(parse::<Kettle>(r#"{"litres": 3}"#), Ok(expected));
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_known_ones() {
        refused(r#"{"liters": 3}"#, &["`liters`", "`litres`", "`lid`"]);
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_field() {
        refused(
            r#"{"lid": "open", "litres": "3"}"#,
            &["`litres`", "string \"3\"", "whole number"],
        );
        refused(r#"{"litres": -1}"#, &["`litres`", "-1", "whole number"]);
        refused(r#"{"litres": null}"#, &["`litres`", "null"]);
    }

    #[test]
    fn an_unknown_choice_is_refused_with_the_known_ones() {
        refused(r#"{"lid": "ajar"}"#, &["`lid`", "ajar", "`open`", "`shut`"]);
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        refused(r#"{"litres": 6}"#, &["`litres`", "6", "1 to 5"]);
        refused(r#"{"litres": 0}"#, &["`litres`", "0", "1 to 5"]);
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        refused(
            r#"{"litres": 1, "litres": 2}"#,
            &["duplicate field `litres`"],
        );
    }

    #[test]
    fn a_text_that_is_no_object_is_refused() {
        refused("[3]", &["not a JSON object"]);
        refused("3", &["not a JSON object"]);
        refused(r#"{"litres": "#, &["not a JSON object", "line 1"]);
    }
}
