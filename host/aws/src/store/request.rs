//! Conditional requests and their refusals.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use reeve_core::id::WorkerId;
use reeve_core::store::StoreError;

use super::DynamoStore;
use super::item::{self, Item};

/// A change of one item under a condition. Expressions write the attribute `version` as `#version`,
/// because DynamoDB reserves hundreds of plain words.
pub(super) struct Change {
    /// In DynamoDB's syntax.
    pub(super) update: String,
    /// In DynamoDB's syntax.
    pub(super) condition: String,
    /// The values that the two expressions use. DynamoDB refuses unused values.
    pub(super) values: HashMap<String, AttributeValue>,
}

/// The result of a conditional request.
pub(super) enum Tried {
    /// The condition held, and the change was made.
    Done,
    /// The condition did not hold for this item. `None`: there is no item.
    Refused(Option<Item>),
}

impl DynamoStore {
    /// Changes the worker's item with this client.
    pub(super) async fn update(
        &self,
        client: &Client,
        worker: &WorkerId,
        change: Change,
        doing: &str,
    ) -> Result<Tried, StoreError> {
        self.update_in(client, &self.fleet, worker, change, doing)
            .await
    }

    /// Changes an item of a partition with this client.
    pub(super) async fn update_in(
        &self,
        client: &Client,
        partition: &str,
        worker: &WorkerId,
        change: Change,
        doing: &str,
    ) -> Result<Tried, StoreError> {
        let names = names_in(&[&change.update, &change.condition]);
        let request = client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(partition, worker)))
            .update_expression(change.update)
            .condition_expression(change.condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(change.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(Tried::Done);
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                self.refused(partition, worker, refusal.item(), doing).await
            }
            _ => Err(self.failed(doing, &error)),
        }
    }

    /// Reads the worker's item with strong consistency.
    pub(super) async fn get(
        &self,
        worker: &WorkerId,
        doing: &str,
    ) -> Result<Option<Item>, StoreError> {
        self.get_in(&self.fleet, worker, doing).await
    }

    /// Reads an item of a partition with strong consistency.
    pub(super) async fn get_in(
        &self,
        partition: &str,
        worker: &WorkerId,
        doing: &str,
    ) -> Result<Option<Item>, StoreError> {
        let request = self
            .clients
            .repeating
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(partition, worker)))
            .consistent_read(true);
        match request.send().await {
            Ok(answer) => Ok(answer.item),
            Err(error) => Err(self.failed(doing, &error)),
        }
    }

    /// The item that refused the change. A refusal normally includes it. If it does not, either
    /// there is no item or an emulator left it out, so the item is read again.
    async fn refused(
        &self,
        partition: &str,
        worker: &WorkerId,
        cause: Option<&Item>,
        doing: &str,
    ) -> Result<Tried, StoreError> {
        match cause {
            Some(item) if !item.is_empty() => Ok(Tried::Refused(Some(item.clone()))),
            Some(_) | None => self
                .get_in(partition, worker, doing)
                .await
                .map(Tried::Refused),
        }
    }
}

/// The attribute names in these expressions: `#version` stands for `version`.
pub(super) fn names_in(expressions: &[&str]) -> HashMap<String, String> {
    let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    expressions
        .iter()
        .flat_map(|expression| expression.split('#').skip(1))
        .filter_map(|rest| rest.split(is_end).next())
        .map(|name| (format!("#{name}"), name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_the_expressions_use() {
        let names = names_in(&[
            "SET #busy_until = :until",
            "#phase = :p AND (#phase = #version)",
        ]);
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort();
        let expected = ["busy_until", "phase", "version"];
        let expected = expected.map(|name| (format!("#{name}"), name.to_owned()));
        assert_eq!(names, expected);
    }
}
