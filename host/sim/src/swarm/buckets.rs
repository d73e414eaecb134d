//! The provider's token buckets, per account and region, at the documented rates (EC2 developer
//! guide, "Request throttling for the Amazon EC2 API"; ECS developer guide, "Request throttling for
//! the Amazon ECS API"; general reference, "AWS Systems Manager endpoints and quotas").

use std::collections::BTreeMap;

use reeve_core::cloud::{Mutation, Query};
use reeve_core::compute::{Compute, LaunchSource};
use reeve_core::time::Instant;

/// Calls that share a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Api {
    Describe,
    Run,
    Start,
    Terminate,
    OtherMutating,
    ReadTasks,
    RunTask,
    StopTask,
    ReadParameter,
    PutParameter,
    Metrics,
}

impl Api {
    const ALL: [Self; 11] = [
        Self::Describe,
        Self::Run,
        Self::Start,
        Self::Terminate,
        Self::OtherMutating,
        Self::ReadTasks,
        Self::RunTask,
        Self::StopTask,
        Self::ReadParameter,
        Self::PutParameter,
        Self::Metrics,
    ];

    pub(super) fn of_query(query: &Query) -> Self {
        match query {
            Query::Pointer { .. } => Self::ReadParameter,
            Query::Instance { compute, .. } | Query::Scan { compute, .. } => match compute {
                Compute::Ec2 => Self::Describe,
                Compute::Fargate { .. } => Self::ReadTasks,
            },
            Query::StatusChecks { .. } | Query::TemplateVersion { .. } => Self::Describe,
            Query::Demand { .. } => Self::Metrics,
        }
    }

    pub(super) fn of_mutation(mutation: &Mutation) -> Self {
        match mutation {
            Mutation::Launch { source, .. } => match source {
                LaunchSource::LaunchTemplate(_) | LaunchSource::LaunchTemplateVersion(_) => {
                    Self::Run
                }
                LaunchSource::Fargate(_) => Self::RunTask,
            },
            Mutation::Start { .. } => Self::Start,
            Mutation::Stop { .. } | Mutation::Reboot { .. } => Self::OtherMutating,
            Mutation::Terminate { compute, .. } => match compute {
                Compute::Ec2 => Self::Terminate,
                Compute::Fargate { .. } => Self::StopTask,
            },
            Mutation::WritePointer { .. } => Self::PutParameter,
        }
    }

    /// The bucket's size, and its refill per second.
    fn size_and_refill(self) -> (u64, u64) {
        match self {
            Self::Describe => (100, 20),
            Self::Run | Self::Start => (5, 2),
            Self::Terminate => (100, 5),
            Self::OtherMutating => (50, 5),
            Self::ReadTasks => (100, 20),
            Self::RunTask | Self::StopTask => (100, 40),
            Self::ReadParameter => (40, 40),
            Self::PutParameter => (3, 3),
            Self::Metrics => (50, 50),
        }
    }
}

/// The buckets of one account.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// Thousandths of tokens, and when they were counted.
    levels: BTreeMap<Api, (u64, Instant)>,
}

impl Buckets {
    /// Lets other users take every token until `until`.
    pub(super) fn drain(&mut self, until: Instant) {
        self.levels = Api::ALL.into_iter().map(|api| (api, (0, until))).collect();
    }

    /// Takes a token; `false`: the bucket is empty.
    pub(super) fn take(&mut self, api: Api, now: Instant) -> bool {
        let (size, refill) = api.size_and_refill();
        let (level, at) = self.levels.entry(api).or_insert((size * 1000, now));
        *level = (*level + now.since(*at).get() * refill).min(size * 1000);
        *at = now.max(*at);
        if *level < 1000 {
            return false;
        }
        *level -= 1000;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_are_refused_after_five_at_once_and_allowed_again_two_a_second() {
        let mut buckets = Buckets::default();
        let at = Instant::from_ms;
        let taken = (0..7).filter(|_| buckets.take(Api::Run, at(0))).count();
        assert_eq!(taken, 5);
        assert!(!buckets.take(Api::Run, at(499)));
        assert!(buckets.take(Api::Run, at(500)));
        assert!(!buckets.take(Api::Run, at(501)));
    }

    #[test]
    fn nothing_flows_into_a_drained_bucket_before_its_time() {
        let mut buckets = Buckets::default();
        buckets.drain(Instant::from_ms(10_000));
        assert!(!buckets.take(Api::Describe, Instant::from_ms(9_999)));
        assert!(!buckets.take(Api::Describe, Instant::from_ms(10_000)));
        assert!(buckets.take(Api::Describe, Instant::from_ms(10_050)));
    }
}
