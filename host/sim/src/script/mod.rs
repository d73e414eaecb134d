//! Incident scripts. A script lists the instances at the beginning, the acts of a story, and the
//! expected results. The stage plays the acts against a host. `tests/incidents/README.md` describes
//! the format.
//!
//! ```text
//!   text ──► words (a line in pieces) ──► read (sections) ──► setting, story, expect ──► Script
//!                                                                                          │ play
//!   unmet expectations ◄─────── check ◄──────────────────────── Run ◄──── stage ◄──────────┘
//! ```
//!
//! A script has lines instead of TOML tables. People read it from top to bottom, one event per line,
//! with comments next to the events. A TOML table would take four lines of keys for one event. The
//! reader is written by hand, and docs/decisions/simulator.md says why. This module reads no file: a
//! script is a text, and the same text gives the same run.

mod check;
mod cloud;
mod expect;
mod ids;
mod length;
mod pool;
mod random;
mod read;
mod setting;
mod signature;
mod software;
mod story;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use check::Unmet;
use expect::Expectation;
pub use length::length_of_time;
use reeve_core::boxes::ProofKind;
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::id::WorkerId;
use reeve_core::instance::{Owner, TAG_FLEET, TAG_GENERATION, TAG_WORKER};
use reeve_core::point::Point;
use reeve_core::ports::Policies;
use reeve_core::spec::{FleetSpec, PoolSpec, RestartBy, WorkerSpec};
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
    /// The id of the incident, such as `stale-pointer`.
    pub name: String,
    /// The subject of the incident, in one line.
    pub title: String,
    /// The seed of the simulated cloud. `reeve sim run --seed` replaces it.
    pub seed: u64,
    /// The length of the story. `reeve sim run --length` replaces it.
    pub length: Millis,
    /// The files of the policies that caused the incident, in the policy directory. Each policy
    /// answers every point it offers; the standard policies answer the others.
    pub legacy: Vec<String>,
    /// The settings of the standard policy of each point.
    settings: BTreeMap<Point, serde_json::Map<String, serde_json::Value>>,
    system: System,
    beginning: Beginning,
    /// The acts outside the host, each with its time from the beginning of the story.
    story: Vec<(Millis, Act)>,
    expected: Vec<(Variant, Expectation)>,
}

/// The worker of the incident and its configuration.
#[derive(Clone, Debug)]
struct System {
    /// The number of hosts, which share the store.
    hosts: usize,
    worker: WorkerId,
    spec: WorkerSpec,
    pool: PoolSpec,
    /// Ending an instance within this time of a request to it is a harm; `None`: it is no harm.
    idle_limit: Option<Millis>,
    /// A caller is down after it has waited for longer than this while it could be served.
    down_after: Millis,
    /// Whether the instances of the host's fleet belong to one-time Spot requests.
    one_time_spot: bool,
    /// The software of the boxes; `None`: the instances have no boxes.
    boxes: Option<Software>,
    /// Whether instances get a public address with their private one.
    public_addresses: bool,
}

/// The instances and the pointer when the story begins.
#[derive(Clone, Debug, Default)]
struct Beginning {
    instances: Vec<Placed>,
    /// The value of the pointer; `None`: the pointer does not exist.
    pointer: Option<String>,
    /// How long before the story the pointer was written.
    pointer_age: Millis,
}

/// An instance that exists when the story begins.
#[derive(Clone, Debug)]
struct Placed {
    id: String,
    /// Whether it runs; if not, it is stopped.
    runs: bool,
    owner: Owner,
}

