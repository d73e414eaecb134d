//! What a pool notices of another one whose policy takes all that its limits allow: the resolves of a
//! worker whose policy is asked each time, while many workers of the other pool are resolved, compared
//! with the same resolves in a quiet host.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use reeve::{Clock, Policies, RunningHost};
use reeve_core::id::{PointerName, PoolName, WorkerId};
use reeve_core::instance::TAG_WORKER;
use reeve_core::point::Point;
use reeve_core::spec::{FleetSpec, WorkerSpec};
use reeve_policy::Binding;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, World};
use serde_json::json;
use tokio::runtime::Builder;

use crate::component::Fixture;
use crate::http::{FLEET, address, pool, start, steady_answer};
use crate::load::{Connection, Load, middle};
use crate::measure::percentile;

/// The pool that is measured, and its worker.
pub(crate) const GOOD: &str = "good";
pub(crate) const GOOD_RESOLVE: &str = "/v1/workers/good/resolve";
/// Each is asked about once in five seconds at most, if its policy fails: so many questions keep an
/// endless loop always at work.
const WORKERS: usize = 64;
/// Callers of the other pool, and their pause: without one, callers that are refused at once would
/// take the cores and not the places.
const CALLERS: usize = 16;
const CALLERS_PAUSE: Duration = Duration::from_millis(10);
/// Callers of the good pool and their pause: few enough that a quiet host is mostly idle, so that the
/// figures show the wait for a place and not that for a core.
const GOOD_CALLERS: usize = 2;
const PAUSE: Duration = Duration::from_millis(4);
const ROUNDS: usize = 5;
const TURN: Duration = Duration::from_secs(1);
/// How long a load is on before it is measured.
const LEAD: Duration = Duration::from_millis(500);

/// A neighbour's policy.
struct Neighbour {
    name: &'static str,
    what: &'static str,
    body: &'static str,
}

const NEIGHBOURS: [Neighbour; 4] = [
    Neighbour {
        name: "loop",
        what: "loops without end",
        body: "(loop $again (br $again))",
    },
    Neighbour {
        name: "grow",
        what: "grows its memory by nothing, without end",
        body: "(loop $again (drop (memory.grow (i32.const 0))) (br $again))",
    },
    Neighbour {
        name: "long",
        what: "takes 42 million units of fuel, and answers",
        // Five units each time.
        body: "(local.set $tries (i32.const 8400000))
            (loop $again (br_if $again (local.tee $tries
                (i32.sub (local.get $tries) (i32.const 1)))))",
    },
    Neighbour {
        name: "trap",
        what: "traps",
        body: "unreachable",
    },
];

/// The good pool's resolves.
pub(crate) struct Neighbours {
    pub(crate) quiet: Load,
    pub(crate) next_to: Vec<NextTo>,
}

/// The same next to one neighbour.
pub(crate) struct NextTo {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) load: Load,
    /// Responses other than 200.
    pub(crate) failures: usize,
}

/// Measures all neighbours in turn, each time in a new host: quiet first, because workers that were
/// asked for are wanted for a while.
pub(crate) fn measure(policies: &Path) -> Result<Neighbours> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let mut quiet = Vec::new();
    let mut next_to = NEIGHBOURS.map(|_| (Vec::new(), 0));
    for _ in 0..ROUNDS {
        for (neighbour, (loads, failures)) in NEIGHBOURS.iter().zip(&mut next_to) {
            let (state, directory) = (tempfile::tempdir()?, tempfile::tempdir()?);
            place_policies(policies, directory.path(), neighbour)?;
            let started = start_host(directory.path(), state.path(), neighbour.name);
            let host = runtime.block_on(started)?;
            steady_answer(address(&host)?, GOOD_RESOLVE)?;
            quiet.push(good_resolves(&host)?.0);
            let (load, failed) = under_load(&host, neighbour)?;
            loads.push(load);
            *failures += failed;
            host.shutdown().begin();
            runtime.block_on(host.join())?;
        }
    }
    let next_to = NEIGHBOURS.iter().zip(&next_to);
    let next_to = next_to.map(|(neighbour, (loads, failures))| NextTo {
        name: neighbour.name,
        what: neighbour.what,
        load: middle(loads),
        failures: *failures,
    });
    Ok(Neighbours {
        quiet: middle(&quiet),
        next_to: next_to.collect(),
    })
}

/// Puts the good pool's policy and the neighbour's into the directory.
fn place_policies(policies: &Path, directory: &Path, neighbour: &Neighbour) -> Result<()> {
    fs::copy(policies.join("resolve.wasm"), directory.join(file(GOOD)))?;
    // What answers the trial comes into force.
    let fixture = Fixture {
        valid_ms: 0,
        ..Fixture::at(Point::Resolve).doing_in_service(neighbour.body)
    };
    fs::write(directory.join(file(neighbour.name)), fixture.bytes())?;
    Ok(())
}

/// The good pool's resolves while the neighbour's workers are resolved.
fn under_load(host: &RunningHost, neighbour: &Neighbour) -> Result<(Load, usize)> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let ended = &ended;
                scope.spawn(move || resolve_in_turn(host, neighbour, caller, ended))
            })
            .collect();
        thread::sleep(LEAD);
        let found = good_resolves(host);
        ended.store(true, Ordering::Relaxed);
        for caller in callers {
            join(caller)??;
        }
        found
    })
}

