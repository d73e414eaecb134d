//! EC2, ECS, SSM and CloudWatch behind [`reeve_core::ports::Cloud`], DynamoDB behind
//! [`reeve_core::ports::Store`]. Only this crate names an AWS SDK: the EC2 SDK alone takes minutes
//! to compile, and no other crate should wait for it.
//!
//! ```text
//!   Query ──► query ─────┐                      ┌──► EC2: DescribeInstances, -Status, RunInstances,
//!                        ├──► region: clients ──┤         Start-, Stop-, TerminateInstances
//!   Permit ─► mutate ────┘    (of one region)   ├──► ECS: ListTasks, DescribeTasks, -TaskDefinition, RunTask, StopTask
//!                                  │            ├──► SSM: GetParameter, PutParameter
//!                                  │            └──► CloudWatch: GetMetricData
//!                                  │
//!   Reading, Outcome ◄── convert ◄─┤ a response
//!   CloudError ◄──────── error ◄───┘ a refusal, or no response
//! ```
//!
//! - `connect`: options, credentials, the HTTP client.
//! - `region`: clients per region, their timeouts and retries.
//! - `query`: queries. They are retried a few times and change nothing.
//! - `demand`: demand metrics, in batches. `status_checks`: EC2's status checks, in batches.
//! - `mutate`: mutations. They are sent once; the caller handles errors.
//! - `fargate`: queries and mutations for Fargate tasks.
//! - `convert`: converts the provider's instances and pointers to reeve's types.
//! - `error`: maps a failure to a kind of [`CloudError`](reeve_core::cloud::CloudError).
//! - `store`: the workers' records in DynamoDB, with the same credentials and HTTP client.

mod connect;
mod convert;
mod demand;
mod error;
mod fargate;
mod mutate;
mod query;
mod region;
mod status_checks;
mod store;
mod template;

#[cfg(test)]
mod emulator;
#[cfg(test)]
mod emulator_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod wire_tests;

use aws_config::SdkConfig;
use reeve_core::cloud::{Outcome, Query, Reading};
use reeve_core::guard::Permit;
use reeve_core::ports::{Cloud, CloudFuture};

pub use crate::connect::{AwsOptions, ConnectError, CredentialsSource, Timeouts};
use crate::fargate::TaskRoles;
use crate::region::{Regions, Tuning};
pub use crate::store::{DynamoOptions, DynamoStore};

/// AWS as reeve uses it: one account, any of its regions.
///
/// Guarantees: a query gets a complete result or an error, never a part. A mutation is sent at most
/// once per permit. Every error keeps the provider's code.
pub struct AwsCloud {
    regions: Regions,
    task_roles: TaskRoles,
}

impl AwsCloud {
    /// Loads credentials and prepares the clients. It calls only the source of the credentials.
    /// [`AwsOptions::profile`] lists the sources in their order.
    ///
    /// # Errors
    /// [`ConnectError`] if the options are invalid or no source has credentials. A source that does
    /// not respond at the moment is no error here; later calls report it.
    pub async fn connect(options: AwsOptions) -> Result<Self, ConnectError> {
        let base = connect::load(&options).await?;
        let cloud = Self::over(base, options.timeouts, Tuning::default());
        Ok(Self {
            task_roles: TaskRoles::new(options.task_roles),
            ..cloud
        })
    }

    /// The cloud over a given SDK configuration. Each call sets the region itself.
    fn over(base: SdkConfig, timeouts: Timeouts, tuning: Tuning) -> Self {
        Self {
            regions: Regions::new(base, timeouts, tuning),
            task_roles: TaskRoles::new(false),
        }
    }
}

impl Cloud for AwsCloud {
    fn query(&self, query: Query) -> CloudFuture<'_, Reading> {
        Box::pin(self.ask(query))
    }

    fn mutate(&self, permit: Permit) -> CloudFuture<'_, Outcome> {
        let decision = permit.decision();
        Box::pin(self.carry_out(permit.into_mutation(), decision))
    }
}
