//! Where instances live and what they are launched from: EC2 instances, or Fargate tasks of an ECS cluster.
//! Everything else is the same for both, so one policy serves either.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::time::Millis;

/// Where the instances of a pool live.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compute {
    /// They are EC2 instances. One that is stopped keeps its disks and can be started again.
    #[default]
    Ec2,
    /// They are Fargate tasks, and an instance's id is the task's. A task that was stopped has ended: nothing
    /// starts it again.
    Fargate {
        /// The ECS cluster that runs them, by name or ARN.
        cluster: String,
    },
}

impl Compute {
    /// Whether it is EC2. What is stored and journaled of EC2 does not mention it.
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

    /// How an instance is ended when this is wanted: where nothing can be started again, a stop is the end.
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
    /// It can be started again.
    Stop,
    /// It is gone for good.
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

/// What an instance is launched from. A launch is stored and replayed whole, so everything that its request
/// says is in here: the same token with other parameters is refused (G1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchSource {
    /// An EC2 launch template at its default version, by name or id (`lt-…`).
    LaunchTemplate(String),
    /// A task of an ECS task definition.
    Fargate(FargateTask),
}

impl LaunchSource {
    /// How long after its first use a launch's token surely makes a replay the same launch; `None`: for longer
    /// than any launch stays unanswered.
    pub fn token_lasts(&self) -> Option<Millis> {
        /// ECS forgets a token 24 hours after its use, or an hour after its task has ended, whichever comes
        /// first (ECS API reference, "Ensuring idempotency"). A task may end at once, so nothing beyond the
        /// hour is sure; the ten minutes are for hosts' clocks and for a request on its way.
        const FARGATE: Millis = Millis::from_secs(50 * 60);
        match self {
            // At least 24 hours after the *termination* (EC2 API, "Ensuring idempotency").
            Self::LaunchTemplate(_) => None,
            Self::Fargate(_) => Some(FARGATE),
        }
    }
}

/// A Fargate task to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FargateTask {
    /// The ECS cluster, by name or ARN.
    pub cluster: String,
    /// The task definition: a family (at its latest active revision), `family:revision`, or an ARN.
    pub task_definition: String,
    /// The subnets, one of which it is put into; never empty.
    pub subnets: Vec<String>,
    /// Its security groups; none: the VPC's default one.
    pub security_groups: Vec<String>,
    /// Whether it gets a public address. Without one, and without a NAT, it cannot fetch its image.
    pub public_ip: bool,
    /// The container that is told, in its environment, whom it serves (`REEVE_WORKER`, `REEVE_GENERATION`);
    /// `None`: none is.
    pub container: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_the_end_where_nothing_can_be_started_again() {
        let fargate = Compute::Fargate {
            cluster: "agents".to_owned(),
        };
        assert_eq!(Compute::Ec2.ending(Ending::Stop), Ending::Stop);
        assert_eq!(Compute::Ec2.ending(Ending::Terminate), Ending::Terminate);
        assert_eq!(fargate.ending(Ending::Stop), Ending::Terminate);
        assert_eq!(fargate.ending(Ending::Terminate), Ending::Terminate);
    }
}
