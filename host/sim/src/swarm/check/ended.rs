//! V5: final is final. A host never publishes an instance that a reading showed in a final state,
//! even if a later reading shows an older state.

use std::collections::BTreeSet;

use reeve_core::cloud::Reading;
use reeve_core::id::InstanceId;
use reeve_core::instance::Instance;

use super::{Finding, Guarantee};
use crate::engine::Life;

/// The instances that each life of a host was shown in a final state.
#[derive(Default)]
pub(super) struct Ended {
    shown: BTreeSet<(Life, InstanceId)>,
}

impl Ended {
    /// Notes the final states in a reading that a host got.
    pub(super) fn read(&mut self, by: Life, reading: &Reading) {
        match reading {
            Reading::Instance(instance) => self.note(by, instance),
            Reading::Scan(found) => found.iter().for_each(|instance| self.note(by, instance)),
            _ => {}
        }
    }

    fn note(&mut self, by: Life, instance: &Instance) {
        if instance.state.is_final() {
            self.shown.insert((by, instance.id.clone()));
        }
    }

    /// Checks the instance of a route that a host publishes.
    pub(super) fn published(&self, by: Life, id: &InstanceId) -> Finding {
        if !self.shown.contains(&(by, id.clone())) {
            return Ok(());
        }
        let text = format!("{id} is published after the host was shown its final state");
        Err((Guarantee::V5, text))
    }
}
