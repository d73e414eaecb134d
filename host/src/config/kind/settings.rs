//! A policy's settings: written as TOML, read by policies as JSON.

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Findings, Kind, in_words, refuse_type, whole};

/// A table of settings, as a JSON object.
pub(in crate::config) enum Settings {}

impl Kind for Settings {
    type Value = Map<String, Value>;

    fn read(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Option<Self::Value> {
        let Some(table) = found.get_ref().as_table() else {
            refuse_type(findings, found, "a table");
            return None;
        };
        Some(object(findings, table))
    }
}

fn object(findings: &mut Findings<'_>, table: &DeTable<'_>) -> Map<String, Value> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        (key.to_string(), json(findings, value))
    };
    table.iter().map(entry).collect()
}

fn json(findings: &mut Findings<'_>, found: &Spanned<DeValue<'_>>) -> Value {
    let number = match found.get_ref() {
        DeValue::String(text) => return Value::String(text.to_string()),
        DeValue::Boolean(flag) => return Value::Bool(*flag),
        DeValue::Array(items) => {
            return items.iter().map(|item| json(findings, item)).collect();
        }
        DeValue::Table(table) => return Value::Object(object(findings, table)),
        DeValue::Integer(number) => whole(number).map(Number::from),
        DeValue::Float(number) => number.as_str().parse().ok().and_then(Number::from_f64),
        DeValue::Datetime(_) => None,
    };
    number.map_or_else(
        || {
            let text = format!(
                "found {}, which JSON cannot express; accepted: a text or a finite number",
                in_words(found.get_ref())
            );
            findings.refuse(found.span(), text);
            Value::Null
        },
        Value::Number,
    )
}
