//! The results of probes, and EC2's status checks. A fault of the software lasts from a launch,
//! start or reboot of the instance to the next one at most, so a restart removes the fault.

use std::collections::BTreeMap;

use reeve_core::health::{Ask, Check, Probed, StatusChecks, Target};
use reeve_core::id::InstanceId;
use reeve_core::instance::InstanceState;
use reeve_core::time::{Instant, Millis};

use super::{SimInstance, World};

/// A fault of the software on an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftwareFault {
    /// No process listens, so connections are refused.
    Refuses,
    /// Connections are accepted, and every request is answered with this status.
    Answers(u16),
    /// Connections are accepted, but requests get no response.
    Silent,
    /// Connections are neither accepted nor refused.
    Hangs,
}

/// The faults of the software, and the status checks that differ from the usual ones. Each key has
/// the time of the launch, start or reboot, so a restart ends both.
#[derive(Clone, Debug, Default)]
pub(super) struct HealthFaults {
    software: BTreeMap<(InstanceId, Instant), SoftwareFault>,
    checks: BTreeMap<(InstanceId, Instant), StatusChecks>,
    /// The reason for which the host can send no probe; `None`: it can.
    untried: Option<String>,
}

impl World {
    /// Sets the fault of the software on an instance. The fault lasts until the instance ends or
    /// `None` removes it.
    pub fn set_software_fault(&mut self, id: &InstanceId, fault: Option<SoftwareFault>) {
        let Some(life) = self.life(id) else {
            return;
        };
        match fault {
            Some(fault) => self.health_faults.software.insert(life, fault),
            None => self.health_faults.software.remove(&life),
        };
    }

    /// Sets the status checks of an instance until it ends; `None`: the usual ones.
    pub fn set_status_checks(&mut self, id: &InstanceId, checks: Option<StatusChecks>) {
        let Some(life) = self.life(id) else {
            return;
        };
        match checks {
            Some(checks) => self.health_faults.checks.insert(life, checks),
            None => self.health_faults.checks.remove(&life),
        };
    }

    /// Makes every probe fail on the host, for this reason; `None`: probes are sent again.
    pub fn block_probes(&mut self, why: Option<&str>) {
        self.health_faults.untried = why.map(str::to_owned);
    }

    /// The result of a probe that arrives now, and whether the probe takes its whole timeout.
    pub fn probe(&self, target: &Target) -> (Probed, bool) {
        if let Some(why) = &self.health_faults.untried {
            return (Probed::NotTried(why.clone()), false);
        }
        let is_there = |instance: &&SimInstance| {
            instance.state == InstanceState::Running
                && !instance.reboots
                && [instance.private_ip(), instance.public_ip()]
                    .contains(&Some(target.address.ip()))
        };
        let silence = (
            Probed::Failed(format!("no answer within {}", target.timeout)),
            true,
        );
        let Some(instance) = self.instances.values().find(is_there) else {
            return silence;
        };
        let life = (instance.id.clone(), instance.booted_at());
        match (self.health_faults.software.get(&life), &target.ask) {
            (None | Some(SoftwareFault::Answers(_) | SoftwareFault::Silent), Ask::Tcp) => {
                (Probed::Connected, false)
            }
            (None, Ask::Http(_)) => (Probed::Answered(200), false),
            (Some(SoftwareFault::Answers(status)), Ask::Http(_)) => {
                (Probed::Answered(*status), false)
            }
            (Some(SoftwareFault::Refuses), _) => (
                Probed::Failed("the connection was refused".to_owned()),
                false,
            ),
            (Some(SoftwareFault::Hangs), _) | (Some(SoftwareFault::Silent), Ask::Http(_)) => {
                silence
            }
        }
    }

    /// The status checks of one instance; `None`: it is not running. EC2 shows status checks of
    /// running instances only.
    pub(super) fn status_checks(&self, id: &InstanceId) -> Option<StatusChecks> {
        /// EC2 makes the first checks within minutes of the start.
        const FIRST_CHECKS: Millis = Millis::from_secs(120);
        let instance = self.instances.get(id)?;
        if instance.state != InstanceState::Running {
            return None;
        }
        let life = (id.clone(), instance.booted_at());
        let usual = match self.now.since(instance.launched_at) < FIRST_CHECKS {
            true => Check::Initializing,
            false => Check::Ok,
        };
        let found = self.health_faults.checks.get(&life).cloned();
        Some(found.unwrap_or(StatusChecks {
            instance: usual,
            system: usual,
            scheduled: Vec::new(),
        }))
    }

    fn life(&self, id: &InstanceId) -> Option<(InstanceId, Instant)> {
        let instance = self.instances.get(id)?;
        Some((id.clone(), instance.booted_at()))
    }
}
