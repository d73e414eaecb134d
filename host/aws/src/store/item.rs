//! A worker's item: which attribute holds which part of it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use reeve_core::id::{Version, WorkerId};
use reeve_core::store::{Activity, Phase, Stored, WorkerRecord};
use reeve_core::time::Instant;

/// The partition key: the fleet.
const FLEET: &str = "fleet";
/// The sort key: the worker.
const WORKER: &str = "worker";
/// The version that commits compare and set.
const VERSION: &str = "version";
/// A copy of the record's phase for use in conditions.
const PHASE: &str = "phase";
/// The whole record as JSON.
const RECORD: &str = "record";

/// An item in the SDK's form.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Why an item cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// A key or the record is missing or not a string.
    #[error("attribute `{attribute}` is a text (S), found {found}")]
    Text {
        /// The attribute's name.
        attribute: &'static str,
        /// The value found.
        found: String,
    },
    /// A version, a time or a count is not a whole number.
    #[error("attribute `{attribute}` is a whole number (N) from 0 to 2^64-1, found {found}")]
    Number {
        /// The attribute's name.
        attribute: &'static str,
        /// The value found.
        found: String,
    },
    /// The record's JSON is invalid, or of a newer reeve.
    #[error("attribute `record` is no record that this version of reeve can read: {source}")]
    Record {
        /// The parser's error, with its place.
        #[source]
        source: serde_json::Error,
    },
}

/// The key of this worker's item.
pub(super) fn key(fleet: &str, worker: &WorkerId) -> Item {
    HashMap::from([
        (FLEET.to_owned(), text(fleet)),
        (WORKER.to_owned(), text(worker.as_str())),
    ])
}

/// A string as an attribute.
pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A number as an attribute. DynamoDB keeps 38 digits; 64 bits need 20.
pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The worker of the item.
pub(super) fn worker(item: &Item) -> Result<WorkerId, Unreadable> {
    text_in(item, WORKER).map(WorkerId::from)
}

/// Whether the item is in one of these phases. It does not read the record, so an unreadable record
/// does not prevent deliveries.
pub(super) fn is_in_phase(item: &Item, phases: &[Phase]) -> bool {
    text_in(item, PHASE).is_ok_and(|found| phases.iter().any(|phase| phase.as_str() == found))
}

/// The item's record, version and activity.
pub(super) fn stored(item: &Item) -> Result<Stored, Unreadable> {
    let version = number_in(item, VERSION)?.ok_or_else(|| Unreadable::Number {
        attribute: VERSION,
        found: found(None),
    })?;
    Ok(Stored {
        version: Version::new(version),
        record: record(item)?,
        activity: Activity {
            handed_out_at: instant(item, "handed_out_at")?,
            delivered_at: instant(item, "delivered_at")?,
            delivered: count(item, "delivered")?,
            processed_at: instant(item, "processed_at")?,
            processed: count(item, "processed")?,
            heartbeat_at: instant(item, "heartbeat_at")?,
            busy_until: instant(item, "busy_until")?,
        },
    })
}

fn record(item: &Item) -> Result<WorkerRecord, Unreadable> {
    let text = text_in(item, RECORD)?;
    serde_json::from_str(text).map_err(|source| Unreadable::Record { source })
}

/// A missing attribute means that it never happened.
fn instant(item: &Item, attribute: &'static str) -> Result<Option<Instant>, Unreadable> {
    Ok(number_in(item, attribute)?.map(Instant::from_ms))
}

/// A missing count is 0.
fn count(item: &Item, attribute: &'static str) -> Result<u64, Unreadable> {
    Ok(number_in(item, attribute)?.unwrap_or_default())
}

fn text_in<'a>(item: &'a Item, attribute: &'static str) -> Result<&'a str, Unreadable> {
    match item.get(attribute) {
        Some(AttributeValue::S(text)) => Ok(text),
        other => Err(Unreadable::Text {
            attribute,
            found: found(other),
        }),
    }
}

fn number_in(item: &Item, attribute: &'static str) -> Result<Option<u64>, Unreadable> {
    let Some(value) = item.get(attribute) else {
        return Ok(None);
    };
    let digits = value.as_n().ok();
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(Unreadable::Number {
            attribute,
            found: found(Some(value)),
        }),
    }
}

/// The value in DynamoDB's notation: `S("7")`.
fn found(value: Option<&AttributeValue>) -> String {
    match value {
        Some(value) => format!("{value:?}"),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_RECORD: &str = r#"{"epoch":0,"lease":null,"generation":0,"phase":"running","intent":null,"adopted":null,"last-error":null}"#;

    fn item(more: &[(&str, AttributeValue)]) -> Item {
        let mut item = key("prod", &"chat".into());
        item.insert(VERSION.to_owned(), number(3));
        item.insert(PHASE.to_owned(), text("running"));
        item.insert(RECORD.to_owned(), text(EMPTY_RECORD));
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        item.extend(more);
        item
    }

    #[test]
    fn a_missing_attribute_means_never() {
        let stored = stored(&item(&[])).unwrap();
        assert_eq!(stored.version, Version::new(3));
        assert_eq!(stored.record.phase, Phase::Running);
        assert_eq!(stored.activity, Activity::default());
    }

    #[test]
    fn every_field_of_the_activity_has_an_attribute_of_its_own() {
        let item = item(&[
            ("handed_out_at", number(6)),
            ("delivered_at", number(1)),
            ("delivered", number(2)),
            ("processed_at", number(3)),
            ("processed", number(4)),
            ("heartbeat_at", number(5)),
            ("busy_until", number(u64::MAX)),
        ]);
        let activity = Activity {
            handed_out_at: Some(Instant::from_ms(6)),
            delivered_at: Some(Instant::from_ms(1)),
            delivered: 2,
            processed_at: Some(Instant::from_ms(3)),
            processed: 4,
            heartbeat_at: Some(Instant::from_ms(5)),
            busy_until: Some(Instant::from_ms(u64::MAX)),
        };
        assert_eq!(stored(&item).unwrap().activity, activity);
    }

    #[test]
    fn an_item_that_cannot_be_read_says_which_attribute_and_what_is_there() {
        let cases = [
            ("version", text("3"), r#"`version` is a whole number"#),
            ("delivered", text("0"), "`delivered` is a whole number"),
            (
                "delivered_at",
                AttributeValue::N("-1".to_owned()),
                r#"found N("-1")"#,
            ),
            (
                "busy_until",
                AttributeValue::N("1.5".to_owned()),
                r#"found N("1.5")"#,
            ),
            ("record", number(1), "`record` is a text"),
            ("record", text("{}"), "missing field"),
            (
                "record",
                text(&EMPTY_RECORD.replacen('{', r#"{"must-understand":["holder"],"#, 1)),
                "`holder` must be understood",
            ),
        ];
        for (attribute, value, expected) in cases {
            let item = item(&[(attribute, value)]);
            let error = stored(&item).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let mut item = item(&[]);
        item.remove("version");
        let error = stored(&item).unwrap_err();
        assert!(error.to_string().ends_with("found nothing"), "{error}");
    }
}
