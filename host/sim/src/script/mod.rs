//! Incident scripts: a text that tells what was there, what happened and what is expected, and is
//! played against a host. `tests/incidents/README.md` describes the format for those who write
//! them.
//!
//! ```text
//!   text ──► words (a line in pieces) ──► read (sections) ──► setting, story, expect ──► Script
//!                                                                                          │ play
//!   what is not as expected ◄── check ◄──────────────────────── Run ◄──── stage ◄──────────┘
//! ```
//!
//! Lines instead of TOML, because a story is read from top to bottom, an event a line, with the
//! comments next to what they are about; a table for each event would be four lines of keys, and
//! say no more. Nothing here reads a file: a script is a text, and the same one gives the same run.

mod check;
mod cloud;
mod expect;
mod length;
mod random;
mod read;
mod setting;
mod signature;
mod story;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use check::Unmet;
use expect::Expectation;
pub use length::length_of_time;
use reeve_core::id::WorkerId;
use reeve_core::ports::Policies;
use reeve_core::spec::{FleetSpec, PoolSpec, WorkerSpec};
use reeve_core::time::Millis;
pub use signature::Incident;
pub use words::ScriptError;

use crate::as_it_was::AsItWas;
use crate::boxes::Software;
use crate::engine::Calm;
use crate::incidents;
use crate::run::Run;
use crate::stage::{Act, Setting, play};
use crate::store::MemoryStore;
use crate::world::{Boot, World};

/// A script that can be played.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its id, such as `stale-pointer`.
    pub name: String,
    /// What it is about, in one line.
    pub title: String,
    /// What the simulated cloud draws from.
    pub seed: u64,
    /// How long the story is told.
    pub length: Millis,
    /// The files, in the policy directory, of the policies that did it. Each answers every point it
    /// offers; the standard policies answer the others.
    pub legacy: Vec<String>,
    system: System,
    beginning: Beginning,
    /// What happens outside, with the time from the beginning.
    story: Vec<(Millis, Act)>,
    expected: Vec<(Variant, Expectation)>,
}

/// The system that the incident happened in.
#[derive(Clone, Debug)]
struct System {
    worker: WorkerId,
    spec: WorkerSpec,
    pool: PoolSpec,
    /// Nothing that was used more recently may be stopped; `None`: the story is not about that.
    idle_limit: Option<Millis>,
    /// What runs on the instances; `None`: it does not speak to the host.
    boxes: Option<Software>,
}

/// What is there when the story begins.
#[derive(Clone, Debug, Default)]
struct Beginning {
    /// The instances by their ids, and whether they run; else they are stopped.
    instances: Vec<(String, bool)>,
    pointer: Option<String>,
}

/// A way to meet an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// The legacy policies on a host without guarantees.
    AsItWas,
    /// The legacy policies under reeve.
    LegacyUnderReeve,
    /// The standard policies under reeve, or those that are put to the test.
    Standard,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The text is none; the error says where, what was found and what is accepted.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        read::script(text)
    }

    /// Plays it with these policies, which are bound in the pool [`incidents::pool`].
    pub fn play(&self, variant: Variant, policies: Arc<dyn Policies>) -> Run {
        let mut setting = self.setting();
        match variant {
            Variant::AsItWas => {
                // What ran on the boxes was of the same time as the host.
                setting.software = setting.software.map(|_| Software::Legacy);
                let System {
                    worker, spec, pool, ..
                } = self.system.clone();
                let mut host = AsItWas::new(self.world(), worker, spec, pool, policies);
                play(setting, &mut host)
            }
            Variant::LegacyUnderReeve | Variant::Standard => {
                let mut host = Calm::new(self.world(), MemoryStore::new(false), policies);
                host.add_host(self.fleet());
                play(setting, &mut host)
            }
        }
    }

    /// What is not as the script expects of this variant.
    pub fn check(&self, variant: Variant, run: &Run) -> Vec<Unmet> {
        let of_variant = self.expected.iter().filter(|(of, _)| *of == variant);
        of_variant
            .filter_map(|(_, expectation)| expectation.check(run))
            .collect()
    }

    /// How much the script expects of this variant.
    pub fn expectations(&self, variant: Variant) -> usize {
        let of_variant = self.expected.iter().filter(|(of, _)| *of == variant);
        of_variant.count()
    }

    /// The configuration of its system.
    fn fleet(&self) -> FleetSpec {
        let System {
            worker, spec, pool, ..
        } = self.system.clone();
        FleetSpec {
            pools: BTreeMap::from([(spec.pool.clone(), pool)]),
            workers: BTreeMap::from([(worker, spec)]),
            ..incidents::fleet()
        }
    }

    /// The world as the story begins.
    fn world(&self) -> World {
        let System { spec, pool, .. } = &self.system;
        let tag = (pool.tag_key.as_str(), spec.tag_value.as_str());
        let mut world = World::new(self.seed, incidents::BEGINS);
        for (id, runs) in &self.beginning.instances {
            if *runs {
                world.launch_elsewhere(id, tag, Boot::instant());
            } else {
                world.place_stopped(id, tag);
            }
        }
        if let Some(says) = &self.beginning.pointer {
            world.place_pointer(&spec.pointer, says);
        }
        world
    }

    /// The story and its length.
    fn setting(&self) -> Setting {
        let System { spec, pool, .. } = &self.system;
        Setting {
            begins: incidents::BEGINS,
            length: self.length,
            script: self.story.clone(),
            worker: self.system.worker.clone(),
            tag: (pool.tag_key.clone(), spec.tag_value.clone()),
            pointer: spec.pointer.clone(),
            software: self.system.boxes,
            idle_limit: self.system.idle_limit,
        }
    }
}

impl Variant {
    /// All three, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::AsItWas, Self::LegacyUnderReeve, Self::Standard];

    /// What it is called in scripts and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsItWas => "as-it-was",
            Self::LegacyUnderReeve => "legacy",
            Self::Standard => "standard",
        }
    }

    /// What it is called on screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::AsItWas => "as it was",
            Self::LegacyUnderReeve => "legacy policies under reeve",
            Self::Standard => "standard policies",
        }
    }
}

impl System {
    /// That of the incidents, which scripts change where theirs is another.
    fn usual() -> Self {
        Self {
            worker: incidents::worker(),
            spec: incidents::worker_spec(),
            pool: incidents::pool_spec(),
            idle_limit: None,
            boxes: None,
        }
    }
}
