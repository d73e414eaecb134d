//! G3: the pointer follows the record, and never names an instance that was just ended. An end
//! clears the pointer in the same action, unless the host has learned that the pointer names the
//! adopted instance, which is another one. The host's own end of an orphan reads the pointer first.

use std::collections::BTreeSet;

use reeve_core::cloud::{Mutation, POINTER_NONE, PointerReading};
use reeve_core::decision::Ruling;
use reeve_core::guard::Permit;
use reeve_core::id::{DecisionId, InstanceId, WorkerId};
use reeve_core::spec::WorkerSpec;
use reeve_core::store::Stored;

use super::{Finding, Guarantee, Written};
use crate::engine::{Life, Sent};
use crate::world::World;

/// What each life of a host has learned of the pointers.
#[derive(Default)]
pub(super) struct Pointers {
    /// The instances that a reading showed in the worker's pointer, or that the host wrote into it.
    named: BTreeSet<(Life, WorkerId, InstanceId)>,
    /// The decisions by which hosts end orphans.
    of_orphans: BTreeSet<(Life, DecisionId)>,
}

impl Pointers {
    /// Notes a reading of a worker's pointer.
    pub(super) fn read(&mut self, by: Life, worker: &WorkerId, reading: &PointerReading) {
        if let Some(id) = &reading.names {
            self.named.insert((by, worker.clone(), id.clone()));
        }
    }

    /// Notes a pointer write that a host sends.
    pub(super) fn sent(&mut self, by: Life, permit: &Permit) {
        if let Mutation::WritePointer { id, .. } = permit.mutation() {
            let named = (by, permit.worker().clone(), id.clone());
            self.named.insert(named);
        }
    }

    /// Notes that a host has decided by its own rule.
    pub(super) fn ruled(&mut self, by: Life, decision: DecisionId, ruling: &Ruling) {
        if ruling.reason.code == "orphan" {
            self.of_orphans.insert((by, decision));
        }
    }

    /// Checks an announced pointer write, or an announced end that leaves the pointer as it is.
    pub(super) fn committed(&self, written: &Written<'_>) -> Finding {
        names_adopted(written)?;
        let Some(permit) = written.permit else {
            return Ok(());
        };
        let (Mutation::Stop {
            id,
            clear_pointer: None,
            ..
        }
        | Mutation::Terminate {
            id,
            clear_pointer: None,
            ..
        }) = permit.mutation()
        else {
            return Ok(());
        };
        let was_named = |adopted: InstanceId| {
            let named = (written.by, written.worker.clone(), adopted);
            self.named.contains(&named)
        };
        let adopted = written.write.record.adopted.as_ref();
        let another = adopted.map(|adopted| adopted.id.clone());
        let names_another = another
            .filter(|adopted| adopted != id)
            .is_some_and(was_named);
        let is_orphan = self.of_orphans.contains(&(written.by, permit.decision()));
        match names_another || is_orphan {
            true => Ok(()),
            false => Err((
                Guarantee::G3,
                format!("the end of {id} leaves the pointer, which may name it"),
            )),
        }
    }
}

/// Checks that an announced pointer write names the instance that the same record adopts.
fn names_adopted(written: &Written<'_>) -> Finding {
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
