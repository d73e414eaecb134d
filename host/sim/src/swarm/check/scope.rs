//! G9: policies see, and hosts touch, a worker's own instances only. G8: only the adopted
//! instance's box is given a token.

use reeve_core::cloud::Mutation;
use reeve_core::effect::Question;
use reeve_core::id::InstanceId;
use reeve_core::instance::TAG_FLEET;
use reeve_core::point::Input;
use reeve_core::spec::WorkerSpec;
use reeve_core::store::Stored;

use super::super::options::TAG_KEY;
use super::{Finding, Guarantee};
use crate::engine::Sent;
use crate::world::World;

/// A policy is asked: whose instances is it shown?
pub(super) fn asked(question: &Question, spec: &WorkerSpec, world: &World) -> Finding {
    let shown: Vec<&InstanceId> = match &question.input {
        Input::Resolve(input) => input.instances.iter().map(|facts| &facts.id).collect(),
        Input::Adopt(input) => input.candidates.iter().map(|it| &it.facts.id).collect(),
        Input::Reap(input) => vec![&input.instance.id],
        Input::RetryIp(_) | Input::Debounce(_) => Vec::new(),
    };
    match shown.into_iter().find(|id| is_foreign(world, spec, id)) {
        None => Ok(()),
        Some(id) => {
            let point = question.input.point();
            broken(format!(
                "`{point}` is shown {id}, which is another worker's"
            ))
        }
    }
}

/// A mutation arrives: whose instance is it about, and who launched it?
pub(super) fn arrives(
    sent: &Sent,
    spec: &WorkerSpec,
    fleet: &str,
    truth: &Stored,
    world: &World,
) -> Finding {
    match sent.mutation.instance() {
        Some(id) if is_foreign(world, spec, id) => broken(format!(
            "a {} of {id}, which is another worker's",
            sent.mutation.kind()
        )),
        Some(id) if is_lost_for_good(sent, fleet, truth, world) => broken(format!(
            "{id} is terminated, and another system launched it"
        )),
        _ => Ok(()),
    }
}

/// Whether an EC2 instance that another system launched is terminated. A restart that replaces it
/// may do so.
fn is_lost_for_good(sent: &Sent, fleet: &str, truth: &Stored, world: &World) -> bool {
    let Mutation::Terminate { compute, id, .. } = &sent.mutation else {
        return false;
    };
    let restart = truth.record.restart.as_ref();
    let is_replaced = restart.is_some_and(|restart| restart.instance.as_ref() == Some(id));
    let launched_here = world
        .instance(id)
        .is_some_and(|instance| instance.tags.get(TAG_FLEET).is_some_and(|it| it == fleet));
    compute.is_ec2() && !is_replaced && !launched_here
}

/// A caller is sent to an instance.
pub(super) fn served(id: &InstanceId, spec: &WorkerSpec, world: &World) -> Finding {
    match is_foreign(world, spec, id) {
        true => broken(format!(
            "a caller is sent to {id}, which is another worker's"
        )),
        false => Ok(()),
    }
}

/// A box is given a token: it must be the worker's instance's.
pub(super) fn registered(
    id: &InstanceId,
    spec: &WorkerSpec,
    truth: &Stored,
    world: &World,
) -> Finding {
    if is_foreign(world, spec, id) {
        let text = format!("{id} is given a token, and is another worker's");
        return Err((Guarantee::G8, text));
    }
    let adopted = truth.record.adopted.as_ref();
    if adopted.is_some_and(|adopted| &adopted.id == id) {
        return Ok(());
    }
    let text = format!(
        "{id} is given a token, while {} embodies the worker",
        adopted.map_or("none", |adopted| adopted.id.as_str())
    );
    Err((Guarantee::G8, text))
}

/// Whether it carries another worker's tag.
fn is_foreign(world: &World, spec: &WorkerSpec, id: &InstanceId) -> bool {
    let value = world
        .instance(id)
        .and_then(|instance| instance.tags.get(TAG_KEY));
    value.is_some_and(|value| value != &spec.tag_value)
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G9, text))
}
