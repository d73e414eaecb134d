//! Reads. They change nothing, so they may be retried.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use reeve_core::id::WorkerId;
use reeve_core::store::{Records, StoreError, StoreErrorKind, Stored};

use super::item::{self, Item};
use super::request::names_in;
use super::{DynamoStore, error};

impl DynamoStore {
    pub(super) async fn read_one(&self, worker: &WorkerId) -> Result<Option<Stored>, StoreError> {
        let doing = format!("read the record of {worker}");
        match self.get(worker, &doing).await? {
            Some(item) => self.stored(worker, &item, &doing).map(Some),
            None => Ok(None),
        }
    }

    /// Returns every record of the fleet, or an error. A partial result would look as if workers
    /// had no record. A record that cannot be read is an entry of its own.
    pub(super) async fn read_fleet(&self) -> Result<Records, StoreError> {
        let doing = format!("read the records of fleet {}", self.fleet);
        let mut found = BTreeMap::new();
        let mut start: Option<Item> = None;
        loop {
            let page = self.page(start.clone(), &doing).await?;
            for item in page.items() {
                let worker = self.worker(item, &doing)?;
                let doing = format!("read the record of {worker}");
                let stored = self.stored(&worker, item, &doing);
                found.insert(worker, stored);
            }
            let next = page.last_evaluated_key.filter(|key| !key.is_empty());
            if next.is_none() {
                return Ok(found);
            }
            if next == start {
                return Err(StoreError {
                    doing,
                    kind: StoreErrorKind::Unavailable,
                    message: "Response: a page ends where it starts, so the pages have no end"
                        .to_owned(),
                });
            }
            start = next;
        }
    }

    /// One page of the fleet's items after this key, up to 1 MB.
    async fn page(&self, start: Option<Item>, doing: &str) -> Result<QueryOutput, StoreError> {
        const ONE_FLEET: &str = "#fleet = :fleet";
        let request = self
            .clients
            .repeating
            .query()
            .table_name(&self.table)
            .key_condition_expression(ONE_FLEET)
            .set_expression_attribute_names(Some(names_in(&[ONE_FLEET])))
            .expression_attribute_values(":fleet", item::text(&self.fleet))
            .consistent_read(true)
            .set_limit(self.page_items_max)
            .set_exclusive_start_key(start);
        match request.send().await {
            Ok(page) => Ok(page),
            Err(error) => Err(self.failed(doing, &error)),
        }
    }

    fn worker(&self, item: &Item, doing: &str) -> Result<WorkerId, StoreError> {
        item::worker(item).map_err(|why| {
            error::unreadable(doing, &format!("an item of fleet {}", self.fleet), &why)
        })
    }

    /// Reads the worker's item.
    pub(super) fn stored(
        &self,
        worker: &WorkerId,
        item: &Item,
        doing: &str,
    ) -> Result<Stored, StoreError> {
        item::stored(item).map_err(|why| {
            let which = format!("the item of worker {worker} in fleet {}", self.fleet);
            error::unreadable(doing, &which, &why)
        })
    }
}
