//! EC2, ECS, SSM and CloudWatch behind [`reeve_core::ports::Cloud`], DynamoDB behind [`reeve_core::ports::Store`]. The
//! only crate that names an AWS SDK: the EC2 one alone takes minutes to compile, and nothing else shall
//! wait for it.
//!
//! ```text
//!   Query ──► query ─────┐                      ┌──► EC2: DescribeInstances, -Status, RunInstances,
//!                        ├──► region: clients ──┤         Start-, Stop-, TerminateInstances
//!   Permit ─► mutate ────┘    (of one region)   ├──► ECS: ListTasks, DescribeTasks, RunTask, StopTask
//!                                  │            ├──► SSM: GetParameter, PutParameter
//!                                  │            └──► CloudWatch: GetMetricData
//!                                  │
//!   Reading, Outcome ◄── convert ◄─┤ an answer
//!   CloudError ◄──────── error ◄───┘ a refusal, or none
//! ```
//!
//! - `connect`: options, credentials, the HTTP client.
//! - `region`: clients per region, their timeouts and retries.
//! - `query`: questions. They are retried a few times and change nothing.
//! - `demand`: demand metrics, in batches. `status_checks`: EC2's own checks, likewise.
//! - `mutate`: changes. They are sent once; whoever asked decides what comes next.
//! - `fargate`: the same for Fargate tasks.
//! - `convert`: the provider's words for an instance and a pointer, as reeve's.
//! - `error`: which kind of [`CloudError`](reeve_core::cloud::CloudError) a failure is.
//! - `store`: the workers' records in DynamoDB, over the same credentials and HTTP client.

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
use crate::region::{Regions, Tuning};
pub use crate::store::{DynamoOptions, DynamoStore};

/// AWS as reeve sees it: one account, any of its regions.
///
/// Guarantees: a question is answered whole or with an error, never in part; a mutation is sent at most
/// once per permit; every error keeps the provider's code.
pub struct AwsCloud {
    regions: Regions,
}

impl AwsCloud {
    /// Finds credentials and prepares to call AWS; nothing but the source of the credentials is called
    /// yet. Which sources there are, and which comes first: [`AwsOptions::profile`].
    ///
    /// # Errors
    /// [`ConnectError`] when the options cannot be right or no source has credentials. A source that
    /// does not answer just now is no error here: the calls say so until it does.
    pub async fn connect(options: AwsOptions) -> Result<Self, ConnectError> {
        let base = connect::load(&options).await?;
        Ok(Self::over(base, options.timeouts, Tuning::default()))
    }

    /// The cloud over a ready SDK configuration; each call sets the region itself.
    fn over(base: SdkConfig, timeouts: Timeouts, tuning: Tuning) -> Self {
        Self {
            regions: Regions::new(base, timeouts, tuning),
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
