//! G9: policies see, and hosts change, a worker's own instances only. G8: only the adopted
//! instance's box gets a token.

use reeve_core::effect::Question;
use reeve_core::id::InstanceId;
use reeve_core::point::Input;
use reeve_core::spec::WorkerSpec;
use reeve_core::store::Stored;

use super::super::options::TAG_KEY;
use super::{Finding, Guarantee, is_foreign};
use crate::engine::Sent;
use crate::world::World;

/// Checks that a question shows a policy the worker's own instances only.
pub(super) fn asked(question: &Question, spec: &WorkerSpec, world: &World) -> Finding {
    let shown: Vec<&InstanceId> = match &question.input {
        Input::Resolve(input) => input.instances.iter().map(|facts| &facts.id).collect(),
        Input::Adopt(input) => input.candidates.iter().map(|it| &it.facts.id).collect(),
        Input::Reap(input) => vec![&input.instance.id],
        Input::RetryIp(_) | Input::Debounce(_) => Vec::new(),
    };
    match shown.into_iter().find(|id| is_anothers(world, spec, id)) {
        None => Ok(()),
        Some(id) => {
            let point = question.input.point();
            broken(format!(
                "`{point}` is shown {id}, which is another worker's or fleet's"
            ))
        }
    }
}

/// Checks which worker a mutation's instance belongs to.
pub(super) fn arrives(sent: &Sent, spec: &WorkerSpec, world: &World) -> Finding {
    match sent.mutation.instance() {
        Some(id) if is_anothers(world, spec, id) => broken(format!(
            "a {} of {id}, which is another worker's or fleet's",
            sent.mutation.kind()
        )),
        _ => Ok(()),
    }
}

/// Checks the instance that a caller gets.
pub(super) fn served(id: &InstanceId, spec: &WorkerSpec, world: &World) -> Finding {
    match is_anothers(world, spec, id) {
        true => broken(format!(
            "a caller is sent to {id}, which is another worker's or fleet's"
        )),
        false => Ok(()),
    }
}

/// Checks that a token goes to the box of the adopted instance.
pub(super) fn registered(
    id: &InstanceId,
    spec: &WorkerSpec,
    truth: &Stored,
    world: &World,
) -> Finding {
    if is_anothers(world, spec, id) {
        let text = format!("{id} gets a token, and is another worker's or fleet's");
        return Err((Guarantee::G8, text));
    }
    let adopted = truth.record.adopted.as_ref();
    if adopted.is_some_and(|adopted| &adopted.id == id) {
        return Ok(());
    }
    let text = format!(
        "{id} gets a token, while the record adopts {}",
        adopted.map_or("none", |adopted| adopted.id.as_str())
    );
    Err((Guarantee::G8, text))
}

/// Whether the instance carries another worker's tag, or is another fleet's.
fn is_anothers(world: &World, spec: &WorkerSpec, id: &InstanceId) -> bool {
    world.instance(id).is_some_and(|instance| {
        let value = instance.tags.get(TAG_KEY);
        is_foreign(instance) || value.is_some_and(|value| value != &spec.tag_value)
    })
}

fn broken(text: String) -> Finding {
    Err((Guarantee::G9, text))
}
