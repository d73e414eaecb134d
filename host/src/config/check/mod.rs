//! Checks what single keys cannot express: names, references, keys that need or exclude each other,
//! values that two workers must not share. A mistake does not end the check, so one run shows all.

mod access;
mod boxes;
mod compute;
mod demand;
mod health;
mod local_time;
mod network;
mod notify;
mod pool;
mod worker;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use reeve_core::spec::{self, FleetSpec, LEASE};

use super::file::{self, Whole};
use super::finding::{Finding, Findings};
use super::section::{self, At};
use super::{Aws, Config, SharedStore};

/// A Unix socket's path has 108 bytes with its closing zero (unix(7), `sun_path`).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The socket's file in the state directory, unless the file names another one.
const SOCKET: &str = "reeve.sock";
/// Where the host listens unless the file says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7433);

/// Reads a configuration.
///
/// # Errors
/// All mistakes, ordered by place.
pub(super) fn read(path: &Path, text: &str) -> Result<Config, Vec<Finding>> {
    let mut findings = Findings::new(text);
    let config = section::read(&mut findings).map(|file| config(&mut findings, path, &file));
    let findings = findings.into_all();
    match config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => Err(findings),
    }
}

fn config(findings: &mut Findings<'_>, path: &Path, file: &Whole) -> Config {
    let keys = file.policies.keys.iter().flat_map(|keys| &keys.value);
    let base = path.parent().unwrap_or(Path::new(""));
    let (pools, policies) = pool::all(findings, &file.pool);
    let workers = worker::all(findings, &file.worker, &file.pool);
    let store = file.store.as_ref().map(|store| &store.value);
    Config {
        path: path.to_owned(),
        fleet: FleetSpec {
            name: file.host.fleet.value.clone(),
            dry_run: file.host.dry_run,
            pools,
            workers,
            budget: budget(&file.host.budget, spec::Budget::default()),
            lease: store.map_or(LEASE, |store| store.lease_ms),
        },
        policies,
        policies_dir: base.join(&file.policies.dir.value),
        policy_keys: keys.map(|key| key.value.clone()).collect(),
        fuel_max: file.policies.fuel_max,
        listen: given(file.host.listen.as_ref()).unwrap_or(Some(LISTEN)),
        socket: socket(findings, base, &file.host),
        access: access::all(findings, file),
        state_dir: base.join(&file.host.state_dir.value),
        shared_store: store.map(|store| SharedStore {
            table: store.table.value.clone(),
            region: store.region.value.clone(),
        }),
        network: network::api(findings, base, file),
        boxes: boxes::all(findings, base, file),
        login_regions: network::login_regions(findings, file),
        notify: notify::all(findings, base, file),
        aws: Aws {
            profile: given(file.aws.profile.as_ref()),
            endpoint_url: given(file.aws.endpoint_url.as_ref()),
        },
    }
}

/// The value of a key that may be left out.
fn given<T: Clone>(key: Option<&At<T>>) -> Option<T> {
    key.map(|at| at.value.clone())
}

fn budget(budget: &file::Budget, default: spec::Budget) -> spec::Budget {
    spec::Budget {
        launches: given(budget.launches.as_ref()).unwrap_or(default.launches),
        starts: given(budget.starts.as_ref()).unwrap_or(default.starts),
        stops: given(budget.stops.as_ref()).unwrap_or(default.stops),
        window: given(budget.window_ms.as_ref()).unwrap_or(default.window),
    }
}

/// The socket that the file names, or else the usual one, if its path is short enough.
fn socket(findings: &mut Findings<'_>, base: &Path, host: &file::Host) -> Option<PathBuf> {
    let Some(written) = &host.socket else {
        let usual = base.join(&host.state_dir.value).join(SOCKET);
        let fits = usual.as_os_str().len() <= SOCKET_PATH_BYTES_MAX;
        let is_only = host
            .listen
            .as_ref()
            .is_some_and(|listen| listen.value.is_none());
        if let (false, true, Some(listen)) = (fits, is_only, &host.listen) {
            let found = "the host listens nowhere: `listen` is \"none\", and the path of a socket in `state_dir` is too \
                         long; accepted: a `socket` with a shorter path";
            findings.refuse(listen.span.clone(), found);
        }
        return fits.then_some(usual);
    };
    let path = base.join(&written.value);
    let length = path.as_os_str().len();
    if written.value.as_os_str().is_empty() || length > SOCKET_PATH_BYTES_MAX {
        let found = format!(
            "the path of `socket` has {length} bytes; accepted: 1 to {SOCKET_PATH_BYTES_MAX}, the most a \
             Unix socket can have"
        );
        findings.refuse(written.span.clone(), found);
    }
    Some(path)
}
