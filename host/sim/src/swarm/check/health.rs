//! A health restart needs `unhealthy_after` failed probes of the instance's current life. A failure
//! counts only after the boot grace period, or after a probe of that life succeeded.

use std::collections::BTreeMap;

use reeve_core::health::{ProbeSpec, Probed, Sign, SignalKind};
use reeve_core::id::InstanceId;
use reeve_core::restart::RestartRequest;
use reeve_core::spec::PoolSpec;
use reeve_core::time::Instant;

use super::{Finding, Guarantee, Written};
use crate::world::World;

/// The probe results of all hosts, by life of an instance.
#[derive(Default)]
pub(super) struct Health {
    lives: BTreeMap<(InstanceId, Instant), Found>,
}

/// The probe results of one life of an instance.
#[derive(Default)]
struct Found {
    was_well: bool,
    failures: u32,
}

impl Health {
    /// Counts a failed probe, after the life's first success or after the boot grace period.
    pub(super) fn probed(
        &mut self,
        at: Instant,
        pool: &PoolSpec,
        id: &InstanceId,
        result: &Probed,
        world: &World,
    ) {
        let (Some(health), Some(instance)) = (&pool.health, world.instance(id)) else {
            return;
        };
        let Some(probe) = &health.probe else { return };
        let life = (id.clone(), instance.launched_at);
        let found = self.lives.entry(life).or_default();
        found.was_well |= is_well(probe, result);
        let proves_something =
            found.was_well || at.since(instance.launched_at) >= health.boot_grace;
        if matches!(result, Probed::NotTried(_)) || !proves_something {
            return;
        }
        found.failures += u32::from(!is_well(probe, result));
    }

    /// Checks that a health restart in a written record had enough failed probes.
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        let before = written.before.record.restart.as_ref();
        let Some(after) = written.write.record.restart.as_ref() else {
            return Ok(());
        };
        let is_old = before.is_some_and(|before| before.started_at == after.started_at);
        let was_put_off = before.is_some_and(|before| before.deferred.is_some());
        let (Some(health), Some(id)) = (&written.pool.health, &after.instance) else {
            return Ok(());
        };
        if is_old || was_put_off || !is_of_a_probe(&after.request) {
            return Ok(());
        }
        let Some(instance) = written.world.instance(id) else {
            return Ok(());
        };
        let life = (id.clone(), instance.launched_at);
        let failures = self.lives.get(&life).map_or(0, |found| found.failures);
        if failures >= health.unhealthy_after {
            return Ok(());
        }
        Err((
            Guarantee::G7,
            format!(
                "probes restart {id}, but only {failures} of {} failed in its current life",
                health.unhealthy_after
            ),
        ))
    }
}

fn is_well(probe: &ProbeSpec, result: &Probed) -> bool {
    probe.kind.observation(result).sign == Sign::Good
}

/// Whether probes asked for the restart. The random world's programs give the same causes, but no
/// text.
fn is_of_a_probe(request: &RestartRequest) -> bool {
    request.text.is_some() && request.cause == SignalKind::Http.cause()
}
