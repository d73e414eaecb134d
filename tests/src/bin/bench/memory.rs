//! The memory of a host that keeps many workers: a process of its own, the real shell and store, a cloud in
//! which every worker has one running instance. Measured after a sweep and one resolve of each worker.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use reeve::store::SqliteStore;
use reeve::{Clock, Host, HostOptions, Policies};
use reeve_core::cloud::{Cloud, CloudFuture, Outcome, Query, Reading};
use reeve_core::guard::Permit;
use reeve_core::id::{InstanceId, PointerName, PoolName, WorkerId};
use reeve_core::instance::{Instance, InstanceState, TAG_WORKER};
use reeve_core::spec::{FleetSpec, WorkerSpec};

use crate::http::{POOL, any_port, bindings, pool};
use crate::load::Connection;

/// The sizes of fleets that are measured.
const SIZES: [usize; 2] = [1_000, 10_000];
/// What the process that is measured is started with; the number of its workers follows.
pub(crate) const HOST_OF: &str = "--host-of";
/// Connections that resolve the workers.
const ASKING: usize = 4;

/// Resident memory of a host, by its number of workers.
pub(crate) struct Memory {
    pub(crate) workers: usize,
    pub(crate) resident_mib: f64,
}

/// Measures each size in a process of its own.
pub(crate) fn measure() -> Result<Vec<Memory>> {
    SIZES
        .iter()
        .map(|workers| {
            let output = Command::new(std::env::current_exe()?)
                .args([HOST_OF, &workers.to_string()])
                .stderr(Stdio::inherit())
                .output()?;
            let text = String::from_utf8(output.stdout)?;
            ensure!(output.status.success(), "the host of {workers} failed");
            Ok(Memory {
                workers: *workers,
                resident_mib: text.trim().parse()?,
            })
        })
        .collect()
}

/// The process that is measured: prints its resident memory in MiB.
pub(crate) fn host_of(workers: usize, policies: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let host = runtime.block_on(Host::start(HostOptions {
        spec: fleet(workers),
        policies: Policies::new(policies, bindings(), reeve_policy::Limits::default())?,
        cloud: Arc::new(Crowd),
        store: Arc::new(SqliteStore::open(dir.path().join("workers.db"))?),
        listen: any_port(),
        socket: None,
        boxes: None,
        state_dir: dir.path().join("state"),
        clock: Clock::start(),
    }))?;
    let address = host.address();
    std::thread::scope(|scope| {
        let part = |first: usize| {
            for number in (first..workers).step_by(ASKING) {
                let path = format!("/v1/workers/{}/resolve?wait=30s", name(number));
                let answer = Connection::open(address, &path)?.ask()?;
                ensure!(answer.status == 200, "{path}: {}", answer.status);
            }
            anyhow::Ok(())
        };
        let asking: Vec<_> = (0..ASKING)
            .map(|first| scope.spawn(move || part(first)))
            .collect();
        for thread in asking {
            thread.join().map_err(|_| anyhow!("asking panicked"))??;
        }
        anyhow::Ok(())
    })?;
    println!("{}", resident_mib()?);
    host.shutdown().begin();
    Ok(runtime.block_on(host.join())?)
}

/// `VmRSS` of this process (proc(5)).
fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = kib.context("no VmRSS in /proc/self/status")?.parse()?;
    Ok(kib / 1024.0)
}

fn name(number: usize) -> String {
    format!("worker-{number}")
}

fn fleet(workers: usize) -> FleetSpec {
    let worker = |number: usize| {
        let spec = WorkerSpec {
            pool: PoolName::from(POOL),
            tag_value: name(number),
            pointer: PointerName::new(format!("/bench/{}", name(number))),
        };
        (WorkerId::new(name(number)), spec)
    };
    FleetSpec {
        name: "bench".to_owned(),
        pools: [(PoolName::from(POOL), pool())].into(),
        workers: (0..workers).map(worker).collect(),
        ..FleetSpec::default()
    }
}

/// Every worker's instance runs, and every pointer names it.
struct Crowd;

impl Crowd {
    /// The instance of the worker with this tag.
    fn instance(value: &str) -> Instance {
        Instance {
            id: InstanceId::new(format!("i-{value}")),
            state: InstanceState::Running,
            private_ip: Some(IpAddr::from([10, 0, 0, 1])),
            public_ip: None,
            launched_at: None,
            tags: [(TAG_WORKER.to_owned(), value.to_owned())].into(),
        }
    }
}

impl Cloud for Crowd {
    fn query(&self, query: Query) -> CloudFuture<'_, Reading> {
        let of_id = |id: &InstanceId| id.as_str().trim_start_matches("i-").to_owned();
        let reading = match query {
            Query::Pointer { name, .. } => {
                let value = name.as_str().trim_start_matches("/bench/");
                Reading::Pointer(Some(Self::instance(value).id))
            }
            Query::Instance { id, .. } => Reading::Instance(Self::instance(&of_id(&id))),
            Query::Sweep { tag_values, .. } => Reading::Sweep(
                tag_values
                    .iter()
                    .map(|value| Self::instance(value))
                    .collect(),
            ),
            Query::Demand { .. } => Reading::Demand(BTreeMap::new()),
        };
        Box::pin(async { Ok(reading) })
    }

    fn mutate(&self, _permit: Permit) -> CloudFuture<'_, Outcome> {
        Box::pin(async { Ok(Outcome::Accepted) })
    }
}