/// The kind of host and policies that a script is played against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// The legacy policies on a host without guarantees.
    AsItWas,
    /// The legacy policies under reeve.
    LegacyUnderReeve,
    /// The standard policies under reeve, or the policies under test.
    Standard,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The text is no script. The error says where, what was found and what is accepted.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        read::script(text)
    }

    /// The settings of the standard policy of a point, as JSON.
    pub fn settings(&self, point: Point) -> String {
        let settings = self.settings.get(&point).cloned().unwrap_or_default();
        serde_json::Value::Object(settings).to_string()
    }

    /// Plays the script with these policies, which are bound in the pool [`incidents::pool`].
    pub fn play(&self, variant: Variant, policies: Arc<dyn Policies>) -> Run {
        let mut setting = self.setting();
        match variant {
            Variant::AsItWas => {
                // The host without guarantees is as old as the legacy box software.
                let software = &mut setting.software;
                *software = software.map(|(_, proof)| (Software::Legacy, proof));
                let System {
                    worker, spec, pool, ..
                } = self.system.clone();
                let mut host = AsItWas::new(self.world(), worker, spec, pool, policies);
                play(setting, &mut host)
            }
            Variant::LegacyUnderReeve | Variant::Standard => {
                let hosts = self.system.hosts;
                let store = MemoryStore::new(hosts > 1);
                let mut host = Calm::new(self.world(), store, policies);
                for _ in 0..hosts {
                    host.add_host(self.fleet());
                }
                play(setting, &mut host)
            }
        }
    }

    /// Returns the script's expectations of this variant that the run does not meet.
    pub fn check(&self, variant: Variant, run: &Run) -> Vec<Unmet> {
        let of_variant = self.expected.iter().filter(|(of, _)| *of == variant);
        of_variant
            .filter_map(|(_, expectation)| expectation.check(run))
            .collect()
    }

    /// Counts the script's expectations of this variant.
    pub fn expectations(&self, variant: Variant) -> usize {
        let of_variant = self.expected.iter().filter(|(of, _)| *of == variant);
        of_variant.count()
    }

    /// The configuration of a host for the script's system.
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

    /// The world at the beginning of the story.
    fn world(&self) -> World {
        let System { spec, pool, .. } = &self.system;
        let tag = (pool.tag_key.as_str(), spec.tag_value.as_str());
        let worker = self.system.worker.as_str();
        let fleet = incidents::fleet().name;
        let mut world = World::new(self.seed, incidents::BEGINS);
        world.set_launches_one_time_spot(self.system.one_time_spot);
        world.set_public_addresses(self.system.public_addresses);
        let mut generation = 0;
        for placed in &self.beginning.instances {
            // Those that this fleet launched have the generations 1, 2, 3 in the order of the lines.
            generation += u32::from(placed.owner == Owner::Ours);
            let number = generation.to_string();
            let mut tags = vec![tag];
            match &placed.owner {
                Owner::Ours => tags.extend([
                    (TAG_FLEET, fleet.as_str()),
                    (TAG_WORKER, worker),
                    (TAG_GENERATION, number.as_str()),
                ]),
                Owner::Foreign(fleet) => tags.push((TAG_FLEET, fleet)),
                Owner::Unclaimed => {}
            }
            let id = world.launch_on(pool.compute.clone(), &placed.id, &tags, Boot::instant());
            if self.system.one_time_spot && placed.owner == Owner::Ours {
                world.make_one_time_spot(&id);
            }
            if !placed.runs {
                world.place_as_stopped(&id);
            }
        }
        if let Some(says) = &self.beginning.pointer {
            world.place_pointer_of(&spec.pointer, says, self.beginning.pointer_age);
        }
        world
    }

    /// The arguments of the stage.
    fn setting(&self) -> Setting {
        let System { spec, pool, .. } = &self.system;
        Setting {
            begins: incidents::BEGINS,
            length: self.length,
            script: self.story.clone(),
            worker: self.system.worker.clone(),
            compute: pool.compute.clone(),
            tag: (pool.tag_key.clone(), spec.tag_value.clone()),
            pointer: spec.pointer.clone(),
            software: self
                .system
                .boxes
                .map(|software| (software, self.system.proof())),
            idle_limit: self.system.idle_limit,
            down_after: self.system.down_after,
        }
    }
}

impl Variant {
    /// All variants, in the order of the demo.
    pub const ALL: [Self; 3] = [Self::AsItWas, Self::LegacyUnderReeve, Self::Standard];

    /// Its name in scripts and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsItWas => "as-it-was",
            Self::LegacyUnderReeve => "legacy",
            Self::Standard => "standard",
        }
    }

    /// Its name on screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::AsItWas => "as it was",
            Self::LegacyUnderReeve => "legacy policies under reeve",
            Self::Standard => "standard policies",
        }
    }
}

impl System {
    /// The system of the five incidents. The settings of a script change it.
    fn usual() -> Self {
        /// A boot takes half a minute, a slow one three, and the host's own pause between two tries
        /// of a refused launch is a minute at most. Five minutes have room for all of that, and a
        /// person who waits for an answer has left by then.
        const DOWN_AFTER: Millis = Millis::from_secs(300);
        Self {
            hosts: 1,
            worker: incidents::worker(),
            spec: incidents::worker_spec(),
            pool: incidents::pool_spec(),
            idle_limit: None,
            down_after: DOWN_AFTER,
            one_time_spot: false,
            boxes: None,
            public_addresses: false,
        }
    }

    /// Puts the pool on Fargate.
    fn run_on_fargate(&mut self) {
        let cluster = "agents".to_owned();
        self.pool.launch = vec![LaunchSource::Fargate(FargateTask {
            cluster: cluster.clone(),
            task_definition: "agent".to_owned(),
            subnets: vec!["subnet-a".to_owned()],
            security_groups: Vec::new(),
            public_ip: false,
            container: None,
        })];
        self.pool.compute = Compute::Fargate { cluster };
        // A task cannot be started again.
        self.pool.restart_by = RestartBy::Replace;
        if let Some(boxes) = &mut self.pool.boxes {
            boxes.proof = ProofKind::SharedSecret;
        }
    }

    /// How boxes prove their instance: a task has no instance document.
    fn proof(&self) -> ProofKind {
        match self.pool.compute {
            Compute::Ec2 => ProofKind::InstanceDocument,
            Compute::Fargate { .. } => ProofKind::SharedSecret,
        }
    }
}
