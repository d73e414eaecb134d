//! Maps a failed call to a kind of [`StoreError`]. The crate's own table covers the codes common to
//! AWS; this table adds DynamoDB's.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use reeve_core::cloud::CloudErrorKind;
use reeve_core::store::{StoreError, StoreErrorKind};

use super::DynamoStore;
use super::item;
use crate::error::sorted;

use StoreErrorKind::{Denied, NotWritable, Throttled, Unavailable, Unreadable};

/// The code for a missing table, or one that is still being created; it passes once the table
/// exists.
const NO_TABLE: &str = "ResourceNotFoundException";

/// DynamoDB's own codes and their kinds (API reference, "Common Error Types" and the errors of
/// GetItem, Query and UpdateItem; developer guide, "Error handling with DynamoDB").
#[rustfmt::skip]
const KINDS: &[(&str, StoreErrorKind)] = &[
    // Limits of the table or the account. A partition takes 1,000 writes a second, and a fleet's
    // hosts write far less.
    ("LimitExceededException", Throttled),
    ("ProvisionedThroughputExceededException", Throttled),

    // Another transaction or replica holds the item: this passes within milliseconds.
    ("ReplicatedWriteConflictException", Unavailable),
    ("TransactionConflictException", Unavailable),
    ("TransactionInProgressException", Unavailable),

    ("InvalidEndpointException", Unavailable),
    (NO_TABLE, Unavailable),

    // An item over 400 KB, an empty or too long key, or a table with other keys.
    ("ItemCollectionSizeLimitExceededException", NotWritable),
    ("ValidationException", NotWritable),
];

impl DynamoStore {
    /// Maps a failed SDK call to a [`StoreError`].
    pub(super) fn failed<E>(&self, doing: &str, error: &SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let answer = sorted("DynamoDB", error);
        StoreError {
            doing: doing.to_owned(),
            kind: kind_of(&answer.code, answer.kind),
            message: format!(
                "{}: {}{}",
                answer.code,
                answer.message,
                self.advice(&answer.code)
            ),
        }
    }

    /// What the operator can do, where that is not obvious.
    fn advice(&self, code: &str) -> String {
        let Self { table, region, .. } = self;
        match code {
            NO_TABLE => format!(
                "; there is no table {table} in {region}, or it is still being created: correct the name \
                 and the region, or create it with `aws dynamodb create-table --table-name {table} \
                 --region {region} --billing-mode PAY_PER_REQUEST --attribute-definitions \
                 AttributeName=fleet,AttributeType=S AttributeName=worker,AttributeType=S --key-schema \
                 AttributeName=fleet,KeyType=HASH AttributeName=worker,KeyType=RANGE`"
            ),
            "AccessDeniedException" => format!(
                "; the least that is needed is dynamodb:GetItem, dynamodb:Query and dynamodb:UpdateItem \
                 on table {table} in {region}"
            ),
            "ValidationException" => format!(
                "; table {table} must have the partition key fleet (S) and the sort key worker (S), a \
                 worker's name 1 to 1024 bytes, and its item at most 400 KB"
            ),
            _ => String::new(),
        }
    }
}

/// The error for an item that exists but cannot be read.
pub(super) fn unreadable(doing: &str, which: &str, why: &item::Unreadable) -> StoreError {
    StoreError {
        doing: doing.to_owned(),
        kind: Unreadable,
        message: format!(
            "Item: {which}: {why}; update reeve if a newer one wrote it, else correct the item \
             in the table"
        ),
    }
}

/// The kind by DynamoDB's own codes, then by the crate's table.
fn kind_of(code: &str, kind: CloudErrorKind) -> StoreErrorKind {
    if let Some((_, known)) = KINDS.iter().find(|(known, _)| *known == code) {
        return *known;
    }
    match kind {
        CloudErrorKind::Throttled => Throttled,
        CloudErrorKind::Denied => Denied,
        CloudErrorKind::Transient => Unavailable,
        CloudErrorKind::NoCapacity
        | CloudErrorKind::Conflict
        | CloudErrorKind::NotVisibleYet
        | CloudErrorKind::NotSent
        | CloudErrorKind::Permanent => NotWritable,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_code_stands_in_the_table_twice() {
        let codes: BTreeSet<_> = KINDS.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), KINDS.len());
    }
}
