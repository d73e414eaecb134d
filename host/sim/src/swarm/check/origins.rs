//! G9: no host touches an instance of another fleet. An instance that no fleet launched may be
//! adopted. It is ended before that only if the pool's `orphans` says so, and terminated only if
//! `terminate_adopted` does.

use reeve_core::cloud::Mutation;
use reeve_core::id::InstanceId;
use reeve_core::response::Route;
use reeve_core::spec::{OrphanRule, PoolSpec};
use reeve_core::store::Stored;

use super::{Finding, Guarantee, Written, is_foreign, is_ours};
use crate::engine::Sent;
use crate::world::{SimInstance, World};

/// Checks the instance that a record adopts, and the end that it announces.
pub(super) fn committed(written: &Written<'_>) -> Finding {
    let foreign = |id: &InstanceId| written.world.instance(id).filter(|it| is_foreign(it));
    if let Some(adopted) = &written.write.record.adopted
        && foreign(&adopted.id).is_some()
    {
        return broken(format!("{} is adopted, and another fleet's", adopted.id));
    }
    let Some(Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }) =
        written.permit.map(|permit| permit.mutation())
    else {
        return Ok(());
    };
    let Some(instance) = written.world.instance(id) else {
        return Ok(());
    };
    let is_adopted = is_adopted(written.before, id);
    match is_adopted || may_be_ended(written.pool.orphans, instance) {
        true => Ok(()),
        false => broken(format!(
            "an end of {id} is announced, which is not adopted and not for the pool to end ({})",
            written.pool.orphans.as_str()
        )),
    }
}

/// Checks a mutation that reaches the cloud.
pub(super) fn arrives(sent: &Sent, pool: &PoolSpec, truth: &Stored, world: &World) -> Finding {
    let id = sent.mutation.instance();
    let Some(instance) = id.and_then(|id| world.instance(id)) else {
        return Ok(());
    };
    if is_foreign(instance) {
        return broken(format!(
            "a {} of {}, which is another fleet's",
            sent.mutation.kind(),
            instance.id
        ));
    }
    let Mutation::Terminate { compute, id, .. } = &sent.mutation else {
        return Ok(());
    };
    let may = is_ours(instance) || (is_adopted(truth, id) && pool.terminate_adopted);
    match may || !compute.is_ec2() {
        true => Ok(()),
        false => broken(format!(
            "{id} is terminated, and another system launched it"
        )),
    }
}

/// Checks a route that a host publishes.
pub(super) fn published(route: &Route, world: &World) -> Finding {
    let instance = world.instance(&route.instance);
    match instance.is_some_and(is_foreign) {
        false => Ok(()),
        true => broken(format!(
            "a route to {} is published, which is another fleet's",
            route.instance
        )),
    }
}

/// Whether the rule covers an instance that is not adopted.
pub(super) fn may_be_ended(rule: OrphanRule, instance: &SimInstance) -> bool {
    match rule {
        OrphanRule::EndOurs => is_ours(instance),
        OrphanRule::EndUnclaimed => !is_foreign(instance),
        OrphanRule::Leave => false,
    }
}

fn is_adopted(stored: &Stored, id: &InstanceId) -> bool {
    let adopted = stored.record.adopted.as_ref();
    adopted.is_some_and(|adopted| &adopted.id == id)
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G9, text))
}
