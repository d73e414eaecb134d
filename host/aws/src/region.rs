//! Clients per region. A pool names its region, and pools come and go with the configuration, so clients
//! are made when a region is first asked for, and kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ec2::config::Region as SdkRegion;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use reeve_core::id::Region;

use crate::connect::Timeouts;

/// Three attempts, as the SDK has it: one lost packet and one unlucky host are passed over, and a
/// provider in trouble is not asked over and over while somebody waits for the answer.
const QUERY_ATTEMPTS_MAX: u32 = 3;

/// The clients of every region asked for so far. They share credentials and connections.
pub(crate) struct Regions {
    base: SdkConfig,
    timeouts: Timeouts,
    tuning: Tuning,
    known: Mutex<BTreeMap<Region, RegionClients>>,
}

/// One region's clients, by what may be done with them.
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

/// Numbers that only tests turn down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// How many instances a scan asks for per page: 5 to 1000 (EC2 API reference, DescribeInstances,
    /// `MaxResults`).
    pub(crate) scan_page_instances: i32,
    /// How many tasks a scan asks for per page and then describes at once: 1 to 100 (ECS API reference, ListTasks,
    /// `maxResults`; DescribeTasks, `tasks`).
    pub(crate) scan_page_tasks: i32,
    /// The pause before a throttled question's first retry, and its double before the second; each is
    /// then drawn at random from zero up to that.
    pub(crate) throttled_backoff: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            // The most there can be: an account is throttled by calls, not by instances.
            scan_page_instances: 1000,
            scan_page_tasks: 100,
            // EC2 gives back 20 describe calls a second (EC2 developer guide, "Request throttling").
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

    /// Clients for questions: bounded retries.
    pub(crate) fn asking(&self, region: &Region) -> Clients {
        self.clients(region).asking
    }

    /// Clients for mutations: no retries. A retry inside the client would be a second mutation that
    /// nobody counted and no permit allows.
    pub(crate) fn changing(&self, region: &Region) -> Clients {
        self.clients(region).changing
    }

    /// How many instances a scan asks for per page.
    pub(crate) fn scan_page_instances(&self) -> i32 {
        self.tuning.scan_page_instances
    }

    /// How many tasks a scan asks for per page.
    pub(crate) fn scan_page_tasks(&self) -> i32 {
        self.tuning.scan_page_tasks
    }

    fn clients(&self, region: &Region) -> RegionClients {
        // The map is whole after every statement, so a panic elsewhere leaves nothing half done in it.
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
