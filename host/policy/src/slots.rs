//! The active policy of each pool and point, exchanged as a whole.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use reeve_core::id::{Digest, PoolName};
use reeve_core::point::{Input, Point, Verdict};

use crate::component::{Decided, LoadedPolicy};
use crate::error::{DecideError, Failure, PolicyRef};
use crate::record::Record;

/// A policy and one pool's settings for it. They change together.
#[derive(Clone)]
pub struct Slot {
    policy: Arc<LoadedPolicy>,
    settings: Arc<str>,
    settings_digest: Digest,
    record: Arc<Record>,
}

impl Slot {
    /// A policy with these settings, a JSON object.
    pub fn new(policy: Arc<LoadedPolicy>, settings: Arc<str>) -> Self {
        Self {
            settings_digest: Digest::of(settings.as_bytes()),
            policy,
            settings,
            record: Arc::default(),
        }
    }

    /// The slot with a record that follows another's.
    pub(crate) fn following(self, before: &Self) -> Self {
        Self {
            record: Arc::new(before.record.successor()),
            ..self
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The policy to ask.
    pub fn policy(&self) -> &Arc<LoadedPolicy> {
        &self.policy
    }

    /// The settings as a JSON object.
    pub fn settings(&self) -> &str {
        &self.settings
    }
}

/// All bindings at one moment.
#[derive(Clone, Default)]
pub struct SlotMap {
    pools: BTreeMap<PoolName, BTreeMap<Point, Slot>>,
}

impl SlotMap {
    /// Binds a point of a pool and replaces an earlier binding.
    pub fn bind(&mut self, pool: PoolName, point: Point, slot: Slot) {
        self.pools.entry(pool).or_default().insert(point, slot);
    }

    /// The binding of a point of a pool.
    pub fn get(&self, pool: &PoolName, point: Point) -> Option<&Slot> {
        self.pools.get(pool)?.get(&point)
    }
}

/// The present bindings. Reads take no lock; a reload exchanges all of them in one step.
#[derive(Default)]
pub struct Slots {
    now: ArcSwap<SlotMap>,
    on_broken: OnceLock<Box<OnBroken>>,
}

/// Hears of a point at which a policy has failed too often in a row. It must not wait.
pub(crate) type OnBroken = dyn Fn(&PoolName, Point) + Send + Sync;

/// A decision or its failure, with everything the journal needs to repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The policy that was asked. `None`: no policy is bound.
    pub policy: Option<PolicyRef>,
    /// The digest of the settings; `None`: no policy is bound.
    pub settings: Option<Digest>,
    /// The policy's input, including the settings.
    pub input: Input,
    /// The verdict, or why there is none.
    pub verdict: Result<Verdict, DecideError>,
    /// The fuel used.
    pub fuel_used: u64,
}

impl Slots {
    /// Replaces all bindings. Running decisions finish with the bindings they started with.
    pub fn replace(&self, slots: SlotMap) {
        self.now.store(Arc::new(slots));
    }

    /// Calls this at each policy that breaks from now on. Only the first call counts.
    pub(crate) fn on_broken(&self, hear: Box<OnBroken>) {
        let _ = self.on_broken.set(hear);
    }

    /// The present binding of a point of a pool.
    pub fn get(&self, pool: &PoolName, point: Point) -> Option<Slot> {
        self.now.load().get(pool, point).cloned()
    }

    /// Asks the policy bound to the input's point, with the pool's settings filled in. The slot is
    /// read once, so component and settings match even during a reload.
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
                settings: None,
                input,
                verdict: Err(error),
                fuel_used: 0,
            };
        };
        input.set_settings(&slot.settings);
        let (verdict, fuel_used) = match slot.policy.decide(&input) {
            Ok(Decided { verdict, fuel_used }) => {
                slot.record.answered(&input);
                (Ok(verdict), fuel_used)
            }
            Err(error) => {
                if slot.record.failed(&error.failure)
                    && let Some(hear) = self.on_broken.get()
                {
                    hear(pool, input.point());
                }
                let fuel_used = error.fuel_used;
                (Err(error), fuel_used)
            }
        };
        Decision {
            policy: Some(slot.policy.policy().clone()),
            settings: Some(slot.settings_digest),
            input,
            verdict,
            fuel_used,
        }
    }
}
