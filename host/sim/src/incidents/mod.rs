//! The incidents as they are played: what was there, what happened outside, and three ways to meet it.

mod double_provision;
mod frozen_activity;
mod ip_race;
mod self_fire;
mod stale_pointer;

use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_core::boxes::ProofKind;
use reeve_core::decision::Policies;
use reeve_core::id::{PointerName, PoolName, Region, WorkerId};
use reeve_core::spec::{BoxSpec, Budget, FleetSpec, Limits, PoolSpec, RestartBy, WorkerSpec};
use reeve_core::time::{Instant, UtcOffset};

use crate::as_it_was::AsItWas;
use crate::boxes::Software;
use crate::reeve::Reeve;
use crate::run::Run;
use crate::stage::{Setting, play};

/// An incident that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// The pointer names a stopped instance while a healthy one runs.
    StalePointer,
    /// The adopted instance has no address yet, so the old one gets started.
    IpRace,
    /// Two recreates race, and two boxes fight for one bootstrap token.
    DoubleProvision,
    /// A restart's own side effects look like a dead box and trigger the next restart.
    SelfFire,
    /// The watchdog kills a worker in mid-conversation.
    FrozenActivity,
}

/// A way to meet an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The legacy policies on a host without guarantees.
    AsItWas,
    /// The legacy policies under reeve.
    LegacyUnderReeve,
    /// The standard policies under reeve.
    Standard,
}

impl Incident {
    /// Every incident that can be played.
    pub const ALL: [Self; 5] = [
        Self::StalePointer,
        Self::IpRace,
        Self::DoubleProvision,
        Self::SelfFire,
        Self::FrozenActivity,
    ];

    /// Its id in tests, scripts and docs.
    pub fn id(self) -> &'static str {
        match self {
            Self::StalePointer => "stale-pointer",
            Self::IpRace => "ip-race",
            Self::DoubleProvision => "double-provision",
            Self::SelfFire => "self-fire",
            Self::FrozenActivity => "frozen-activity",
        }
    }

    /// What it is about, in one line.
    pub fn title(self) -> &'static str {
        match self {
            Self::StalePointer => {
                "the pointer names a stopped instance while a healthy one is running"
            }
            Self::IpRace => "the adopted instance has no address yet, so the old one gets started",
            Self::DoubleProvision => "two recreates race, two boxes fight for one bootstrap token",
            Self::SelfFire => {
                "a restart's own side effects look like a dead box and trigger the next"
            }
            Self::FrozenActivity => "the watchdog kills a worker in mid-conversation",
        }
    }

    /// The file name (without `.wasm`) of the policies that did it.
    pub fn legacy_policy(self) -> &'static str {
        match self {
            Self::StalePointer => "legacy-stale-pointer",
            Self::IpRace => "legacy-ip-race",
            Self::DoubleProvision => "legacy-double-provision",
            Self::SelfFire => "legacy-self-fire",
            Self::FrozenActivity => "legacy-frozen-activity",
        }
    }

    /// Plays it with these policies, bound in the pool [`pool`].
    pub fn play(self, variant: Variant, policies: Arc<dyn Policies>) -> Run {
        let mut setting = self.setting();
        match variant {
            Variant::AsItWas => {
                // What ran on the boxes was of the same time as the host.
                setting.software = setting.software.map(|_| Software::Legacy);
                let mut host = AsItWas::new(worker(), worker_spec(), pool_spec(), policies);
                play(setting, &mut host)
            }
            Variant::LegacyUnderReeve | Variant::Standard => {
                play(setting, &mut Reeve::new(self.fleet(), policies))
            }
        }
    }

    /// The configuration of its system.
    fn fleet(self) -> FleetSpec {
        let mut fleet = fleet();
        for pool in fleet.pools.values_mut() {
            if matches!(
                self,
                Self::DoubleProvision | Self::SelfFire | Self::FrozenActivity
            ) {
                pool.boxes = Some(BoxSpec::new(ProofKind::InstanceDocument));
            }
            if self == Self::SelfFire {
                // A workspace is recreated, not stopped and started.
                pool.restart_by = RestartBy::Replace;
            }
            if self == Self::FrozenActivity {
                pool.limits.idle_min = frozen_activity::IDLE_LIMIT;
            }
        }
        fleet
    }

    /// The world, the script and the length of the story.
    pub fn setting(self) -> Setting {
        match self {
            Self::StalePointer => stale_pointer::setting(),
            Self::IpRace => ip_race::setting(),
            Self::DoubleProvision => double_provision::setting(),
            Self::SelfFire => self_fire::setting(),
            Self::FrozenActivity => frozen_activity::setting(),
        }
    }
}

impl Variant {
    /// All three, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::AsItWas, Self::LegacyUnderReeve, Self::Standard];

    /// What it is called on screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::AsItWas => "as it was",
            Self::LegacyUnderReeve => "legacy policies under reeve",
            Self::Standard => "standard policies",
        }
    }
}

/// When every story begins: an ordinary Tuesday morning.
pub(crate) const BEGINS: Instant = Instant::from_ms(1_760_428_800_000);

/// The pool that the policies of a run are bound in.
pub fn pool() -> PoolName {
    PoolName::from("gpu")
}

/// The worker of the incidents: one GPU instance that a chat service and a video-ingest service share.
pub fn worker() -> WorkerId {
    WorkerId::from("encache-gpu")
}

/// Its tag.
pub const TAG: (&str, &str) = ("Name", "encache-gpu-worker");

/// Its pointer.
pub fn pointer() -> PointerName {
    PointerName::from("/encache/gpu/instance_id")
}

/// The configuration of the incidents' system.
pub fn fleet() -> FleetSpec {
    FleetSpec {
        name: "demo".to_owned(),
        dry_run: false,
        pools: BTreeMap::from([(pool(), pool_spec())]),
        workers: BTreeMap::from([(worker(), worker_spec())]),
        budget: Budget::default(),
        ..FleetSpec::default()
    }
}

fn pool_spec() -> PoolSpec {
    PoolSpec {
        region: Region::from("us-east-1"),
        tag_key: TAG.0.to_owned(),
        port: 8000,
        launch_template: Some("encache-gpu".to_owned()),
        policy_tags: Vec::new(),
        restart_by: Default::default(),
        reap: true,
        utc_offset: UtcOffset::default(),
        demand: None,
        health: None,
        boxes: None,
        limits: Limits::default(),
    }
}

fn worker_spec() -> WorkerSpec {
    WorkerSpec {
        pool: pool(),
        tag_value: TAG.1.to_owned(),
        pointer: pointer(),
    }
}
