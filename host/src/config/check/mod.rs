//! Checks what the file's shape cannot express: names, bounds, references, values that two workers
//! must not share. A mistake does not end the check, so one run shows all mistakes.

mod boxes;
mod compute;
mod demand;
mod health;
mod local_time;
mod notify;
mod pool;
mod value;
mod worker;

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use reeve_core::id::Region;
use reeve_core::spec::{Budget, FleetSpec, LEASE};
use reeve_core::time::Millis;
use toml::Spanned;

use super::file::{self, File};
use super::finding::Finding;
use super::{Aws, Config, SharedStore};

/// The default address.
const LISTEN: &str = "127.0.0.1:7433";
/// A Unix socket's path has 108 bytes with its closing zero (unix(7), `sun_path`).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// A rolling window: from a second, below which it would limit nothing, to a week.
const WINDOW_MS: (u64, u64) = (1_000, 604_800_000);

/// A lease: from a second, below which a busy host would lose it, to an hour, the time a dead
/// host's work would wait.
const LEASE_MS: (u64, u64) = (1_000, 3_600_000);

/// Collects mistakes during the check of a file.
pub(super) struct Checker<'a> {
    text: &'a str,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn refuse(&mut self, span: Range<usize>, finding: impl Into<String>) {
        self.findings.push(Finding::at(self.text, span, finding));
    }

    /// Checks a value and records a refusal at its place. Returns the value in both cases.
    fn check<T: Clone>(
        &mut self,
        value: &Spanned<T>,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> T {
        if let Err(finding) = check(value.get_ref()) {
            self.refuse(value.span(), finding);
        }
        value.get_ref().clone()
    }

    fn millis(
        &mut self,
        value: Option<&Spanned<u64>>,
        bounds: (u64, u64),
        default: Millis,
    ) -> Millis {
        match value {
            None => default,
            Some(value) => Millis::new(self.check(value, |ms| value::within(*ms, bounds))),
        }
    }

    fn budget(&mut self, budget: &file::Budget, default: Budget) -> Budget {
        Budget {
            launches: budget.launches.unwrap_or(default.launches),
            starts: budget.starts.unwrap_or(default.starts),
            stops: budget.stops.unwrap_or(default.stops),
            window: self.millis(budget.window_ms.as_ref(), WINDOW_MS, default.window),
        }
    }
}

/// Turns the file into a configuration.
///
/// # Errors
/// All mistakes, ordered by place.
pub(super) fn check(path: &Path, text: &str, file: File) -> Result<Config, Vec<Finding>> {
    let mut checker = Checker {
        text,
        findings: Vec::new(),
    };
    let base = path.parent().unwrap_or(Path::new(""));
    let (pools, policies) = pool::all(&mut checker, &file.pool);
    let workers = worker::all(&mut checker, &file.worker, &file.pool);
    let config = Config {
        path: path.to_owned(),
        fleet: FleetSpec {
            name: checker.check(&file.host.fleet, |name| value::name(name)),
            dry_run: file.host.dry_run,
            pools,
            workers,
            budget: checker.budget(&file.host.budget, Budget::default()),
            lease: checker.millis(
                file.store
                    .as_ref()
                    .and_then(|store| store.lease_ms.as_ref()),
                LEASE_MS,
                LEASE,
            ),
        },
        policies,
        policies_dir: base.join(&file.policies.dir),
        fuel_max: at_least_one(&mut checker, file.policies.fuel_max.as_ref()),
        memory_bytes_max: at_least_one(&mut checker, file.policies.memory_bytes_max.as_ref())
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        listen: listen(&mut checker, file.host.listen.as_ref()),
        socket: socket(&mut checker, base, file.host.socket.as_ref()),
        state_dir: base.join(&file.host.state_dir),
        shared_store: file
            .store
            .as_ref()
            .map(|store| shared_store(&mut checker, store)),
        boxes: boxes::all(&mut checker, base, file.boxes.as_ref(), &file.pool),
        notify: notify::all(&mut checker, base, &file),
        aws: aws(&mut checker, &file.aws),
    };
    if checker.findings.is_empty() {
        return Ok(config);
    }
    checker.findings.sort();
    Err(checker.findings)
}

fn at_least_one(checker: &mut Checker<'_>, value: Option<&Spanned<u64>>) -> Option<u64> {
    value.map(|value| checker.check(value, |number| value::within(*number, (1, u64::MAX))))
}

/// The interface is for this machine only, because every client may read addresses and reload
/// policies.
fn listen(checker: &mut Checker<'_>, value: Option<&Spanned<String>>) -> SocketAddr {
    let default = SocketAddr::from(([127, 0, 0, 1], 7433));
    let Some(value) = value else {
        return default;
    };
    match value.get_ref().parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => address,
        Ok(address) => {
            let found = format!(
                "`listen` is {address}, which other machines may reach; accepted: a loopback address such as \
                 {LISTEN} or [::1]:7433"
            );
            checker.refuse(value.span(), found);
            default
        }
        Err(_) => {
            let found = format!(
                "`listen` is {:?}; accepted: a loopback address and a port, such as {LISTEN} or [::1]:7433",
                value.get_ref()
            );
            checker.refuse(value.span(), found);
            default
        }
    }
}

fn socket(
    checker: &mut Checker<'_>,
    base: &Path,
    value: Option<&Spanned<PathBuf>>,
) -> Option<PathBuf> {
    let value = value?;
    let path = base.join(value.get_ref());
    let length = path.as_os_str().len();
    if value.get_ref().as_os_str().is_empty() || length > SOCKET_PATH_BYTES_MAX {
        let found = format!(
            "the path of `socket` has {length} bytes; accepted: 1 to {SOCKET_PATH_BYTES_MAX}, the most a \
             Unix socket can have"
        );
        checker.refuse(value.span(), found);
    }
    Some(path)
}

fn shared_store(checker: &mut Checker<'_>, store: &file::Store) -> SharedStore {
    SharedStore {
        table: checker.check(&store.table, |name| value::table(name)),
        region: Region::new(checker.check(&store.region, |region| value::region(region))),
    }
}

fn aws(checker: &mut Checker<'_>, aws: &file::Aws) -> Aws {
    let mut optional = |value: Option<&Spanned<String>>| {
        value.map(|value| checker.check(value, |text| value::text(text, 2048)))
    };
    Aws {
        profile: optional(aws.profile.as_ref()),
        endpoint_url: optional(aws.endpoint_url.as_ref()),
    }
}
