//! A restart that probes have asked for is about the life that they have asked: it begins only
//! after as many of them have failed in this life as the pool wants, and those do not count that
//! nothing could be concluded from while it booted.

use std::collections::BTreeMap;

use reeve_core::health::{ProbeSpec, Probed, Sign, SignalKind};
use reeve_core::id::InstanceId;
use reeve_core::restart::RestartRequest;
use reeve_core::spec::PoolSpec;
use reeve_core::time::Instant;

use super::{Finding, Guarantee, Written};
use crate::world::World;

/// What probes have found, all hosts together.
#[derive(Default)]
pub(super) struct Health {
    lives: BTreeMap<(InstanceId, Instant), Found>,
}

/// What they have found of one life of an instance.
#[derive(Default)]
struct Found {
    was_well: bool,
    failures: u32,
}

impl Health {
    /// An instance was probed: a failure counts from its first success on, or after the grace that
    /// the pool gives a boot.
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

    /// A record was written: does a restart begin that no probe can have asked for?
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
                "probes have {id} restarted, and {failures} of {} have failed in its present life",
                health.unhealthy_after
            ),
        ))
    }
}

fn is_well(probe: &ProbeSpec, result: &Probed) -> bool {
    probe.kind.observation(result).sign == Sign::Good
}

/// Programs of the random world give the same causes, and no text.
fn is_of_a_probe(request: &RestartRequest) -> bool {
    request.text.is_some() && request.cause == SignalKind::Http.cause()
}
