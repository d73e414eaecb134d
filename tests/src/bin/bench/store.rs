//! Compare-and-set in the SQLite store, with every response durable, compared with the syncs of the
//! disk.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reeve::store::SqliteStore;
use reeve_core::id::{Generation, Version, WorkerId};
use reeve_core::ports::Store;
use reeve_core::store::{Committed, WorkerRecord, Write};
use tokio::task::JoinSet;

/// The time to measure each figure.
const EACH: Duration = Duration::from_secs(4);
/// The number of workers that change at the same time, as in a busy fleet.
const BUSY_WORKERS: usize = 64;

/// The number of durable changes each second.
pub(crate) struct Durable {
    /// Records appended to a file and synced, one after the other.
    pub(crate) fsync_per_s: f64,
    /// Commits of one worker, each after the response to the former.
    pub(crate) one_per_s: f64,
    /// Commits of many workers at the same time.
    pub(crate) many_per_s: f64,
}

/// Measures in a new directory in this one, so on the disk of the build and not in memory.
pub(crate) fn measure(beneath: &Path) -> Result<Durable> {
    let dir = tempfile::tempdir_in(beneath)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(Durable {
        fsync_per_s: fsync(&dir.path().join("synced"))?,
        one_per_s: runtime.block_on(commits(&dir.path().join("one.db"), 1))?,
        many_per_s: runtime.block_on(commits(&dir.path().join("many.db"), BUSY_WORKERS))?,
    })
}

fn fsync(path: &Path) -> Result<f64> {
    let record = serde_json::to_vec(&WorkerRecord::default())?;
    let mut file = File::create(path)?;
    let began = Instant::now();
    let mut written = 0u32;
    while began.elapsed() < EACH {
        file.write_all(&record)?;
        file.sync_data()?;
        written += 1;
    }
    Ok(f64::from(written) / began.elapsed().as_secs_f64())
}

async fn commits(path: &Path, workers: usize) -> Result<f64> {
    let store = Arc::new(SqliteStore::open(path)?);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..workers {
        let store = Arc::clone(&store);
        let worker = WorkerId::new(format!("worker-{number}"));
        tasks.spawn(async move { transitions(&*store, &worker, began).await });
    }
    let mut written = 0;
    while let Some(count) = tasks.join_next().await {
        written += count??;
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}

/// Commits one transition after the other. Returns how many were committed.
async fn transitions(store: &dyn Store, worker: &WorkerId, began: Instant) -> Result<u64> {
    let mut version = Version::default();
    while began.elapsed() < EACH {
        let write = Write {
            worker: worker.clone(),
            expected: version,
            record: WorkerRecord {
                generation: Generation::new(version.get()),
                ..WorkerRecord::default()
            },
            if_idle: None,
        };
        let committed = store.commit(write).await?;
        ensure!(
            committed == Committed::Written(version.next()),
            "no other process writes, and yet: {committed:?}"
        );
        version = version.next();
    }
    Ok(version.get())
}
