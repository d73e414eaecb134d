//! Lays the fields that a case states over `neutral.json`. Both readers of case files, the SDK's and the
//! host's, have this file as a module: neither may depend on the other's crate, and a case must
//! mean the same to both.

use serde_json::{Map, Value};

const NEUTRAL: &str = include_str!("neutral.json");

/// The input of the point, without `settings`: the neutral one, with these layers of fields over
/// it, the last one uppermost.
pub(super) fn input<const N: usize>(
    point: &str,
    layers: [Map<String, Value>; N],
) -> Map<String, Value> {
    let neutral = Neutral(serde_json::from_str(NEUTRAL).unwrap_or_default());
    let shape = neutral.record(point);
    let lay = |under, over| neutral.overlay(&shape, under, over);
    layers.into_iter().fold(shape.clone(), lay)
}

/// The records of `neutral.json`, by the name of their point.
struct Neutral(Map<String, Value>);

impl Neutral {
    fn record(&self, name: &str) -> Map<String, Value> {
        let record = self.0.get(name).and_then(Value::as_object);
        record.cloned().unwrap_or_default()
    }

    /// Lays one record over another. A field that is a record in `shape` is laid over field by
    /// field, and each element of a list of records over the neutral element. Any other field is
    /// replaced: a variant with a value also is an object in JSON.
    fn overlay(
        &self,
        shape: &Map<String, Value>,
        mut under: Map<String, Value>,
        over: Map<String, Value>,
    ) -> Map<String, Value> {
        let elements = self.record("elements");
        for (key, over) in over {
            let record = shape.get(&key).and_then(Value::as_object);
            let element = elements.get(&key).and_then(Value::as_object);
            let value = match (record, element, under.remove(&key), over) {
                (Some(shape), _, Some(Value::Object(under)), Value::Object(over)) => {
                    Value::Object(self.overlay(shape, under, over))
                }
                (_, Some(element), _, Value::Array(items)) => {
                    let items = items.into_iter().map(|item| match item {
                        Value::Object(over) => {
                            Value::Object(self.overlay(element, element.clone(), over))
                        }
                        item => item,
                    });
                    items.collect()
                }
                (_, _, _, over) => over,
            };
            under.insert(key, value);
        }
        under
    }
}
