//! V5: final is final. What a host was shown as gone for good, it hands out no more, whatever an
//! older reading says.

use std::collections::BTreeSet;

use reeve_core::cloud::Reading;
use reeve_core::id::InstanceId;
use reeve_core::instance::Instance;

use super::{Finding, Guarantee};
use crate::engine::Life;

/// What each life of a host was shown as gone.
#[derive(Default)]
pub(super) struct Ended {
    shown: BTreeSet<(Life, InstanceId)>,
}

impl Ended {
    /// A host is shown this.
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

    /// A host publishes the address of this instance.
    pub(super) fn published(&self, by: Life, id: &InstanceId) -> Finding {
        if !self.shown.contains(&(by, id.clone())) {
            return Ok(());
        }
        let text = format!("{id} is handed out after it was shown as gone for good");
        Err((Guarantee::V5, text))
    }
}
