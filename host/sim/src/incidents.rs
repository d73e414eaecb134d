//! The scripts of the incidents that come with reeve, and the system in which they happened.

use std::collections::BTreeMap;

use reeve_core::compute::{Compute, LaunchSource};
use reeve_core::id::{PointerName, PoolName, Region, WorkerId};
use reeve_core::spec::{Budget, FleetSpec, Limits, PoolSpec, WorkerSpec};
use reeve_core::time::{Instant, UtcOffset};

use crate::script::{Script, ScriptError};

/// The scripts, in the order of the demo. Their transcripts are next to them.
const SCRIPTS: [&str; 5] = [
    include_str!("../../../tests/incidents/stale-pointer.reeve"),
    include_str!("../../../tests/incidents/ip-race.reeve"),
    include_str!("../../../tests/incidents/double-provision.reeve"),
    include_str!("../../../tests/incidents/self-fire.reeve"),
    include_str!("../../../tests/incidents/frozen-activity.reeve"),
];

/// Every incident that comes with reeve.
///
/// # Errors
/// One of the texts is no script. The tests show that before a release.
pub fn all() -> Result<Vec<Script>, ScriptError> {
    SCRIPTS.into_iter().map(Script::parse).collect()
}

/// The time at which every story begins: a Tuesday at 08:00 UTC, because policies may treat nights
/// and weekends differently.
pub(crate) const BEGINS: Instant = Instant::from_ms(1_760_428_800_000);

/// The pool that the policies of a run are bound in.
pub fn pool() -> PoolName {
    PoolName::from("gpu")
}

/// The worker of the incidents: one GPU instance that a chat service and a video-ingest service
/// share.
pub fn worker() -> WorkerId {
    WorkerId::from("chat")
}

/// Key and value of the tag on the worker's instances.
pub const TAG: (&str, &str) = ("Name", "chat-worker");

/// The worker's pointer.
pub fn pointer() -> PointerName {
    PointerName::from("/chat/instance_id")
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

pub(crate) fn pool_spec() -> PoolSpec {
    PoolSpec {
        region: Region::from("us-east-1"),
        compute: Compute::Ec2,
        tag_key: TAG.0.to_owned(),
        port: 8000,
        launch: vec![LaunchSource::LaunchTemplate("chat".to_owned())],
        policy_labels: Vec::new(),
        policy_tags: Vec::new(),
        restart_by: Default::default(),
        stop_refused: Default::default(),
        reap: true,
        orphans: Default::default(),
        terminate_adopted: false,
        follow_pointer: false,
        utc_offset: UtcOffset::default(),
        demand: None,
        boxes: None,
        health: None,
        limits: Limits::default(),
        heartbeats_are_use: false,
    }
}

/// The incidents' worker.
pub fn worker_spec() -> WorkerSpec {
    WorkerSpec {
        pool: pool(),
        tag_value: TAG.1.to_owned(),
        pointer: pointer(),
        wish: Default::default(),
        labels: Default::default(),
    }
}
