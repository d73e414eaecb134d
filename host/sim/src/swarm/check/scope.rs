//! G9: policies see, and hosts touch, a worker's own instances only. G8: only the adopted instance's box is given a
//! token.

use reeve_core::effect::Question;
use reeve_core::id::InstanceId;
use reeve_core::point::Input;
use reeve_core::spec::WorkerSpec;
use reeve_core::store::Stored;

use super::super::due::Sent;
use super::super::options::TAG_KEY;
use super::{Finding, Guarantee};
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

/// A mutation arrives: whose instance is it about?
pub(super) fn arrives(sent: &Sent, spec: &WorkerSpec, world: &World) -> Finding {
    match sent.mutation.instance() {
        Some(id) if is_foreign(world, spec, id) => broken(format!(
            "a {} of {id}, which is another worker's",
            sent.mutation.kind()
        )),
        _ => Ok(()),
    }
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
