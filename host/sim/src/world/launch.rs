//! Launches, and the replay of a launch by its token.

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Outcome};
use reeve_core::compute::{Compute, LaunchSource};
use reeve_core::id::InstanceId;
use reeve_core::time::{Instant, Millis};

use super::World;
use super::calls::error;

/// The launch that was carried out with a token.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// The mutation that launched it. A replay must be equal.
    mutation: Mutation,
    /// The instance that the launch created.
    pub(super) id: InstanceId,
    at: Instant,
}

impl World {
    /// Carries out a launch, or replays the launch with the same token.
    pub(super) fn launch(&mut self, mutation: &Mutation) -> Result<Outcome, CloudError> {
        let Mutation::Launch {
            source,
            token,
            tags,
            ..
        } = mutation
        else {
            let (kind, code) = (CloudErrorKind::Permanent, "InvalidParameter");
            return Err(error("RunInstances", kind, code, "not a launch"));
        };
        if let Some(first) = self.launches.get(token)
            && !self.is_forgotten(first, source)
        {
            return self.replay(first, mutation, source);
        }
        let compute = compute_of(source);
        let id = InstanceId::from(match compute {
            Compute::Ec2 => self.draws.instance_id(),
            Compute::Fargate { .. } => self.draws.task_id(),
        });
        let boot = self.draws.boot();
        let boot = self.next_boot.take().unwrap_or(boot);
        self.insert(id.clone(), compute, tags.clone(), boot);
        if let Some(launched) = self.instances.get_mut(&id) {
            launched.family = source.family().map(str::to_owned);
            launched.is_one_time_spot = self.launches_one_time_spot && launched.compute.is_ec2();
        }
        let launch = Launch {
            mutation: mutation.clone(),
            id: id.clone(),
            at: self.now,
        };
        self.launches.insert(token.clone(), launch);
        match self.instances.get(&id) {
            Some(instance) => Ok(Outcome::Launched(instance.reading())),
            None => Ok(Outcome::Accepted),
        }
    }

    /// Whether the cloud has forgotten the token. EC2 remembers a token longer than the longest story. ECS forgets it after 24 hours, or an hour after the task's end, when it no longer
    /// shows the task (ECS API reference, "Ensuring idempotency").
    fn is_forgotten(&self, first: &Launch, source: &LaunchSource) -> bool {
        const ECS_REMEMBERS: Millis = Millis::from_secs(24 * 3600);
        match source {
            LaunchSource::LaunchTemplate(_) | LaunchSource::LaunchTemplateVersion(_) => false,
            LaunchSource::Fargate(_) => {
                self.now.since(first.at) >= ECS_REMEMBERS || !self.instances.contains_key(&first.id)
            }
        }
    }

    fn replay(
        &self,
        first: &Launch,
        mutation: &Mutation,
        source: &LaunchSource,
    ) -> Result<Outcome, CloudError> {
        let (operation, mismatch) = match source {
            LaunchSource::LaunchTemplate(_) | LaunchSource::LaunchTemplateVersion(_) => {
                ("RunInstances", "IdempotentParameterMismatch")
            }
            LaunchSource::Fargate(_) => ("RunTask", "ConflictException"),
        };
        let refused = |code, text| Err(error(operation, CloudErrorKind::Conflict, code, text));
        if &first.mutation != mutation {
            return refused(mismatch, "the client token was used with other parameters");
        }
        match self.instances.get(&first.id) {
            Some(instance) => Ok(Outcome::Launched(instance.reading())),
            None => refused(
                "IdempotentInstanceTerminated",
                "the instance of this client token is gone",
            ),
        }
    }
}

fn compute_of(source: &LaunchSource) -> Compute {
    match source {
        LaunchSource::LaunchTemplate(_) | LaunchSource::LaunchTemplateVersion(_) => Compute::Ec2,
        LaunchSource::Fargate(task) => Compute::Fargate {
            cluster: task.cluster.clone(),
        },
    }
}
