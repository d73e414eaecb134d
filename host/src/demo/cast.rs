//! The policies of a run: the standard policies, the legacy policies of each incident, and policies
//! under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use reeve_core::decision::Decision;
use reeve_core::id::{Digest, PoolName};
use reeve_core::point::{Input, Point};
use reeve_core::ports::Policies;
use reeve_policy::{Binding, Limits, LoadedPolicy, PolicyEngine, Slot, SlotMap, Slots, shown};
use reeve_sim::incidents;
use reeve_sim::script::{Script, Variant};

use crate::policies;

/// The policy of each point, with its settings.
type Players = BTreeMap<Point, (Arc<LoadedPolicy>, Arc<str>)>;

/// Settings that leave each at its default.
const DEFAULTS: &str = "{}";

/// Loads each policy once for all runs. Only fuel ends a policy call, so a run is the same on every
/// machine.
pub struct Cast {
    engine: PolicyEngine,
    directory: PathBuf,
    loaded: BTreeMap<PathBuf, Arc<LoadedPolicy>>,
}

/// The policies of one run.
pub struct Part {
    slots: Slots,
    pool: PoolName,
    tested: bool,
}

/// The policies of a run, for its heading and the ends of its lines.
pub struct Playbill {
    /// For each point, the component asked there and its digest.
    pub players: Vec<(Point, String, Digest)>,
    /// Whether some of the policies are under test.
    pub tested: bool,
}

impl Cast {
    /// Loads nothing yet. The standard and the legacy policies are read from this directory, and
    /// compiled in this process.
    ///
    /// # Errors
    /// The engine does not start.
    pub fn new(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self::with_engine(
            PolicyEngine::new(Limits::default())?,
            directory,
        ))
    }

    /// The same, compiled in child processes of this program.
    ///
    /// # Errors
    /// The engine or a thread does not start.
    pub(crate) fn compiled_in_children(directory: &Path) -> anyhow::Result<Self> {
        let engine = policies::engine(Limits::default(), None)?;
        Ok(Self::with_engine(engine, directory))
    }

    fn with_engine(engine: PolicyEngine, directory: &Path) -> Self {
        Self {
            engine,
            directory: directory.to_owned(),
            loaded: BTreeMap::new(),
        }
    }

    /// The engine of all its policies.
    pub(crate) fn engine(&self) -> &PolicyEngine {
        &self.engine
    }

    /// The policies of this variant of this script. `tested` (a point and a file each) comes first,
    /// then the script's legacy policies if the variant uses them, then the standard policies with
    /// the script's settings.
    ///
    /// # Errors
    /// A component is missing or unusable, or does not offer its point. The error names it and says
    /// why.
    pub fn part(
        &mut self,
        script: &Script,
        variant: Variant,
        tested: &[(Point, PathBuf)],
    ) -> anyhow::Result<Part> {
        let mut players = Players::new();
        for (point, file) in tested {
            let policy = self.load(file.clone())?;
            if !policy.offers(*point) {
                let offered: Vec<_> = policy.points().map(Point::as_str).collect();
                let (file, offered) = (shown(file), offered.join(", "));
                bail!("{file} cannot be asked `{point}`; it offers {offered}");
            }
            if players.insert(*point, (policy, DEFAULTS.into())).is_some() {
                bail!("`{point}` is given two policies; accepted is one for each point");
            }
        }
        if variant != Variant::Standard {
            for file in &script.legacy {
                let policy = self.load(self.directory.join(file))?;
                for point in policy.points() {
                    let player = || (Arc::clone(&policy), DEFAULTS.into());
                    players.entry(point).or_insert_with(player);
                }
            }
        }
        for point in Point::ALL {
            if players.contains_key(&point) {
                continue;
            }
            let settings = script.settings(point);
            let policy = self.load(self.standard(point))?;
            policy.validate(&settings).with_context(|| {
                format!("the script's settings `policy {point}` are not accepted: {settings}")
            })?;
            players.insert(point, (policy, settings.into()));
        }
        self.with_standard_policies(players, !tested.is_empty())
    }

    /// One component with these settings at every point it offers, and the standard policies at the
    /// others.
    ///
    /// # Errors
    /// A component is missing or unusable, or refuses the settings. The error names it and says
    /// why.
    pub fn tested(&mut self, component: &Path, settings: &str) -> anyhow::Result<Part> {
        let policy = self.load(component.to_owned())?;
        policy.validate(settings)?;
        let offered = policy.points();
        let player = |point| (point, (Arc::clone(&policy), settings.into()));
        self.with_standard_policies(offered.map(player).collect(), true)
    }

    /// These policies with their settings, and the standard policies with their default settings at
    /// the other points.
    fn with_standard_policies(
        &mut self,
        mut players: Players,
        tested: bool,
    ) -> anyhow::Result<Part> {
        let pool = incidents::pool();
        let mut slots = SlotMap::default();
        for point in Point::ALL {
            let (policy, settings) = match players.remove(&point) {
                Some(player) => player,
                None => (self.load(self.standard(point))?, DEFAULTS.into()),
            };
            slots.bind(pool.clone(), point, Slot::new(policy, settings));
        }
        let part = Part {
            slots: Slots::default(),
            pool,
            tested,
        };
        part.slots.replace(slots);
        Ok(part)
    }

    /// The file of a point's standard policy.
    fn standard(&self, point: Point) -> PathBuf {
        self.directory.join(format!("{point}.wasm"))
    }

    fn load(&mut self, path: PathBuf) -> anyhow::Result<Arc<LoadedPolicy>> {
        if let Some(loaded) = self.loaded.get(&path) {
            return Ok(Arc::clone(loaded));
        }
        let bytes_max = self.engine.limits().component_bytes_max;
        let bytes = reeve_policy::read(&path, bytes_max).with_context(|| {
            format!(
                "cannot read the policy {}; `cargo xtask policies` builds those that come with reeve",
                shown(&path)
            )
        })?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        let loaded = LoadedPolicy::load(&self.engine, &shown(name.as_ref()), &bytes)?;
        let loaded = Arc::new(loaded);
        self.loaded.insert(path, Arc::clone(&loaded));
        Ok(loaded)
    }
}

impl Part {
    /// The policies, as data for a heading.
    pub fn playbill(&self) -> Playbill {
        let player = |point| {
            let slot = self.slots.get(&self.pool, point)?;
            let policy = slot.policy().policy();
            Some((point, policy.name.clone(), policy.digest))
        };
        Playbill {
            players: Point::ALL.into_iter().filter_map(player).collect(),
            tested: self.tested,
        }
    }
}

impl Policies for Part {
    /// The simulation has one pool, so the script's pool name is ignored.
    fn decide(&self, _pool: &PoolName, input: Input) -> Decision {
        Policies::decide(&self.slots, &self.pool, input)
    }
}

/// Every point of the pool, bound to the standard policy.
pub(super) fn standard_bindings(pool: &PoolName) -> Vec<Binding> {
    let bind = |point| Binding::standard(pool, point);
    Point::ALL.into_iter().map(bind).collect()
}
