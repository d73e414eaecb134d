//! Facts that end. Each has an item of its own in a partition of their own, so that a query for the
//! fleet's records does not find it. Records never expire; these may: `until_s` is an attribute for
//! DynamoDB's time to live, which records do not have.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use reeve_core::id::WorkerId;
use reeve_core::ports::LedgerEntry;
use reeve_core::store::{StoreError, StoreErrorKind};
use reeve_core::time::Instant;

use super::DynamoStore;
use super::item::{Item, number, text};
use super::request::{Change, Tried};

/// The rest of the partition's name after the fleet's. A fleet's name has no `#`.
const PARTITION: &str = "#ledger";
const DOING_ENTER: &str = "enter a fact that ends";
const DOING_LOOK_UP: &str = "look a fact up that ends";

impl DynamoStore {
    /// Writes the item unless there is one in force. A retry after a lost response finds the item that
    /// it wrote.
    pub(super) async fn enter_fact(
        &self,
        key: String,
        entry: LedgerEntry,
        now: Instant,
    ) -> Result<LedgerEntry, StoreError> {
        let change = Change {
            update: "SET #value = :value, #until = :until, #until_s = :until_s".to_owned(),
            condition: "attribute_not_exists(#until) OR #until <= :now".to_owned(),
            values: HashMap::from([
                (":value".to_owned(), text(&entry.value)),
                (":until".to_owned(), number(entry.until.as_ms())),
                (
                    ":until_s".to_owned(),
                    number(entry.until.as_ms() / 1_000 + 1),
                ),
                (":now".to_owned(), number(now.as_ms())),
            ]),
        };
        let partition = format!("{}{PARTITION}", self.fleet);
        let client = &self.clients.repeating;
        let key = WorkerId::from(key);
        let tried = self.update_in(client, &partition, &key, change, DOING_ENTER);
        match tried.await? {
            Tried::Done => Ok(entry),
            Tried::Refused(item) => {
                read(item.as_ref(), DOING_ENTER)?.ok_or_else(|| gone(DOING_ENTER))
            }
        }
    }

    pub(super) async fn look_up_fact(
        &self,
        key: String,
        now: Instant,
    ) -> Result<Option<LedgerEntry>, StoreError> {
        let partition = format!("{}{PARTITION}", self.fleet);
        let item = self
            .get_in(&partition, &WorkerId::from(key), DOING_LOOK_UP)
            .await?;
        let entry = read(item.as_ref(), DOING_LOOK_UP)?;
        Ok(entry.filter(|entry| entry.until > now))
    }
}

fn read(item: Option<&Item>, doing: &str) -> Result<Option<LedgerEntry>, StoreError> {
    let Some(item) = item else {
        return Ok(None);
    };
    let value = item.get("value").and_then(|value| value.as_s().ok());
    let until = item.get("until").and_then(|until| match until {
        AttributeValue::N(digits) => digits.parse().ok(),
        _ => None,
    });
    match (value, until) {
        (Some(value), Some(until)) => Ok(Some(LedgerEntry {
            value: value.clone(),
            until: Instant::from_ms(until),
        })),
        _ => Err(StoreError {
            doing: doing.to_owned(),
            kind: StoreErrorKind::Corrupt,
            message: "the item lacks the text `value` or the number `until`".to_owned(),
        }),
    }
}

/// The item that refused the change was removed since.
fn gone(doing: &str) -> StoreError {
    StoreError {
        doing: doing.to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the fact ended at this moment; ask again".to_owned(),
    }
}
