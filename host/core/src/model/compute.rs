//! The kinds of compute: EC2 instances, or Fargate tasks of an ECS cluster. Everything else is the
//! same for both, so one policy serves either.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::time::Millis;

/// The kind of compute of a pool's instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compute {
    /// EC2 instances. A stopped instance keeps its disks and can be started again.
    #[default]
    Ec2,
    /// Fargate tasks; an instance's id is the task's. A task that was stopped has ended and cannot
    /// be started again.
    Fargate {
        /// The ECS cluster that runs the tasks, by name or ARN.
        cluster: String,
    },
}

impl Compute {
    /// Whether the compute is EC2. Records and journal entries leave the field out for EC2.
    pub fn is_ec2(&self) -> bool {
        *self == Self::Ec2
    }

    /// Whether an instance that was stopped can be started again.
    pub fn can_start(&self) -> bool {
        match self {
            Self::Ec2 => true,
            Self::Fargate { .. } => false,
        }
    }

    /// The ending that the compute allows when `wanted` is asked for: a termination if instances
    /// cannot be started again.
    pub fn ending(&self, wanted: Ending) -> Ending {
        if self.can_start() {
            wanted
        } else {
            Ending::Terminate
        }
    }
}

/// How an instance is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The instance stops and can be started again.
    Stop,
    /// The instance ends for good.
    Terminate,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Terminate => "terminate",
        })
    }
}

/// The source of a launch. A launch is stored and replayed whole, so the source holds every
/// parameter of the request: the same token with other parameters is refused (G1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchSource {
    /// An EC2 launch template at its default version, by name or id (`lt-…`). It is resolved to a
    /// version number before a launch is first sent.
    LaunchTemplate(String),
    /// An EC2 launch template at this version.
    LaunchTemplateVersion(TemplateVersion),
    /// A task of an ECS task definition.
    Fargate(FargateTask),
}

impl LaunchSource {
    /// The launch template, by name or id; `None` for Fargate.
    pub fn template(&self) -> Option<&str> {
        match self {
            Self::LaunchTemplate(template) => Some(template),
            Self::LaunchTemplateVersion(of) => Some(&of.launch_template),
            Self::Fargate(_) => None,
        }
    }

    /// The family of the task definition; `None` for EC2.
    pub fn family(&self) -> Option<&str> {
        match self {
            Self::LaunchTemplate(_) | Self::LaunchTemplateVersion(_) => None,
            Self::Fargate(task) => Some(task.family()),
        }
    }

    /// How long after its first use a launch's token certainly makes a replay the same launch.
    /// `None` if that is longer than any launch stays unanswered.
    pub fn token_lasts(&self) -> Option<Millis> {
        /// ECS forgets a token 24 hours after its use, or an hour after its task has ended,
        /// whichever comes first (ECS API reference, "Ensuring idempotency"). A task may end at
        /// once, so only the hour is certain. Ten minutes less allow for the clocks of hosts and
        /// for a request on its way.
        const FARGATE: Millis = Millis::from_secs(50 * 60);
        match self {
            // At least 24 hours after the *termination* (EC2 API, "Ensuring idempotency").
            Self::LaunchTemplate(_) | Self::LaunchTemplateVersion(_) => None,
            Self::Fargate(_) => Some(FARGATE),
        }
    }
}

/// A launch template at a version. The number makes every replay the same request: `$Default` may
/// resolve to another version between two tries (docs/aws-facts.md#mismatch-on-a-replay).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// The template, by name or id (`lt-…`).
    pub launch_template: String,
    /// The number of the version.
    pub version: u64,
}

/// The parameters of a Fargate task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FargateTask {
    /// The ECS cluster, by name or ARN.
    pub cluster: String,
    /// The task definition: a family (at its latest active revision), `family:revision`, or an ARN.
    pub task_definition: String,
    /// The subnets that the task may be placed in; never empty.
    pub subnets: Vec<String>,
    /// The security groups of the task; empty for the VPC's default one.
    pub security_groups: Vec<String>,
    /// Whether the task gets a public address. Without one, and without a NAT, it cannot fetch its
    /// image.
    pub public_ip: bool,
    /// The container that gets the worker and the generation in its environment (`REEVE_WORKER`,
    /// `REEVE_GENERATION`); `None` if no container gets them.
    pub container: Option<String>,
}

impl FargateTask {
    /// The family of the task definition: its name without the revision. A full ARN is
    /// `arn:aws:ecs:REGION:ACCOUNT:task-definition/FAMILY:REVISION` (ECS API reference, RunTask).
    pub fn family(&self) -> &str {
        let definition = &self.task_definition;
        let name = definition.rsplit_once('/').map_or(&**definition, |it| it.1);
        name.split_once(':').map_or(name, |it| it.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_the_name_of_the_task_definition_without_revision_and_arn() {
        let arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/agent_v-2";
        for definition in ["agent_v-2", "agent_v-2:7", arn, &format!("{arn}:7")] {
            let task = FargateTask {
                cluster: "agents".to_owned(),
                task_definition: definition.to_owned(),
                subnets: Vec::new(),
                security_groups: Vec::new(),
                public_ip: false,
                container: None,
            };
            assert_eq!(task.family(), "agent_v-2", "{definition}");
        }
    }

    #[test]
    fn a_stop_is_a_termination_where_nothing_can_be_started_again() {
        let fargate = Compute::Fargate {
            cluster: "agents".to_owned(),
        };
        assert_eq!(Compute::Ec2.ending(Ending::Stop), Ending::Stop);
        assert_eq!(Compute::Ec2.ending(Ending::Terminate), Ending::Terminate);
        assert_eq!(fargate.ending(Ending::Stop), Ending::Terminate);
        assert_eq!(fargate.ending(Ending::Terminate), Ending::Terminate);
    }
}
