//! A settings schema is written by hand, for people; these checks hold it against the struct.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::settings::{self, Settings};

/// Checks that `schema` (JSON Schema 2020-12) says of the settings what `T` does: the same names with
/// the same defaults, nothing required, nothing else accepted, numbers accepted exactly from `minimum`
/// to `maximum`, and every value of an `enum` accepted.
///
/// # Errors
/// Everything that differs, one sentence a line.
pub fn agrees<T: Settings + Serialize>(schema: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| format!("schema: {error}"))?;
    let mut differences = Vec::new();
    let mut check = |holds: bool, otherwise: String| {
        if !holds {
            differences.push(otherwise);
        }
    };
    for (key, expected) in [
        (
            "$schema",
            json!("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("type", json!("object")),
        ("additionalProperties", json!(false)),
    ] {
        check(
            schema.get(key) == Some(&expected),
            format!("`{key}` must be {expected}"),
        );
    }
    check(
        schema.get("required").is_none(),
        "every setting has a default, so none is `required`".to_owned(),
    );
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&none);
    let defaults = serde_json::to_value(T::default()).map_err(|error| error.to_string())?;
    let defaults = defaults.as_object().unwrap_or(&none);
    check(
        names(properties) == names(defaults),
        format!(
            "properties {:?} and fields {:?} differ",
            names(properties),
            names(defaults)
        ),
    );
    for (name, property) in properties {
        check(
            property.get("default") == defaults.get(name),
            format!("`{name}`: the defaults differ"),
        );
        check(
            property.get("description").is_some_and(Value::is_string),
            format!("`{name}` has no description"),
        );
        let accepts =
            |value: Value| settings::parse::<T>(&json!({ name: value }).to_string()).is_ok();
        check_range(name, property, &accepts, &mut check);
        for value in property
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            check(
                accepts(value.clone()),
                format!("`{name}`: {value} is refused"),
            );
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join("\n"))
    }
}

fn names(object: &Map<String, Value>) -> BTreeSet<&str> {
    object.keys().map(String::as_str).collect()
}

/// Tries both ends of a number's range from inside and from outside.
fn check_range(
    name: &str,
    property: &Value,
    accepts: &impl Fn(Value) -> bool,
    check: &mut impl FnMut(bool, String),
) {
    let end = |key: &str| property.get(key).and_then(Value::as_i64);
    let (least, most) = (end("minimum"), end("maximum"));
    let is_number = match property.get("type") {
        Some(Value::String(one)) => one == "integer",
        Some(Value::Array(several)) => several.contains(&json!("integer")),
        _ => false,
    };
    check(
        !is_number || (least.is_some() && most.is_some()),
        format!("`{name}` is a number without `minimum` and `maximum`"),
    );
    for (inside, outside) in [
        (least, least.map(|least| least.saturating_sub(1))),
        (most, most.map(|most| most.saturating_add(1))),
    ] {
        if let (Some(inside), Some(outside)) = (inside, outside) {
            check(
                accepts(json!(inside)),
                format!("`{name}`: {inside} is refused"),
            );
            check(
                !accepts(json!(outside)),
                format!("`{name}`: {outside} is accepted"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Default, Deserialize, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Kettle {
        litres: u32,
    }

    impl Settings for Kettle {
        fn check(&self) -> Result<(), String> {
            settings::within("litres", self.litres, 0..=5)
        }
    }

    fn schema(litres: Value) -> String {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": { "litres": litres },
        })
        .to_string()
    }

    #[test]
    fn a_schema_that_says_the_same_agrees() {
        let litres = json!({
            "type": "integer", "minimum": 0, "maximum": 5, "default": 0, "description": "d",
        });
        assert_eq!(agrees::<Kettle>(&schema(litres)), Ok(()));
    }

    #[test]
    fn a_schema_that_says_something_else_is_told_what() {
        for (litres, part) in [
            (
                json!({ "type": "integer", "minimum": 0, "maximum": 6, "default": 0 }),
                "6 is refused",
            ),
            (
                json!({ "type": "integer", "minimum": 0, "maximum": 4, "default": 0 }),
                "5 is accepted",
            ),
            (
                json!({ "type": "integer", "minimum": 0, "maximum": 5, "default": 1 }),
                "defaults differ",
            ),
            (
                json!({ "type": "integer", "default": 0 }),
                "without `minimum`",
            ),
            (json!({ "default": 0 }), "no description"),
        ] {
            let error = agrees::<Kettle>(&schema(litres.clone())).unwrap_err();
            assert!(error.contains(part), "{litres}: {error}");
        }
        let error = agrees::<Kettle>(&schema(json!({})).replace("litres", "liters")).unwrap_err();
        assert!(error.contains("liters"), "{error}");
    }
}
