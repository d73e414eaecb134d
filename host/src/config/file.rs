//! The shape of the configuration file. The types that a key ends up in (`reeve_core::spec`) say
//! what it means; this file says only what may be written. Values with further checks keep their
//! place in the text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) host: Host,
    pub(super) policies: Policies,
    pub(super) store: Option<Store>,
    pub(super) boxes: Option<Boxes>,
    #[serde(default)]
    pub(super) notify: BTreeMap<Spanned<String>, Notify>,
    #[serde(default)]
    pub(super) aws: Aws,
    #[serde(default)]
    pub(super) pool: BTreeMap<Spanned<String>, Pool>,
    #[serde(default)]
    pub(super) worker: BTreeMap<Spanned<String>, Worker>,
}

/// `[host]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub(super) fleet: Spanned<String>,
    pub(super) state_dir: PathBuf,
    pub(super) listen: Option<Spanned<String>>,
    pub(super) socket: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) dry_run: bool,
    #[serde(default)]
    pub(super) budget: Budget,
}

/// `[policies]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policies {
    pub(super) dir: PathBuf,
    pub(super) fuel_max: Option<Spanned<u64>>,
    pub(super) memory_bytes_max: Option<Spanned<u64>>,
}

/// `[store]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) table: Spanned<String>,
    pub(super) region: Spanned<String>,
    pub(super) lease_ms: Option<Spanned<u64>>,
}

/// `[boxes]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Boxes {
    pub(super) listen: Spanned<String>,
    pub(super) shared_secret_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) certificates: BTreeMap<Spanned<String>, Spanned<PathBuf>>,
    /// How many connections one address may have at a time: default 64, range 1 to 512. One box
    /// needs two at most; a NAT or a proxy gives many boxes one address. Several addresses at the
    /// default stay below the listener's 512.
    pub(super) peer_connections_max: Option<Spanned<u64>>,
}

/// `[pool.NAME.boxes]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolBoxes {
    pub(super) proof: Spanned<String>,
    pub(super) heartbeat_ms: Option<Spanned<u64>>,
    pub(super) rotation_ms: Option<Spanned<u64>>,
}

/// `[notify.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notify {
    pub(super) url: Option<Spanned<Secret>>,
    pub(super) url_file: Option<Spanned<PathBuf>>,
    pub(super) format: Spanned<String>,
    pub(super) level: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) steps: Vec<Spanned<String>>,
    pub(super) workers: Option<Vec<Spanned<String>>>,
    pub(super) pools: Option<Vec<Spanned<String>>>,
    pub(super) template: Option<Spanned<String>>,
    pub(super) per_minute_max: Option<Spanned<u64>>,
}

/// A text that debug output hides.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// `[pool.NAME.demand]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolDemand {
    pub(super) namespace: Spanned<String>,
    pub(super) metric: Spanned<String>,
    pub(super) statistic: Spanned<String>,
    #[serde(default)]
    pub(super) dimensions: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) period_ms: Option<Spanned<u64>>,
    pub(super) window_ms: Option<Spanned<u64>>,
    pub(super) samples_min: Option<Spanned<u64>>,
    pub(super) every_ms: Option<Spanned<u64>>,
}

/// `[pool.NAME.health]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolHealth {
    pub(super) http: Option<Spanned<String>>,
    pub(super) statuses: Option<Spanned<Vec<Spanned<u16>>>>,
    pub(super) tcp: Option<Spanned<bool>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) every_ms: Option<Spanned<u64>>,
    pub(super) timeout_ms: Option<Spanned<u64>>,
    pub(super) unhealthy_after: Option<Spanned<u64>>,
    pub(super) healthy_after: Option<Spanned<u64>>,
    pub(super) boot_grace_ms: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) status_checks: bool,
    pub(super) restart: Option<Spanned<String>>,
}

/// `[aws]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Aws {
    pub(super) profile: Option<Spanned<String>>,
    pub(super) endpoint_url: Option<Spanned<String>>,
}

/// `[pool.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub(super) region: Spanned<String>,
    pub(super) port: Spanned<u16>,
    pub(super) tag_key: Option<Spanned<String>>,
    pub(super) launch_template: Option<Spanned<String>>,
    pub(super) fargate: Option<PoolFargate>,
    #[serde(default)]
    pub(super) policy_tags: Vec<Spanned<String>>,
    pub(super) restart: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) reap: bool,
    pub(super) utc_offset_min: Option<Spanned<i16>>,
    pub(super) time_zone: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) limits: Limits,
    pub(super) boxes: Option<PoolBoxes>,
    pub(super) demand: Option<PoolDemand>,
    pub(super) health: Option<Spanned<PoolHealth>>,
    #[serde(default)]
    pub(super) policy: BTreeMap<Spanned<String>, Policy>,
}

/// `[pool.NAME.fargate]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolFargate {
    pub(super) cluster: Spanned<String>,
    pub(super) task_definition: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) subnets: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) security_groups: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) public_ip: bool,
    pub(super) container: Option<Spanned<String>>,
}

/// `[pool.NAME.limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) scan_interval_ms: Option<Spanned<u64>>,
    pub(super) pass_ms_max: Option<Spanned<u64>>,
    pub(super) idle_ms_min: Option<Spanned<u64>>,
    pub(super) not_visible_grace_ms: Option<Spanned<u64>>,
    pub(super) orphan_grace_ms: Option<Spanned<u64>>,
    pub(super) unresponsive_after_ms: Option<Spanned<u64>>,
    pub(super) restart_window_ms: Option<Spanned<u64>>,
    pub(super) drain_ms: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) worker_budget: Budget,
    #[serde(default)]
    pub(super) pool_budget: Budget,
}

/// `[host.budget]`, `[pool.NAME.limits.worker_budget]`, `[pool.NAME.limits.pool_budget]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) launches: Option<u32>,
    pub(super) starts: Option<u32>,
    pub(super) stops: Option<u32>,
    pub(super) window_ms: Option<Spanned<u64>>,
}

/// `[pool.NAME.policy.POINT]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) file: Option<Spanned<String>>,
    pub(super) settings: Option<Spanned<toml::Table>>,
}

/// `[worker.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Worker {
    pub(super) pool: Spanned<String>,
    pub(super) tag_value: Option<Spanned<String>>,
    pub(super) pointer: Spanned<String>,
}
