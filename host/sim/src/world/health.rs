//! How instances answer when they are probed, and what EC2's status checks say of them. An ailment
//! belongs to one life: a restart cures it, as it does most of the time.

use std::collections::BTreeMap;

use reeve_core::health::{Ask, Check, Probed, StatusChecks, Target};
use reeve_core::id::InstanceId;
use reeve_core::instance::InstanceState;
use reeve_core::time::{Instant, Millis};

use super::{SimInstance, World};

/// What is wrong with the software on an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// Nothing listens.
    Refuses,
    /// Connections are accepted, and every request is answered with this status.
    Answers(u16),
    /// Connections are accepted, and nothing is said.
    Silent,
    /// Not even connections are accepted.
    Hangs,
}

/// The ailments there are, and the checks that say something else than the usual.
#[derive(Clone, Debug, Default)]
pub(super) struct Ailments {
    software: BTreeMap<(InstanceId, Instant), Ailment>,
    checks: BTreeMap<(InstanceId, Instant), StatusChecks>,
    /// Nothing can be probed from this host, for this reason.
    untried: Option<String>,
}

impl World {
    /// Lets the software of an instance ail until its life ends; `None`: it is cured.
    pub fn ail(&mut self, id: &InstanceId, ailment: Option<Ailment>) {
        let Some(life) = self.life(id) else {
            return;
        };
        match ailment {
            Some(ailment) => self.ailments.software.insert(life, ailment),
            None => self.ailments.software.remove(&life),
        };
    }

    /// Lets the status checks of an instance say this until its life ends; `None`: the usual.
    pub fn check(&mut self, id: &InstanceId, checks: Option<StatusChecks>) {
        let Some(life) = self.life(id) else {
            return;
        };
        match checks {
            Some(checks) => self.ailments.checks.insert(life, checks),
            None => self.ailments.checks.remove(&life),
        };
    }

    /// Lets no probe leave the host, for this reason; `None`: they do again.
    pub fn keep_probes_back(&mut self, why: Option<&str>) {
        self.ailments.untried = why.map(str::to_owned);
    }

    /// What comes of a probe that arrives now, and whether it takes all of its time.
    pub fn probe(&self, target: &Target) -> (Probed, bool) {
        if let Some(why) = &self.ailments.untried {
            return (Probed::NotTried(why.clone()), false);
        }
        let is_there = |instance: &&SimInstance| {
            instance.state == InstanceState::Running
                && instance.private_ip() == Some(target.address.ip())
        };
        let silence = (
            Probed::Failed(format!("no answer within {}", target.timeout)),
            true,
        );
        let Some(instance) = self.instances.values().find(is_there) else {
            return silence;
        };
        let life = (instance.id.clone(), instance.launched_at);
        match (self.ailments.software.get(&life), &target.ask) {
            (None | Some(Ailment::Answers(_) | Ailment::Silent), Ask::Tcp) => {
                (Probed::Connected, false)
            }
            (None, Ask::Http(_)) => (Probed::Answered(200), false),
            (Some(Ailment::Answers(status)), Ask::Http(_)) => (Probed::Answered(*status), false),
            (Some(Ailment::Refuses), _) => (
                Probed::Failed("the connection was refused".to_owned()),
                false,
            ),
            (Some(Ailment::Hangs), _) | (Some(Ailment::Silent), Ask::Http(_)) => silence,
        }
    }

    /// The status checks of one instance; `None`: EC2 shows those of running instances only.
    pub(super) fn status_checks(&self, id: &InstanceId) -> Option<StatusChecks> {
        /// EC2 makes the first checks within minutes of the start.
        const FIRST_CHECKS: Millis = Millis::from_secs(120);
        let instance = self.instances.get(id)?;
        if instance.state != InstanceState::Running {
            return None;
        }
        let life = (id.clone(), instance.launched_at);
        let usual = match self.now.since(instance.launched_at) < FIRST_CHECKS {
            true => Check::Initializing,
            false => Check::Ok,
        };
        let found = self.ailments.checks.get(&life).copied();
        Some(found.unwrap_or(StatusChecks {
            instance: usual,
            system: usual,
        }))
    }

    fn life(&self, id: &InstanceId) -> Option<(InstanceId, Instant)> {
        let instance = self.instances.get(id)?;
        Some((id.clone(), instance.launched_at))
    }
}
