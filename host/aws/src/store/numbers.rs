//! Reservations of decision ids. They have an item of their own in a partition of their own, so that
//! a query for the fleet's records does not find it.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::store::{StoreError, StoreErrorKind};

use super::DynamoStore;
use super::item::{self, number};
use super::request::names_in;

/// The rest of the partition's name after the fleet's. A fleet's name has no `#`.
const PARTITION: &str = "#numbers";

impl DynamoStore {
    /// Adds to the item's count, and takes the ids that the addition covers. An addition is sent
    /// once: a second one would waste ids, and a lost response wastes them as well.
    pub(super) async fn reserve_some(
        &self,
        above: DecisionId,
        count: u64,
    ) -> Result<DecisionId, StoreError> {
        let after = self.add(count).await?.saturating_sub(count);
        let missing = above.get().saturating_sub(after);
        if missing == 0 {
            return Ok(DecisionId::new(after));
        }
        // The table is younger than the host's journal.
        let last = self.add(missing.saturating_add(count)).await?;
        Ok(DecisionId::new(last.saturating_sub(count)))
    }

    /// Adds to the count, and returns the sum.
    async fn add(&self, more: u64) -> Result<u64, StoreError> {
        const ADD: &str = "ADD #reserved :more";
        let doing = "reserve decision ids";
        let partition = format!("{}{PARTITION}", self.fleet);
        let request = self
            .clients
            .once
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(&partition, &WorkerId::from("decisions"))))
            .update_expression(ADD)
            .set_expression_attribute_names(Some(names_in(&[ADD])))
            .expression_attribute_values(":more", number(more))
            .return_values(ReturnValue::UpdatedNew);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.failed(doing, &error)),
        };
        let sum = answer.attributes().and_then(|item| item.get("reserved"));
        let sum = sum.and_then(|sum| match sum {
            AttributeValue::N(digits) => digits.parse().ok(),
            _ => None,
        });
        sum.ok_or_else(|| StoreError {
            doing: doing.to_owned(),
            kind: StoreErrorKind::Corrupt,
            message: "Response: the item has no number `reserved`".to_owned(),
        })
    }
}
