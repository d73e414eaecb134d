//! G3: the pointer follows the record, and never names an instance that was just ended.

use reeve_core::cloud::{Mutation, POINTER_NONE};
use reeve_core::spec::WorkerSpec;
use reeve_core::store::Stored;

use super::{Finding, Guarantee, Written};
use crate::engine::Sent;
use crate::world::World;

/// Checks that an announced pointer write names the instance that the same record adopts.
pub(super) fn committed(written: &Written<'_>) -> Finding {
    let Some(Mutation::WritePointer { id, .. }) = written.permit.map(|permit| permit.mutation())
    else {
        return Ok(());
    };
    let adopted = written.write.record.adopted.as_ref();
    if adopted.is_some_and(|adopted| &adopted.id == id) {
        return Ok(());
    }
    let text = format!(
        "the pointer is to name {id}, and the record names {}",
        adopted.map_or("none", |adopted| adopted.id.as_str())
    );
    Err((Guarantee::G3, text))
}

/// Checks that a late pointer write names the instance that is adopted when it arrives.
pub(super) fn arrives(sent: &Sent, truth: &Stored) -> Finding {
    let Mutation::WritePointer { id, .. } = &sent.mutation else {
        return Ok(());
    };
    let adopted = truth.record.adopted.as_ref();
    if adopted.is_some_and(|adopted| &adopted.id == id) {
        return Ok(());
    }
    let text = format!(
        "the pointer is made to name {id}, while the record names {}",
        adopted.map_or("none", |adopted| adopted.id.as_str())
    );
    Err((Guarantee::G3, text))
}

/// Checks that the end of the pointer's instance cleared the pointer in the same action.
pub(super) fn arrived(sent: &Sent, spec: &WorkerSpec, world: &World) -> Finding {
    let (Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }) = &sent.mutation else {
        return Ok(());
    };
    let named = world.pointer(&spec.pointer).unwrap_or(POINTER_NONE);
    if named != id.as_str() {
        return Ok(());
    }
    let text = format!("{id} was ended, and the pointer still names it");
    Err((Guarantee::G3, text))
}
