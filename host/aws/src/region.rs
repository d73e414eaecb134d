//! Clients per region. Pools name their region in the configuration, so clients are created on a
//! region's first use, and kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ec2::config::Region as SdkRegion;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use reeve_core::id::Region;

use crate::connect::Timeouts;

/// Three attempts, the SDK's default: enough for a lost packet or a bad host. More would load a
/// provider in trouble while a caller waits.
const QUERY_ATTEMPTS_MAX: u32 = 3;

/// The clients of every region used so far. They share credentials and connections.
pub(crate) struct Regions {
    base: SdkConfig,
    timeouts: Timeouts,
    tuning: Tuning,
    known: Mutex<BTreeMap<Region, RegionClients>>,
}

/// One region's clients, by permitted use.
#[derive(Clone)]
struct RegionClients {
    asking: Clients,
    changing: Clients,
}

/// A client per service.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
}

/// Numbers that only tests reduce.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Instances per page of a scan: 5 to 1000 (EC2 API reference, DescribeInstances,
    /// `MaxResults`).
    pub(crate) scan_page_instances: i32,
    /// Tasks per page of a scan, described in one call: 1 to 100 (ECS API reference, ListTasks,
    /// `maxResults`; DescribeTasks, `tasks`).
    pub(crate) scan_page_tasks: i32,
    /// The pause before the first retry of a throttled query, doubled before the second. The actual
    /// pause is drawn at random between zero and this value.
    pub(crate) throttled_backoff: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            // The maximum: AWS throttles calls, not instances.
            scan_page_instances: 1000,
            scan_page_tasks: 100,
            // EC2 refills 20 describe calls a second (EC2 developer guide, "Request throttling").
            throttled_backoff: Duration::from_secs(1),
        }
    }
}

impl Regions {
    pub(crate) fn new(base: SdkConfig, timeouts: Timeouts, tuning: Tuning) -> Self {
        Self {
            base,
            timeouts,
            tuning,
            known: Mutex::new(BTreeMap::new()),
        }
    }

    /// Clients for queries, with bounded retries.
    pub(crate) fn asking(&self, region: &Region) -> Clients {
        self.clients(region).asking
    }

    /// Clients for mutations, without retries. A retry inside the client would be a second mutation
    /// that no budget counts and no permit allows.
    pub(crate) fn changing(&self, region: &Region) -> Clients {
        self.clients(region).changing
    }

    /// Instances per page of a scan.
    pub(crate) fn scan_page_instances(&self) -> i32 {
        self.tuning.scan_page_instances
    }

    /// Tasks per page of a scan.
    pub(crate) fn scan_page_tasks(&self) -> i32 {
        self.tuning.scan_page_tasks
    }

    fn clients(&self, region: &Region) -> RegionClients {
        // Every statement leaves the map consistent, so a poisoned lock is safe to use.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clients) = known.get(region) {
            return clients.clone();
        }
        let clients = RegionClients {
            asking: self.build(region, self.asking_retries(), self.asking_timeouts()),
            changing: self.build(region, RetryConfig::disabled(), self.changing_timeouts()),
        };
        known.insert(region.clone(), clients.clone());
        clients
    }

    fn build(&self, region: &Region, retries: RetryConfig, timeouts: TimeoutConfig) -> Clients {
        let region = SdkRegion::new(region.as_str().to_owned());
        let ec2 = aws_sdk_ec2::config::Builder::from(&self.base)
            .region(region.clone())
            .retry_config(retries.clone())
            .timeout_config(timeouts.clone())
            .build();
        let ecs = aws_sdk_ecs::config::Builder::from(&self.base)
            .region(region.clone())
            .retry_config(retries.clone())
            .timeout_config(timeouts.clone())
            .build();
        let ssm = aws_sdk_ssm::config::Builder::from(&self.base)
            .region(region.clone())
            .retry_config(retries.clone())
            .timeout_config(timeouts.clone())
            .build();
        let cloudwatch = aws_sdk_cloudwatch::config::Builder::from(&self.base)
            .region(region)
            .retry_config(retries)
            .timeout_config(timeouts)
            .build();
        Clients {
            ec2: aws_sdk_ec2::Client::from_conf(ec2),
            ecs: aws_sdk_ecs::Client::from_conf(ecs),
            ssm: aws_sdk_ssm::Client::from_conf(ssm),
            cloudwatch: aws_sdk_cloudwatch::Client::from_conf(cloudwatch),
        }
    }

    fn asking_retries(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(QUERY_ATTEMPTS_MAX)
            .with_initial_backoff(self.tuning.throttled_backoff)
    }

    fn asking_timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.timeouts.connect.into())
            .operation_attempt_timeout(self.timeouts.query_attempt.into())
            .operation_timeout(self.timeouts.query.into())
            .build()
    }

    fn changing_timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.timeouts.connect.into())
            .operation_timeout(self.timeouts.mutation.into())
            .build()
    }
}
