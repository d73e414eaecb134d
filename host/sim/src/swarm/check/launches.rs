//! G1: at most one instance ever exists for a worker's generation.

use std::collections::BTreeMap;

use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::instance::{TAG_GENERATION, TAG_WORKER};

use crate::world::{Happening, What, World};

/// Every instance that reeve launched, ever.
#[derive(Default)]
pub(super) struct Launches {
    of: BTreeMap<(String, String), InstanceId>,
}

impl Launches {
    pub(super) fn happened(
        &mut self,
        happening: &Happening,
        world: &World,
    ) -> Result<(), (WorkerId, String)> {
        if happening.what != What::Launched {
            return Ok(());
        }
        let Some(instance) = world.instance(&happening.id) else {
            return Ok(());
        };
        let tag = |key: &str| instance.tags.get(key).cloned();
        let (Some(worker), Some(generation)) = (tag(TAG_WORKER), tag(TAG_GENERATION)) else {
            return Ok(());
        };
        let key = (worker.clone(), generation.clone());
        match self.of.insert(key, happening.id.clone()) {
            None => Ok(()),
            Some(first) => Err((
                WorkerId::new(worker),
                format!(
                    "{} and {first} are both of generation {generation}",
                    happening.id
                ),
            )),
        }
    }
}
