//! The memory of a host with many workers, and the cost of a scan of them. Each size runs in a
//! process of its own, with the real shell and store and a cloud in which every worker has one
//! running instance. The memory is measured after a scan and one resolve of each worker.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use reeve::store::SqliteStore;
use reeve::{Access, Clock, Host, HostOptions, Policies, Webhooks};
use reeve_core::cloud::{Outcome, PointerReading, Query, Reading};
use reeve_core::guard::Permit;
use reeve_core::id::{InstanceId, PointerName, PoolName, WorkerId};
use reeve_core::instance::{Instance, InstanceState, TAG_WORKER};
use reeve_core::ports::{Cloud, CloudFuture};
use reeve_core::spec::{FleetSpec, PoolSpec, WorkerSpec};

use crate::http::{POOL, address, any_port, bindings, pool};
use crate::load::Connection;

/// The sizes of fleets that are measured.
const SIZES: [usize; 2] = [1_000, 10_000];
/// The first argument of the measured process; the number of its workers follows.
pub(crate) const HOST_OF: &str = "--host-of";
/// Long enough for a scan of the largest fleet to be over.
const SCAN_INTERVAL: Duration = Duration::from_secs(4);
/// The number of connections that resolve the workers.
const ASKING: usize = 4;

/// The figures of a host with this many workers.
pub(crate) struct Memory {
    pub(crate) workers: usize,
    pub(crate) resident_mib: f64,
    /// The CPU time of all threads for one scan.
    pub(crate) scan_cpu_ms: f64,
    /// The number of cloud calls in one scan.
    pub(crate) scan_calls: f64,
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
            let mut figures = text.split_whitespace().map(str::parse::<f64>);
            let mut figure = || {
                figures
                    .next()
                    .context("a figure is missing")?
                    .context("no figure")
            };
            Ok(Memory {
                workers: *workers,
                resident_mib: figure()?,
                scan_cpu_ms: figure()?,
                scan_calls: figure()?,
            })
        })
        .collect()
}

/// Runs in the measured process: prints its resident memory in MiB, a scan's CPU in ms and its
/// cloud calls.
pub(crate) fn host_of(workers: usize, policies: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let crowd = Arc::new(Crowd::default());
    let host = runtime.block_on(Host::start(HostOptions {
        spec: fleet(workers),
        policies: Policies::new(policies, bindings(), reeve_policy::Limits::default())?,
        cloud: crowd.clone(),
        store: Arc::new(SqliteStore::open(dir.path().join("workers.db"))?),
        listen: Some(any_port()),
        socket: None,
        network: None,
        access: Access::default(),
        boxes: None,
        iam: None,
        webhooks: Webhooks::none(),
        state_dir: dir.path().join("state"),
        clock: Clock::start(),
    }))?;
    let address = address(&host)?;
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
    let resident_mib = status_mib("VmRSS")?;
    let (cpu_ms, calls) = scans(&crowd)?;
    println!("{resident_mib} {cpu_ms} {calls}");
    host.shutdown().begin();
    Ok(runtime.block_on(host.join())?)
}

/// The CPU time and the cloud calls of one scan: the mean over several scans without requests.
fn scans(crowd: &Crowd) -> Result<(f64, f64)> {
    const SCANS: u64 = 5;
    let until_next = || {
        let before = crowd.scans.load(Ordering::Relaxed);
        while crowd.scans.load(Ordering::Relaxed) == before {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until_next();
    // A scan that has just begun ends well before the next one.
    std::thread::sleep(SCAN_INTERVAL / 2);
    let (cpu_ms, calls) = (cpu_ms()?, crowd.calls.load(Ordering::Relaxed));
    std::thread::sleep(SCAN_INTERVAL * u32::try_from(SCANS)?);
    let calls = crowd.calls.load(Ordering::Relaxed) - calls;
    Ok((
        (self::cpu_ms()? - cpu_ms) / SCANS as f64,
        calls as f64 / SCANS as f64,
    ))
}

/// User and system time of this process (proc(5): fields 14 and 15 of `stat`, in hundredths of a
/// second).
fn cpu_ms() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let mut ticks = after_name.split_whitespace().skip(11);
    let mut tick = || -> Result<f64> { Ok(ticks.next().context("no times in stat")?.parse()?) };
    Ok((tick()? + tick()?) * 10.0)
}

/// A size of this process's memory, such as `VmRSS`, which is what is resident, or `VmHWM`, which is
/// the most that ever was (proc(5)).
pub(crate) fn status_mib(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    let kib: f64 = kib
        .with_context(|| format!("no {name} in /proc/self/status"))?
        .parse()?;
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
            wish: Default::default(),
            labels: Default::default(),
        };
        (WorkerId::new(name(number)), spec)
    };
    FleetSpec {
        name: "bench".to_owned(),
        pools: [(PoolName::from(POOL), scanned_often())].into(),
        workers: (0..workers).map(worker).collect(),
        ..FleetSpec::default()
    }
}

/// The configuration: with reaping, and with scans so often that the bench can wait for a few.
fn scanned_often() -> PoolSpec {
    let mut pool = PoolSpec {
        reap: true,
        ..pool()
    };
    pool.limits.scan_interval = SCAN_INTERVAL.into();
    pool
}

/// A cloud in which every worker's instance runs and its pointer names it.
#[derive(Default)]
struct Crowd {
    calls: AtomicU64,
    scans: AtomicU64,
}

impl Crowd {
    /// The instance of the worker with this tag.
    fn instance(value: &str) -> Instance {
        Instance {
            id: InstanceId::new(format!("i-{value}")),
            state: InstanceState::Running,
            private_ip: Some(IpAddr::from([10, 0, 0, 1])),
            public_ip: None,
            launched_at: None,
            role: None,
            state_reason: None,
            tags: [(TAG_WORKER.to_owned(), value.to_owned())].into(),
        }
    }
}

impl Cloud for Crowd {
    fn query(&self, query: Query) -> CloudFuture<'_, Reading> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if matches!(query, Query::Scan { .. }) {
            self.scans.fetch_add(1, Ordering::Relaxed);
        }
        let of_id = |id: &InstanceId| id.as_str().trim_start_matches("i-").to_owned();
        let reading = match query {
            Query::Pointer { name, .. } => {
                let value = name.as_str().trim_start_matches("/bench/");
                Reading::Pointer(PointerReading {
                    names: Some(Self::instance(value).id),
                    written_at: None,
                })
            }
            Query::Instance { id, .. } => Reading::Instance(Self::instance(&of_id(&id))),
            Query::Scan { tag_values, .. } => Reading::Scan(
                tag_values
                    .iter()
                    .map(|value| Self::instance(value))
                    .collect(),
            ),
            Query::Demand { .. } => Reading::Demand(BTreeMap::new()),
            Query::StatusChecks { .. } => Reading::StatusChecks(BTreeMap::new()),
            Query::TemplateVersion { .. } => Reading::TemplateVersion(1),
        };
        Box::pin(async { Ok(reading) })
    }

    fn mutate(&self, _permit: Permit) -> CloudFuture<'_, Outcome> {
        Box::pin(async { Ok(Outcome::Accepted) })
    }
}
