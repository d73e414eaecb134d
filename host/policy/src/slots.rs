//! Which policy answers which question of which pool, swapped as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use reeve_core::id::PoolName;
use reeve_core::point::{Input, Point, Verdict};

use crate::component::{Decided, LoadedPolicy};
use crate::error::{DecideError, Failure, PolicyRef};

/// A policy and the settings of one pool for it. They change together.
#[derive(Clone)]
pub struct Slot {
    /// The policy.
    pub policy: Arc<LoadedPolicy>,
    /// A JSON object.
    pub settings: Arc<str>,
}

/// What is bound, at one moment.
#[derive(Clone, Default)]
pub struct SlotMap {
    pools: BTreeMap<PoolName, BTreeMap<Point, Slot>>,
}

impl SlotMap {
    /// Binds a point of a pool, in place of what was bound there before.
    pub fn bind(&mut self, pool: PoolName, point: Point, slot: Slot) {
        self.pools.entry(pool).or_default().insert(point, slot);
    }

    /// What is bound to a point of a pool.
    pub fn get(&self, pool: &PoolName, point: Point) -> Option<&Slot> {
        self.pools.get(pool)?.get(&point)
    }
}

/// What is bound now. Reading takes no lock; a reload exchanges everything in one step.
#[derive(Default)]
pub struct Slots {
    now: ArcSwap<SlotMap>,
}

/// A decision or its failure, with everything the journal needs to repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which code was asked; `None` when nothing is bound.
    pub policy: Option<PolicyRef>,
    /// What it was told, settings included.
    pub input: Input,
    /// What it answered.
    pub verdict: Result<Verdict, DecideError>,
    /// What it cost.
    pub fuel_used: u64,
}

impl Slots {
    /// Puts another map in force. Decisions under way end with what they began with.
    pub fn replace(&self, slots: SlotMap) {
        self.now.store(Arc::new(slots));
    }

    /// What is bound to a point of a pool now.
    pub fn get(&self, pool: &PoolName, point: Point) -> Option<Slot> {
        self.now.load().get(pool, point).cloned()
    }

    /// Asks what is bound to the input's point, with the pool's settings filled in. The slot is looked
    /// up once, so component and settings belong together whatever is reloaded meanwhile.
    pub fn decide(&self, pool: &PoolName, mut input: Input) -> Decision {
        let Some(slot) = self.get(pool, input.point()) else {
            let error = DecideError {
                policy: None,
                point: input.point(),
                failure: Failure::NotBound,
                fuel_used: 0,
            };
            return Decision {
                policy: None,
                input,
                verdict: Err(error),
                fuel_used: 0,
            };
        };
        input.set_settings(&slot.settings);
        let (verdict, fuel_used) = match slot.policy.decide(&input) {
            Ok(Decided { verdict, fuel_used }) => (Ok(verdict), fuel_used),
            Err(error) => {
                let fuel_used = error.fuel_used;
                (Err(error), fuel_used)
            }
        };
        Decision {
            policy: Some(slot.policy.policy().clone()),
            input,
            verdict,
            fuel_used,
        }
    }
}
