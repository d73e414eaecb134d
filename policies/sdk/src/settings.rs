//! A policy's settings: typed, every one with a default, refused with a text that helps.
//!
//! The host passes the pool's settings as a JSON object with every question, and a policy runs in a
//! fresh sandbox each time, so parsing is on the path of every decision: nothing is parsed for an
//! empty object, and the search for the field at fault is made after a failure only.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A policy's settings. Implement it for a struct with `#[serde(default, deny_unknown_fields)]`.
pub trait Settings: DeserializeOwned + Default {
    /// Refuses values outside their range, and combinations that make no sense. See [`within`].
    ///
    /// # Errors
    /// A sentence that names the field, what was found and what is accepted.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Reads a settings object. An empty text counts as `{}`; whatever is left out has its default.
///
/// # Errors
/// A sentence that names the field, what was found and what is accepted: for text that is no JSON
/// object, an unknown field, a value of the wrong type, and a value that [`Settings::check`] refuses.
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
    settings.check()?;
    Ok(settings)
}

/// Refuses a number outside `accepted`.
///
/// # Errors
/// A sentence that names the field, what was found and what is accepted.
pub fn within<N: PartialOrd + Display>(
    field: &str,
    found: N,
    accepted: RangeInclusive<N>,
) -> Result<(), String> {
    if accepted.contains(&found) {
        return Ok(());
    }
    let (least, most) = accepted.into_inner();
    Err(format!(
        "setting `{field}`: found {found}; accepted are {least} to {most}"
    ))
}

/// The error in words. serde names an unknown field and the known ones, but for a value of the wrong
/// type it does not say which field held it: reading the fields one at a time finds it.
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

/// serde's own words, with Rust's names of types put into English.
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
    use serde::Deserialize;

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
        fn check(&self) -> Result<(), String> {
            within("litres", self.litres, 1..=5)
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
    fn what_is_no_object_is_refused() {
        refused("[3]", &["not a JSON object"]);
        refused("3", &["not a JSON object"]);
        refused(r#"{"litres": "#, &["not a JSON object", "line 1"]);
    }
}
