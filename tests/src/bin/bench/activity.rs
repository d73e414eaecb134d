//! Reports of deliveries over HTTP, answered when they are durable, in each of the two stores. Many
//! connections send the same report about one worker at the same time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reeve::store::SqliteStore;
use reeve::{Clock, RunningHost};
use reeve_aws::{DynamoOptions, DynamoStore};
use reeve_core::id::{Region, WorkerId};
use reeve_core::ports::Store;
use reeve_core::store::{Refresh, Refreshed};
use reeve_tests::emulator::{Emulator, REGION};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::http::{
    CONSTANT, FLEET, RESOLVE, WORKER, address, serve_constant, start_host, steady_answer,
};
use crate::load::{Asked, Connection, Load, MANY, Shown, WARM_UP, generate, middle};
use crate::measure::median;

const DELIVERED: &str = "/v1/workers/chat/delivered";
/// The response to a report that is durable.
const STORED: &[u8] = br#"{"outcome":"stored"}"#;
const REPORT: Asked<'_> = Asked {
    path: DELIVERED,
    shown: Shown {
        tls: None,
        token: None,
    },
    body: Some("{}"),
    answer: Some(STORED),
};
/// The number of turns of the host and of its yardstick, and the length of each turn.
const SQLITE_TURNS: (usize, Duration) = (9, Duration::from_millis(600));
/// The emulator responds a few hundred times a second, so a turn must be longer.
const DYNAMODB_TURNS: (usize, Duration) = (5, Duration::from_secs(2));
const TABLE: &str = "reeve";

/// With the store in a file, compared with a handler that returns a constant.
pub(crate) struct Sqlite {
    pub(crate) reported: Load,
    pub(crate) constant: Load,
}

/// With the store in an emulator of DynamoDB, compared with bare updates there.
pub(crate) struct Dynamodb {
    pub(crate) reported: Load,
    /// Updates of the worker's item each second, from as many connections, without the host.
    pub(crate) bare_per_s: f64,
}

/// Measures the real shell with its store in a file, on the disk of the policies.
pub(crate) fn measure_sqlite(policies: &Path) -> Result<Sqlite> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let state = tempfile::tempdir_in(policies.parent().unwrap_or(policies))?;
    let store = Arc::new(SqliteStore::open(state.path().join("workers.db"))?);
    let host = begin(&runtime, policies, state.path(), store)?;
    let constant = serve_constant(&runtime, STORED.into(), None)?;
    let asked = Asked {
        path: CONSTANT,
        ..REPORT
    };
    let (turns, length) = SQLITE_TURNS;
    let (mut reports, mut constants) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        reports.push(generate(address(&host)?, REPORT, MANY, length)?);
        constants.push(generate(constant, asked, MANY, length)?);
    }
    end(&runtime, host)?;
    Ok(Sqlite {
        reported: middle(&reports),
        constant: middle(&constants),
    })
}

/// Measures the real shell with the store that several hosts share, in an emulator on a free port.
pub(crate) fn measure_dynamodb(policies: &Path) -> Result<Dynamodb> {
    let emulator = Emulator::start();
    emulator.create_table(TABLE);
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let state = tempfile::tempdir()?;
    let options = DynamoOptions {
        table: TABLE.to_owned(),
        fleet: FLEET.to_owned(),
        region: Region::from(REGION),
        profile: None,
        endpoint_url: Some(emulator.url()),
    };
    let store = Arc::new(runtime.block_on(DynamoStore::connect(options))?);
    let host = begin(&runtime, policies, state.path(), Arc::clone(&store) as _)?;
    let (turns, length) = DYNAMODB_TURNS;
    let (mut reports, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        reports.push(generate(address(&host)?, REPORT, MANY, length)?);
        bare.push(runtime.block_on(updates_per_s(&store, length))?);
    }
    end(&runtime, host)?;
    Ok(Dynamodb {
        reported: middle(&reports),
        bare_per_s: median(&mut bare),
    })
}

/// Starts a host that serves its worker and stores reports about it.
fn begin(
    runtime: &Runtime,
    policies: &Path,
    state: &Path,
    store: Arc<dyn Store>,
) -> Result<RunningHost> {
    let host = runtime.block_on(start_host(policies, state, store, None))?;
    steady_answer(address(&host)?, RESOLVE)?;
    let body = Connection::asking(address(&host)?, REPORT)?.ask()?.body;
    ensure!(
        body == STORED,
        "a report is not stored: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(host)
}

fn end(runtime: &Runtime, host: RunningHost) -> Result<()> {
    host.shutdown().begin();
    Ok(runtime.block_on(host.join())?)
}

/// Measures concurrent updates of the worker's item by the store alone. It uses heartbeats, because
/// each is always one call: a delivery that another one has overtaken takes two.
async fn updates_per_s(store: &Arc<DynamoStore>, length: Duration) -> Result<f64> {
    let clock = Clock::start();
    let from = Instant::now() + WARM_UP;
    let mut tasks = JoinSet::new();
    for _ in 0..MANY {
        let store = Arc::clone(store);
        tasks.spawn(async move { updates(&store, clock, from, from + length).await });
    }
    let mut updates = 0;
    while let Some(count) = tasks.join_next().await {
        updates += count??;
    }
    Ok(f64::from(updates) / length.as_secs_f64())
}

/// Sends one update after the other. Returns how many were answered in the measured time.
async fn updates(store: &DynamoStore, clock: Clock, from: Instant, until: Instant) -> Result<u32> {
    let mut updates = 0;
    loop {
        let heartbeat = Refresh::Heartbeat { at: clock.now() };
        let refreshed = store.refresh(WorkerId::from(WORKER), heartbeat).await;
        let refreshed = refreshed.context("the emulator's DynamoDB")?;
        ensure!(
            refreshed == Refreshed::Written,
            "an update has the outcome {refreshed:?}"
        );
        let answered = Instant::now();
        if answered > until {
            return Ok(updates);
        }
        updates += u32::from(answered >= from);
    }
}
