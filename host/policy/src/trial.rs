//! The questions that a policy must answer before it comes into force: of each point the simplest, and
//! those that are large or late. A policy that traps or exceeds a limit on them would do so in service.
//! What it answers, and whether it refuses, is its own affair: no host has really asked.

use reeve_core::point::{Input, Point};
use serde_json::{Map, Value, json};

use crate::cases;

/// As many instances as an input may have.
const MANY: usize = 100;
/// A day and more, as an age.
const LONG: u64 = 100_000_000;

/// Questions of the point.
pub(crate) fn questions(point: Point) -> Vec<Input> {
    let fields = match point {
        Point::Resolve => vec![json!({}), resolve(1), resolve(MANY)],
        Point::Adopt => vec![json!({}), adopt(1), adopt(MANY)],
        Point::RetryIp => vec![json!({}), json!({ "tries": 100, "waited-ms": LONG })],
        Point::Debounce => vec![
            json!({}),
            json!({ "in-flight": true, "same-cause": true, "dropped": 100 }),
            json!({ "last-started": { "ms": LONG }, "usage": used() }),
        ],
        Point::Reap => vec![
            json!({}),
            json!({ "usage": used() }),
            json!({ "role": "orphan", "origin": "unclaimed", "instance": { "state": "stopped" } }),
        ],
    };
    fields
        .into_iter()
        .filter_map(|fields| question(point, fields))
        .collect()
}

fn question(point: Point, fields: Value) -> Option<Input> {
    let Value::Object(fields) = fields else {
        return None;
    };
    let mut fields: Map<_, _> = cases::completed(point, fields);
    fields.insert("settings".to_owned(), "{}".into());
    serde_json::from_value(json!({ point.as_str(): fields })).ok()
}

fn resolve(instances: usize) -> Value {
    let instances = (0..instances).map(instance).collect::<Vec<_>>();
    json!({
        "instances": instances,
        "adopted": { "instance": id(0) },
        "pointer": { "names": id(0) },
        "scanned": { "ms": 1000 },
    })
}

fn adopt(candidates: usize) -> Value {
    let candidate = |number| json!({ "facts": instance(number) });
    json!({ "candidates": (0..candidates).map(candidate).collect::<Vec<_>>() })
}

/// An instance; the first one runs.
fn instance(number: usize) -> Value {
    let state = ["running", "stopped", "pending", "terminated"][number % 4];
    json!({ "id": id(number), "state": state })
}

fn id(number: usize) -> String {
    format!("i-{number:017x}")
}

/// A worker that was used long ago.
fn used() -> Value {
    json!({ "handed-out": { "ms": LONG }, "last-activity": { "ms": LONG } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_questions_that_parse_the_largest_with_all_instances() {
        for point in Point::ALL {
            let questions = questions(point);
            let expected = if point == Point::RetryIp { 2 } else { 3 };
            assert_eq!(questions.len(), expected, "{point}");
            let sizes = questions.iter().map(|input| match input {
                Input::Resolve(input) => input.instances.len(),
                Input::Adopt(input) => input.candidates.len(),
                _ => MANY,
            });
            assert_eq!(sizes.max(), Some(MANY));
        }
    }
}
