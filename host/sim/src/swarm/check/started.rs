//! G4: an instance that a host has just started is not passed over. A reading that still shows it
//! down, or does not find it, says nothing about the new life, and a search for another instance
//! could end in a second one.

use std::collections::BTreeMap;

use reeve_core::cloud::{Mutation, Reading};
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::instance::Instance;
use reeve_core::notice::{Notice, Step};
use reeve_core::store::{Committed, StoreError};
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee, Heard, Written};
use crate::engine::Life;

/// For how long after a start readings may show the state before it. The core waits for 30 s by a
/// clock that may be too fast.
const SETTLING: Millis = Millis::from_secs(29);

/// The last start of each worker that each life of a host heard to be accepted, and when.
#[derive(Default)]
pub(super) struct Started {
    of: BTreeMap<(Life, WorkerId), (InstanceId, Instant)>,
}

impl Started {
    /// Notes that a life of a host learns the outcome of a mutation. Another mutation than that of
    /// the pointer may change which instance is the worker's.
    pub(super) fn heard(&mut self, at: Instant, heard: &Heard<'_>) {
        let key = (heard.by, heard.worker.clone());
        match heard.mutation {
            Mutation::WritePointer { .. } => {}
            Mutation::Start { id, .. } if heard.result.is_ok() => {
                self.of.insert(key, (id.clone(), at));
            }
            _ => drop(self.of.remove(&key)),
        }
    }

    /// Notes the final states in a reading that a life of a host got.
    pub(super) fn read(&mut self, by: Life, reading: &Reading) {
        let instances: &[Instance] = match reading {
            Reading::Instance(instance) => std::slice::from_ref(instance),
            Reading::Scan(found) => found,
            _ => &[],
        };
        for ended in instances.iter().filter(|one| one.state.is_final()) {
            self.of
                .retain(|(life, _), (id, _)| *life != by || *id != ended.id);
        }
    }

    /// Notes a written record, in which another host may have changed the worker's instance.
    pub(super) fn committed(&mut self, written: &Written<'_>) {
        self.of
            .retain(|(life, of), _| *life == written.by || of != written.worker);
    }

    /// Notes the end of a write. A host whose write fails goes back to the record before the start.
    pub(super) fn written(
        &mut self,
        by: Life,
        worker: &WorkerId,
        result: &Result<Committed, StoreError>,
    ) {
        if !matches!(result, Ok(Committed::Written(_))) {
            self.of.remove(&(by, worker.clone()));
        }
    }

    /// Notes that a command may have changed the worker's instance.
    pub(super) fn commanded(&mut self, worker: &WorkerId) {
        self.of.retain(|(_, of), _| of != worker);
    }

    /// Checks a notice that a host looks for another instance than the worker's. A host that has
    /// cleared the worker's state knows of no start.
    pub(super) fn announced(&mut self, at: Instant, by: Life, notice: &Notice) -> Finding {
        let key = (by, notice.worker.clone());
        if notice.step == Step::WorkerForgotten {
            self.of.remove(&key);
        }
        let started = self.of.get(&key);
        let Some((id, since)) = started.filter(|_| notice.step == Step::InstanceUnusable) else {
            return Ok(());
        };
        let age = at.since(*since);
        let mut fields = notice.fields.iter();
        if age >= SETTLING || !fields.any(|(_, value)| value == id.as_str()) {
            return Ok(());
        }
        let text = format!("{id} is passed over {age} after its start was accepted");
        Err((Guarantee::G4, text))
    }
}
