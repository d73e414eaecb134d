//! Compare and set: a record changes only from the version that the write expects.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use reeve_core::id::Version;
use reeve_core::store::{Committed, IdleTest, StoreError, StoreErrorKind, Stored, Write};

use super::DynamoStore;
use super::item::{number, text};
use super::request::{Change, Tried};

/// Sets the attributes of the record and leaves those of the activity unchanged.
const REPLACE: &str = "SET #version = :next, #phase = :phase, #record = :record";

/// The negation of `Activity::in_use`. A missing attribute means that the activity never happened.
const IDLE: &str = "(attribute_not_exists(#delivered_at) OR #delivered_at <= :since) \
    AND (attribute_not_exists(#processed_at) OR #processed_at <= :since) \
    AND (attribute_not_exists(#handed_out_at) OR #handed_out_at <= :since) \
    AND (attribute_not_exists(#busy_until) OR #busy_until <= :now)";

impl DynamoStore {
    pub(super) async fn commit_one(&self, write: &Write) -> Result<Committed, StoreError> {
        let doing = format!("commit the record of {}", write.worker);
        let change = change(write).map_err(|source| StoreError {
            doing: doing.clone(),
            kind: StoreErrorKind::NotWritable,
            message: format!("Record: it has no JSON form: {source}"),
        })?;
        let client = &self.clients.repeating;
        match self.update(client, &write.worker, change, &doing).await? {
            Tried::Done => Ok(Committed::Written(write.expected.next())),
            Tried::Refused(None) => Ok(Committed::Lost(None)),
            Tried::Refused(Some(item)) => {
                let found = self.stored(&write.worker, &item, &doing)?;
                refusal(write, found).ok_or_else(|| changed_again(doing))
            }
        }
    }
}

/// The whole commit in one step: version, record, and the test that the worker is idle.
fn change(write: &Write) -> Result<Change, serde_json::Error> {
    let record = serde_json::to_string(&write.record)?;
    let (condition, mut values) = has_version(write.expected);
    values.insert(":next".to_owned(), number(write.expected.next().get()));
    values.insert(":phase".to_owned(), text(write.record.phase.as_str()));
    values.insert(":record".to_owned(), AttributeValue::S(record));
    let condition = match write.if_idle {
        None => condition.to_owned(),
        Some(IdleTest { since, now }) => {
            values.insert(":since".to_owned(), number(since.as_ms()));
            values.insert(":now".to_owned(), number(now.as_ms()));
            format!("{condition} AND {IDLE}")
        }
    };
    Ok(Change {
        update: REPLACE.to_owned(),
        condition,
        values,
    })
}

/// The condition that the record has this version, with its values.
fn has_version(expected: Version) -> (&'static str, HashMap<String, AttributeValue>) {
    if expected == Version::default() {
        return ("attribute_not_exists(#version)", HashMap::new());
    }
    let values = HashMap::from([(":expected".to_owned(), number(expected.get()))]);
    ("#version = :expected", values)
}

/// Why the item refused the write. `None`: this item would not refuse it.
///
/// If the item has the next version with this very record, an earlier attempt of this commit wrote
/// it and its response was lost.
fn refusal(write: &Write, found: Stored) -> Option<Committed> {
    if found.version == write.expected.next() && found.record == write.record {
        return Some(Committed::Written(found.version));
    }
    if found.version != write.expected {
        return Some(Committed::Lost(Some(found)));
    }
    let test = write.if_idle?;
    found
        .activity
        .in_use(test)
        .then_some(Committed::InUse(found.activity))
}

/// Only if the refusal had no item: the item was read afterwards, and had changed again.
fn changed_again(doing: String) -> StoreError {
    StoreError {
        doing,
        kind: StoreErrorKind::Unavailable,
        message:
            "ConditionalCheckFailedException: refused, and then found as expected; another host \
                  changes it: read it and decide again"
                .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use reeve_core::store::{Activity, WorkerRecord};
    use reeve_core::time::Instant;

    use super::*;

    fn record(generation: u64) -> WorkerRecord {
        WorkerRecord {
            generation: reeve_core::id::Generation::new(generation),
            ..WorkerRecord::default()
        }
    }

    fn write(if_idle: Option<IdleTest>) -> Write {
        Write {
            worker: "chat".into(),
            expected: Version::new(4),
            record: record(7),
            if_idle,
        }
    }

    fn found(version: u64, generation: u64, delivered_at_ms: u64) -> Stored {
        Stored {
            version: Version::new(version),
            record: record(generation),
            activity: Activity {
                delivered_at: Some(Instant::from_ms(delivered_at_ms)),
                ..Activity::default()
            },
        }
    }

    #[test]
    fn the_item_that_refused_a_commit_says_why() {
        let idle = Some(IdleTest {
            since: Instant::from_ms(100),
            now: Instant::from_ms(200),
        });
        let lost = |found: Stored| Some(Committed::Lost(Some(found)));
        let written = Some(Committed::Written(Version::new(5)));
        let cases = [
            (None, found(5, 7, 0), written.clone()),
            (idle, found(5, 7, 150), written),
            (None, found(5, 8, 0), lost(found(5, 8, 0))),
            (None, found(6, 7, 0), lost(found(6, 7, 0))),
            (idle, found(3, 7, 150), lost(found(3, 7, 150))),
            (
                idle,
                found(4, 6, 101),
                Some(Committed::InUse(found(4, 6, 101).activity)),
            ),
            (idle, found(4, 6, 100), None),
            (None, found(4, 6, 101), None),
        ];
        for (if_idle, found, expected) in cases {
            let shown = format!("{if_idle:?} {found:?}");
            assert_eq!(refusal(&write(if_idle), found), expected, "{shown}");
        }
    }

    #[test]
    fn every_value_of_a_commit_is_used_by_its_expressions() {
        let idle = Some(IdleTest {
            since: Instant::from_ms(1),
            now: Instant::from_ms(2),
        });
        let first = Write {
            expected: Version::default(),
            ..write(idle)
        };
        for write in [write(None), write(idle), first] {
            let change = change(&write).unwrap();
            for name in change.values.keys() {
                let used = change.update.contains(name) || change.condition.contains(name);
                assert!(used, "{name}");
            }
        }
    }
}
