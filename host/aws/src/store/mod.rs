//! The store in DynamoDB, for several hosts that share the workers of a fleet.
//!
//! ```text
//!   read, read_all ──► read ────┐
//!   commit ──────────► commit ──┼──► request ──► DynamoDB: GetItem, Query, UpdateItem
//!   refresh ─────────► refresh ─┘       │
//!   Stored ◄────────── item ◄───────────┤ an item
//!   StoreError ◄────── error ◄──────────┘ a failed call
//! ```
//!
//! One item is one worker: its keys, the record's version, phase and JSON, and one attribute per
//! field of its activity. Every change is one conditional UpdateItem of only the attributes it
//! concerns. So a commit and a refresh at the same time both persist.

mod commit;
mod error;
mod item;
mod ledger;
mod numbers;
mod read;
mod refresh;
mod request;

#[cfg(test)]
mod emulator_tests;
#[cfg(test)]
mod wire_tests;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Builder, Region as SdkRegion};
use reeve_core::id::{DecisionId, Region, WorkerId};
use reeve_core::ports::{Ledger, LedgerEntry, Store, StoreFuture};
use reeve_core::store::{Committed, Records, Refresh, Refreshed, Stored, Write};
use reeve_core::time::{Instant, Millis};

use crate::connect::{self, AwsOptions, ConnectError, Timeouts};

/// The table that holds the records, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamoOptions {
    /// The table's name (3 to 255 of `a-z A-Z 0-9 _ . -`) or its ARN.
    pub table: String,
    /// The fleet that the records belong to: the table's partition key, 1 to 2048 bytes. Hosts with
    /// the same fleet share its workers; fleets in one table never see each other.
    pub fleet: String,
    /// The table's region. It is configured and not detected, because hosts that detected different
    /// regions would use different stores.
    pub region: Region,
    /// The credentials, as in [`AwsOptions::profile`].
    pub profile: Option<String>,
    /// DynamoDB's endpoint, as in [`AwsOptions::endpoint_url`].
    pub endpoint_url: Option<String>,
}

/// The records of one fleet, in a DynamoDB table.
///
/// The owner of the account creates the table once:
///
/// ```text
/// aws dynamodb create-table --table-name reeve --region us-east-1 --billing-mode PAY_PER_REQUEST \
///   --attribute-definitions AttributeName=fleet,AttributeType=S AttributeName=worker,AttributeType=S \
///   --key-schema AttributeName=fleet,KeyType=HASH AttributeName=worker,KeyType=RANGE
/// ```
///
/// A host needs only these three actions on the table:
///
/// ```text
/// { "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
///   "Action": ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
///   "Resource": "arn:aws:dynamodb:us-east-1:111122223333:table/reeve" }] }
/// ```
///
/// Guarantees, in addition to those of [`Store`]: every read is strongly consistent, no call scans
/// the table, and a call ends within a few seconds with a result or an error.
///
/// Caveats: a global table with eventual consistency does not work, because each replica would
/// check conditions by itself. A time to live may be set for the attribute `until_s`, which facts that end have and
/// records do not; records never expire. Counts are exact
/// unless the response to a refresh is lost; a caller that retries it then counts it twice.
pub struct DynamoStore {
    clients: Clients,
    table: String,
    fleet: String,
    region: Region,
    page_items_max: Option<i32>,
}

/// A client for calls that may be retried, and one for calls that may not.
struct Clients {
    /// For reads, and for changes whose condition fails if they were already made.
    repeating: Client,
    /// For changes that add to a count.
    once: Client,
}

/// The time limits of the store.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// For the connection.
    connect: Millis,
    /// For one attempt, including a renewal of the credentials.
    attempt: Millis,
    /// For a call with its retries and pauses. A query has this much time per page.
    call: Millis,
    /// The pause before the first retry, doubled before the second. The actual pause is drawn at
    /// random between zero and this value.
    backoff: Duration,
    /// The most items per page. `None`: as many as fit into DynamoDB's page (1 MB).
    page_items_max: Option<i32>,
}

/// Enough for a lost packet or a bad host, without loading a service in trouble.
const ATTEMPTS_MAX: u32 = 3;

impl Default for Patience {
    fn default() -> Self {
        Self {
            // Room for one retransmission of a lost first packet, after 1 s (RFC 6298).
            connect: Millis::new(1_500),
            // DynamoDB responds within tens of milliseconds; a `credential_process` may take
            // seconds.
            attempt: Millis::from_secs(3),
            // Room for a second attempt. With more, an outage would look like a host that hangs.
            call: Millis::from_secs(7),
            backoff: Duration::from_millis(50),
            page_items_max: None,
        }
    }
}

