//! Who plays in the demo: the standard policies, and for each incident the policies that did it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use reeve_core::decision::{Decision, Policies};
use reeve_core::id::{Digest, PoolName};
use reeve_core::point::{Input, Point};
use reeve_policy::{Binding, Limits, LoadedPolicy, PolicyEngine, Registry, Slots};
use reeve_sim::incidents::{Incident, Variant};
use serde_json::Map;

/// The pool of the standard policies.
const STANDARD: &str = "standard";

/// The policies of every run, loaded once and bound: each part is a pool of its own.
pub struct Cast {
    slots: Arc<Slots>,
}

/// The policies of one run.
pub struct Part {
    slots: Arc<Slots>,
    pool: PoolName,
}

impl Cast {
    /// Loads the components from the policy directory.
    ///
    /// # Errors
    /// A component is missing or unusable; the error says which and why.
    pub fn load(directory: &Path) -> anyhow::Result<Self> {
        let engine = PolicyEngine::new(Limits::default())?;
        let mut all = bindings(&PoolName::from(STANDARD), &[], "");
        for incident in Incident::ALL {
            let file = format!("{}.wasm", incident.legacy_policy());
            let offered = offered(&engine, directory, &file)?;
            all.extend(bindings(&PoolName::from(incident.id()), &offered, &file));
        }
        let registry = Registry::new(engine, directory.to_owned(), all)?;
        if let Some((file, error)) = registry.reload().refused().next() {
            anyhow::bail!("{file}: {}", error.text());
        }
        let slots = Arc::clone(registry.slots());
        Ok(Self { slots })
    }

    /// Who plays in this variant of this incident.
    pub fn part(&self, incident: Incident, variant: Variant) -> Part {
        let pool = match variant {
            Variant::AsItWas | Variant::LegacyUnderReeve => incident.id(),
            Variant::Standard => STANDARD,
        };
        Part {
            slots: Arc::clone(&self.slots),
            pool: PoolName::from(pool),
        }
    }
}

impl Part {
    /// For each point the component that answers, and its digest.
    pub fn players(&self) -> Vec<(Point, String, Digest)> {
        let player = |point| {
            let slot = self.slots.get(&self.pool, point)?;
            let policy = slot.policy.policy();
            Some((point, policy.name.clone(), policy.digest))
        };
        Point::ALL.into_iter().filter_map(player).collect()
    }
}

impl Policies for Part {
    /// The incidents' own pool stands for the part's.
    fn decide(&self, _pool: &PoolName, input: Input) -> Decision {
        Policies::decide(&*self.slots, &self.pool, input)
    }
}

/// The points that a legacy component offers.
fn offered(engine: &PolicyEngine, directory: &Path, file: &str) -> anyhow::Result<Vec<Point>> {
    let bytes = std::fs::read(directory.join(file)).with_context(|| {
        format!(
            "cannot read {file} in {}; `cargo xtask policies` builds it",
            directory.display()
        )
    })?;
    Ok(LoadedPolicy::load(engine, file, &bytes)?.points().collect())
}

/// Every point of the pool, bound to the legacy component where that offers it, else to the standard one.
pub(super) fn bindings(pool: &PoolName, offered: &[Point], legacy: &str) -> Vec<Binding> {
    let bind = |point: Point| Binding {
        pool: pool.clone(),
        point,
        file: if offered.contains(&point) {
            legacy.to_owned()
        } else {
            format!("{point}.wasm")
        },
        settings: Map::new(),
    };
    Point::ALL.into_iter().map(bind).collect()
}
