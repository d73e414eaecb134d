//! V5: final is final. A host never publishes an instance for a worker if a reading for that worker
//! or for its pool showed it in a final state, even if a later reading shows an older state.
//!
//! A reading for another worker does not count: a box that registers under a wrong name makes the
//! host read an instance for a worker that it is not of, and facts are one worker's.

use std::collections::BTreeSet;

use reeve_core::cloud::Reading;
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::instance::Instance;
use reeve_core::response::Route;

use super::{Finding, Guarantee};
use crate::engine::Life;

/// The instances that each life of a host was shown in a final state, and for which worker; `None`:
/// for a pool.
#[derive(Default)]
pub(super) struct Ended {
    shown: BTreeSet<(Life, Option<WorkerId>, InstanceId)>,
}

impl Ended {
    /// Notes the final states in a reading that a host got.
    pub(super) fn read(&mut self, by: Life, worker: Option<&WorkerId>, reading: &Reading) {
        let instances: &[Instance] = match reading {
            Reading::Instance(instance) => std::slice::from_ref(instance),
            Reading::Scan(found) => found,
            _ => &[],
        };
        for instance in instances.iter().filter(|one| one.state.is_final()) {
            let shown = (by, worker.cloned(), instance.id.clone());
            self.shown.insert(shown);
        }
    }

    /// Checks the instance of a route that a host publishes.
    pub(super) fn published(&self, by: Life, route: &Route) -> Finding {
        let id = &route.instance;
        let was_shown = |worker| self.shown.contains(&(by, worker, id.clone()));
        if !was_shown(None) && !was_shown(Some(route.worker.clone())) {
            return Ok(());
        }
        let text = format!("{id} is published after the host was shown its final state");
        Err((Guarantee::V5, text))
    }
}
