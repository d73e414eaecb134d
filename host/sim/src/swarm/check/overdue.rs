//! V1: no adopted instance stays `pending`, without an address, or `stopping` for longer than its
//! pool allows, and none is ended for that too early. No restart waits for a reboot without end.

use reeve_core::cloud::Mutation;
use reeve_core::id::WorkerId;
use reeve_core::instance::InstanceState;
use reeve_core::spec::{FleetSpec, PoolSpec};
use reeve_core::time::{Instant, Millis};

use super::super::shelf::Shelf;
use super::{CLOCKS_APART, Finding, Guarantee, Written, placed};
use crate::world::{SimInstance, World};

/// How much later than its bound an instance is ended at the most: 20 minutes for the longest
/// budget window, 10 for the pause after an end that was refused while the trouble lasted, and 10
/// for the readings.
const SLACK: Millis = Millis::from_secs(40 * 60);

/// How long a restart waits for a reboot at the most: 10 minutes, and 5 for a lease that another
/// host holds and for the write.
const REBOOT_MAX: Millis = Millis::from_secs(15 * 60);

/// Finds the restarts that wait for a reboot for too long, once the trouble is over.
pub(super) fn reboots(
    now: Instant,
    calm_since: Instant,
    shelf: &Shelf,
    spec: &FleetSpec,
) -> Vec<(WorkerId, Finding)> {
    let late = spec.workers.keys().filter_map(|worker| {
        let restart = shelf.truth(worker).record.restart?;
        let age = now.since(restart.reboots()?.at.max(calm_since));
        let text = format!("a restart has waited for its reboot for {age}");
        (age > REBOOT_MAX).then(|| (worker.clone(), Err((Guarantee::V1, text))))
    });
    late.collect()
}

/// Finds the adopted instances that are overdue for too long. The trouble ended at `calm_since`,
/// from when on every host is up and the cloud carries out what it accepts.
pub(super) fn look(
    now: Instant,
    calm_since: Instant,
    world: &World,
    shelf: &Shelf,
    spec: &FleetSpec,
) -> Vec<(WorkerId, Finding)> {
    let late = spec.workers.keys().filter_map(|worker| {
        let (_, pool) = placed(spec, worker)?;
        let truth = shelf.truth(worker);
        let adopted = truth.record.adopted?;
        let instance = world.instance(&adopted.id)?;
        let bound = bound(instance, pool)?;
        let activity = &truth.activity;
        let heartbeat_at = activity.heartbeat_at.filter(|_| pool.heartbeats_are_use);
        let worked_at = heartbeat_at
            .max(activity.delivered_at)
            .max(activity.processed_at)
            .max(activity.busy_until);
        let since = instance.state_since.max(calm_since).max(adopted.since);
        let since = worked_at.map_or(since, |at| since.max(at));
        let age = now.since(since);
        let text = format!(
            "{} is {} for {age}; the pool allows {bound}",
            adopted.id,
            instance.state.as_str()
        );
        let is_late = age > bound + SLACK;
        is_late.then(|| (worker.clone(), Err((Guarantee::V1, text))))
    });
    late.collect()
}

/// The least wait for an address that `retry-ip` abandoned.
const ABANDON_MIN: Millis = Millis::from_secs(60);

/// Checks that an adopted instance that is ended without a drain and without a restart has had the
/// time that its pool allows.
pub(super) fn committed(written: &Written<'_>, is_abandoned: bool) -> Finding {
    let id = match written.permit.map(|permit| permit.mutation()) {
        Some(Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }) => id,
        _ => return Ok(()),
    };
    let before = &written.before.record;
    let is_adopted = before.adopted.as_ref().is_some_and(|it| &it.id == id);
    let is_drained = before
        .draining
        .as_ref()
        .is_some_and(|it| &it.instance == id);
    let restarts = before.restart.iter().chain(&written.write.record.restart);
    let mut restarted = restarts.filter_map(|restart| restart.instance.as_ref());
    if !is_adopted || is_drained || restarted.any(|it| it == id) {
        return Ok(());
    }
    // Once it goes down, the world does not say any more how long it was in the state before.
    let instance = written.world.instance(id);
    let Some(instance) = instance.filter(|instance| instance.state.is_live()) else {
        return Ok(());
    };
    let limits = &written.pool.limits;
    let address_timeout = match is_abandoned {
        true => limits.address_timeout.min(ABANDON_MIN),
        false => limits.address_timeout,
    };
    let boots_for = written.at.since(instance.launched_at);
    let runs_for = match instance.state {
        InstanceState::Running => written.at.since(instance.state_since),
        _ => Millis::ZERO,
    };
    // A reading may show the state of a moment ago, so either bound will do.
    let is_early = |age: Millis, bound: Millis| age + CLOCKS_APART < bound;
    if is_early(boots_for, limits.launch_timeout) && is_early(runs_for, address_timeout) {
        let text = format!(
            "{id} is ended {boots_for} after its boot began, and {runs_for} after it ran; the pool allows {} and {}",
            limits.launch_timeout, address_timeout
        );
        return Err((Guarantee::V1, text));
    }
    Ok(())
}

/// How long the present state of the instance may last; `None` if the state is none to leave.
fn bound(instance: &SimInstance, pool: &PoolSpec) -> Option<Millis> {
    let limits = &pool.limits;
    match instance.state {
        InstanceState::Pending => Some(limits.launch_timeout),
        InstanceState::Running if instance.private_ip().is_none() => Some(limits.address_timeout),
        InstanceState::Stopping => Some(limits.stopping_timeout),
        _ => None,
    }
}
