//! A policy's settings: written as TOML, read by policies as JSON.

use serde_json::{Map, Number, Value};

/// The settings as a JSON object.
///
/// # Errors
/// A value that JSON cannot express, with the setting's name: a date, a time, an infinite number.
pub(super) fn to_json(settings: &toml::Table) -> Result<Map<String, Value>, String> {
    object(settings, "")
}

fn object(table: &toml::Table, path: &str) -> Result<Map<String, Value>, String> {
    let entry = |(key, value): (&String, &toml::Value)| {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        Ok((key.clone(), json(value, &path)?))
    };
    table.iter().map(entry).collect()
}

fn json(value: &toml::Value, path: &str) -> Result<Value, String> {
    let not_json = |found: String| {
        format!(
            "the setting `{path}` is {found}, which JSON cannot express; write it as a text or a number"
        )
    };
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::Number((*number).into()),
        toml::Value::Float(number) => match Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => return Err(not_json(number.to_string())),
        },
        toml::Value::Boolean(flag) => Value::Bool(*flag),
        toml::Value::Datetime(time) => return Err(not_json(format!("the date or time {time}"))),
        toml::Value::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, item)| json(item, &format!("{path}[{index}]")));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => Value::Object(object(table, path)?),
    })
}