impl DynamoStore {
    /// Loads credentials and prepares the clients. It calls only the source of the credentials. A
    /// missing table or wrong keys show at the first read.
    ///
    /// # Errors
    /// [`ConnectError`] if the options are invalid or no source has credentials. A source that does
    /// not respond at the moment is no error here; later calls report it.
    pub async fn connect(options: DynamoOptions) -> Result<Self, ConnectError> {
        check(&options)?;
        let account = AwsOptions {
            profile: options.profile.clone(),
            endpoint_url: options.endpoint_url.clone(),
            task_roles: false,
            timeouts: Timeouts::default(),
        };
        let base = connect::load(&account).await?;
        Ok(Self::over(&base, options, Patience::default()))
    }

    /// The store over a given SDK configuration.
    fn over(base: &SdkConfig, options: DynamoOptions, patience: Patience) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS_MAX)
            .with_initial_backoff(patience.backoff);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(patience.connect.into())
            .operation_attempt_timeout(patience.attempt.into())
            .operation_timeout(patience.call.into())
            .build();
        let client = |retries| {
            let config = Builder::from(base)
                .region(SdkRegion::new(options.region.as_str().to_owned()))
                .retry_config(retries)
                .timeout_config(timeouts.clone());
            Client::from_conf(config.build())
        };
        Self {
            clients: Clients {
                repeating: client(retries),
                once: client(RetryConfig::disabled()),
            },
            table: options.table,
            fleet: options.fleet,
            region: options.region,
            page_items_max: patience.page_items_max,
        }
    }
}

impl Store for DynamoStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>> {
        Box::pin(async move { self.read_one(&worker).await })
    }

    fn read_all(&self) -> StoreFuture<'_, Records> {
        Box::pin(self.read_fleet())
    }

    fn commit(&self, write: Write) -> StoreFuture<'_, Committed> {
        Box::pin(async move { self.commit_one(&write).await })
    }

    fn reserve(&self, above: DecisionId, count: u64) -> StoreFuture<'_, DecisionId> {
        Box::pin(self.reserve_some(above, count))
    }

    fn refresh(&self, worker: WorkerId, refresh: Refresh) -> StoreFuture<'_, Refreshed> {
        Box::pin(async move { self.refresh_one(&worker, refresh).await })
    }
}

impl Ledger for DynamoStore {
    fn enter(&self, key: String, entry: LedgerEntry, now: Instant) -> StoreFuture<'_, LedgerEntry> {
        Box::pin(self.enter_fact(key, entry, now))
    }

    fn look_up(&self, key: String, now: Instant) -> StoreFuture<'_, Option<LedgerEntry>> {
        Box::pin(self.look_up_fact(key, now))
    }
}

/// Refuses options that DynamoDB would only refuse at each call.
fn check(options: &DynamoOptions) -> Result<(), ConnectError> {
    let table = options.table.as_str();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let is_name = (3..=255).contains(&table.len()) && table.bytes().all(is_plain);
    if !is_name && !table.starts_with("arn:") {
        return Err(ConnectError::Table {
            found: options.table.clone(),
        });
    }
    if !(1..=2048).contains(&options.fleet.len()) {
        return Err(ConnectError::Fleet {
            length: options.fleet.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(table: &str, fleet: &str) -> DynamoOptions {
        DynamoOptions {
            table: table.to_owned(),
            fleet: fleet.to_owned(),
            region: "us-east-1".into(),
            profile: None,
            endpoint_url: None,
        }
    }

    #[test]
    fn a_table_is_named_as_dynamodb_names_tables_or_by_its_arn() {
        let accepted = [
            "reeve",
            "reeve.prod_1-a",
            "arn:aws:dynamodb:us-east-1:111122223333:table/reeve",
        ];
        for table in accepted {
            assert!(check(&options(table, "prod")).is_ok(), "{table:?}");
        }
        let long = "t".repeat(256);
        for table in ["", "ab", "two words", "table/reeve", &long] {
            let error = check(&options(table, "prod")).unwrap_err();
            assert!(error.to_string().contains(&format!("{table:?}")), "{error}");
        }
    }

    #[test]
    fn a_fleet_has_a_name_that_fits_a_partition_key() {
        assert!(check(&options("reeve", "prod")).is_ok());
        let long = "f".repeat(2049);
        for fleet in ["", &long] {
            let error = check(&options("reeve", fleet)).unwrap_err();
            let length = format!("{} bytes", fleet.len());
            assert!(error.to_string().contains(&length), "{error}");
        }
    }
}
