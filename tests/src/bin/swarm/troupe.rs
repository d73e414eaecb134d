//! The policies that play in random worlds: the components of production.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use reeve_core::decision::Decision;
use reeve_core::id::PoolName;
use reeve_core::point::{Input, Point};
use reeve_core::ports::Policies;
use reeve_policy::{Binding, Limits, LoadedPolicy, PolicyEngine, Registry, Slots};
use reeve_sim::swarm::Casts;
use serde_json::{Map, Value, json};

/// The files of the policies that reproduce the incidents.
const LEGACY: [&str; 5] = [
    "legacy-stale-pointer",
    "legacy-ip-race",
    "legacy-double-provision",
    "legacy-self-fire",
    "legacy-frozen-activity",
];

/// All casts, loaded once. A *cast* is a set of policies for one pool.
pub(crate) struct Troupe {
    slots: Arc<Slots>,
    /// The names of the casts.
    pub(crate) casts: Casts,
}

impl Troupe {
    /// Loads the standard policies with several settings, and the legacy ones.
    pub(crate) fn load(directory: &Path) -> Result<Self> {
        Self::load_with(PolicyEngine::new(Limits::default())?, directory)
    }

    /// The same with this engine.
    pub(crate) fn load_with(engine: PolicyEngine, directory: &Path) -> Result<Self> {
        let sound = sound();
        let mut bindings = Vec::new();
        for (cast, settings) in &sound {
            bindings.extend(bind(cast, &[], "", settings));
        }
        for legacy in LEGACY {
            let file = format!("{legacy}.wasm");
            let bytes = std::fs::read(directory.join(&file)).with_context(|| {
                format!(
                    "cannot read {file} in {}; `cargo xtask policies` builds it",
                    directory.display()
                )
            })?;
            let policy = LoadedPolicy::load(&engine, &file, &bytes)?;
            let offered: Vec<_> = policy.points().collect();
            bindings.extend(bind(legacy, &offered, &file, &Map::new()));
        }
        let registry = Registry::new(engine, directory.to_owned(), bindings)?;
        if let Some((file, error)) = registry.reload().refused().next() {
            bail!("{file}: {}", error.text());
        }
        Ok(Self {
            slots: Arc::clone(registry.slots()),
            casts: Casts {
                sound: sound.into_iter().map(|(cast, _)| cast).collect(),
                legacy: LEGACY.map(str::to_owned).to_vec(),
            },
        })
    }
}

impl Troupe {
    /// A cast's policies, for every pool.
    pub(crate) fn cast(&self, name: &str) -> Arc<dyn Policies> {
        Arc::new(Alone {
            slots: Arc::clone(&self.slots),
            cast: PoolName::from(name),
        })
    }
}

/// One cast that plays for every pool.
struct Alone {
    slots: Arc<Slots>,
    cast: PoolName,
}

impl Policies for Alone {
    fn decide(&self, _: &PoolName, input: Input) -> Decision {
        Policies::decide(&*self.slots, &self.cast, input)
    }
}

impl Policies for Troupe {
    fn decide(&self, pool: &PoolName, input: Input) -> Decision {
        Policies::decide(&*self.slots, pool, input)
    }
}

/// The casts of standard policies: with default settings, with short timeouts, with deferred
/// restarts.
fn sound() -> Vec<(String, Map<String, Value>)> {
    let minutes = |minutes: u32| json!(minutes * 60_000);
    let quick = json!({
        "reap": {
            "active_hours_ms": minutes(3), "quiet_hours_ms": minutes(2), "default_ms": minutes(2),
            "unreachable_ms": minutes(2), "orphan_grace_ms": minutes(1), "readings": 2,
            "handed_out_is_activity": true,
        },
    });
    let deferring = json!({
        "reap": { "default_ms": minutes(5), "orphan_action": "terminate", "unclaimed": "as-adopted" },
        "debounce": { "window_ms": 20_000, "different_cause": "defer" },
    });
    [
        ("standard", json!({})),
        ("quick", quick),
        ("deferring", deferring),
    ]
    .into_iter()
    .map(|(cast, settings)| {
        let settings = settings.as_object().cloned().unwrap_or_default();
        (cast.to_owned(), settings)
    })
    .collect()
}

/// Binds every point of a cast's pool: to the legacy component if it offers the point, else to the
/// standard one.
fn bind(
    cast: &str,
    offered: &[Point],
    legacy: &str,
    settings: &Map<String, Value>,
) -> Vec<Binding> {
    let bind = |point: Point| {
        let mut binding = Binding::standard(&PoolName::from(cast), point);
        if offered.contains(&point) {
            binding.file = legacy.to_owned();
        }
        let settings = settings.get(point.as_str()).and_then(Value::as_object);
        binding.settings = settings.cloned().unwrap_or_default();
        binding
    };
    Point::ALL.into_iter().map(bind).collect()
}