/// Resolves one in [`CALLERS`] of the pool's workers after the other until the load ends.
fn resolve_in_turn(
    host: &RunningHost,
    neighbour: &Neighbour,
    caller: usize,
    ended: &AtomicBool,
) -> Result<()> {
    let mut connection = Connection::open(address(host)?, GOOD_RESOLVE)?;
    let mut workers = (caller..WORKERS).step_by(CALLERS).cycle();
    while !ended.load(Ordering::Relaxed) {
        let worker = worker(neighbour.name, workers.next().unwrap_or_default());
        connection.turn_to(&format!("/v1/workers/{worker}/resolve"));
        connection.ask()?;
        thread::sleep(CALLERS_PAUSE);
    }
    Ok(())
}

/// Resolves of the good worker for a turn, and how many failed.
pub(crate) fn good_resolves(host: &RunningHost) -> Result<(Load, usize)> {
    let results = thread::scope(|scope| {
        let callers: Vec<_> = (0..GOOD_CALLERS)
            .map(|_| scope.spawn(|| paced(host)))
            .collect();
        callers
            .into_iter()
            .map(|caller| join(caller)?)
            .collect::<Result<Vec<_>>>()
    })?;
    let failures = results.iter().map(|(_, failures)| failures).sum();
    let mut latencies_us: Vec<_> = results.into_iter().flat_map(|(found, _)| found).collect();
    let load = Load {
        per_s: latencies_us.len() as f64 / TURN.as_secs_f64(),
        p50_us: percentile(&mut latencies_us, 50),
        p99_us: percentile(&mut latencies_us, 99),
    };
    Ok((load, failures))
}

fn paced(host: &RunningHost) -> Result<(Vec<f64>, usize)> {
    let mut connection = Connection::open(address(host)?, GOOD_RESOLVE)?;
    let (mut latencies_us, mut failures) = (Vec::new(), 0);
    let started = Instant::now();
    while started.elapsed() < TURN {
        let asked = Instant::now();
        let answer = connection.ask()?;
        latencies_us.push(asked.elapsed().as_secs_f64() * 1e6);
        failures += usize::from(answer.status != 200);
        thread::sleep(PAUSE);
    }
    Ok((latencies_us, failures))
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> Result<T> {
    thread
        .join()
        .map_err(|_| anyhow!("a caller's thread panicked"))
}

async fn start_host(policies: &Path, state: &Path, neighbour: &str) -> Result<RunningHost> {
    let clock = Clock::start();
    let spec = fleet(neighbour);
    let world = world_of(&spec, &clock);
    let limits = reeve_policy::Limits::default();
    let policies = Policies::new(policies, bindings(neighbour)?, limits)?;
    let store = Arc::new(MemoryStore::new(false));
    start(spec, policies, (world, clock), store, (state, None)).await
}

/// A world in which each worker's instance runs and its pointer names it.
pub(crate) fn world_of(fleet: &FleetSpec, clock: &Clock) -> World {
    let mut world = World::new(1, clock.now());
    for (number, (worker, spec)) in fleet.workers.iter().enumerate() {
        let id = format!("i-{number:017x}");
        world.launch_elsewhere(&id, (TAG_WORKER, worker.as_str()), Boot::instant());
        world.place_pointer(&spec.pointer, &id);
    }
    world
}

fn bindings(neighbour: &str) -> Result<Vec<Binding>> {
    Ok(vec![good_binding()?, binding(neighbour)])
}

/// The good pool's policy, which each resolve asks.
pub(crate) fn good_binding() -> Result<Binding> {
    Ok(Binding {
        settings: serde_json::from_value(json!({ "serve_valid_ms": 0 }))?,
        ..binding(GOOD)
    })
}

/// The policy of a pool that resolves by the file of its name.
pub(crate) fn binding(pool: &str) -> Binding {
    Binding {
        file: file(pool),
        ..Binding::standard(&PoolName::new(pool), Point::Resolve)
    }
}

/// The good pool with one worker, and the neighbour's with many.
fn fleet(neighbour: &str) -> FleetSpec {
    let mut fleet = good_fleet();
    fleet.pools.insert(PoolName::new(neighbour), pool());
    let many = (0..WORKERS).map(|number| worker_of(neighbour, worker(neighbour, number)));
    fleet.workers.extend(many);
    fleet
}

/// The good pool with its worker.
pub(crate) fn good_fleet() -> FleetSpec {
    FleetSpec {
        name: FLEET.to_owned(),
        pools: [(PoolName::new(GOOD), pool())].into(),
        workers: [worker_of(GOOD, GOOD.to_owned())].into(),
        ..FleetSpec::default()
    }
}

fn worker_of(pool: &str, name: String) -> (WorkerId, WorkerSpec) {
    let spec = WorkerSpec {
        pool: PoolName::new(pool),
        pointer: PointerName::new(format!("/bench/{name}")),
        tag_value: name.clone(),
        wish: Default::default(),
        labels: Default::default(),
    };
    (WorkerId::new(name), spec)
}

/// Another length than that of the name at a trial, whose worker is spared.
fn worker(pool: &str, number: usize) -> String {
    format!("{pool}-{number:03}")
}

/// The file of the pool's policy.
pub(crate) fn file(pool: &str) -> String {
    format!("{pool}.wasm")
}
