//! What a host notices of files that take the compiler all that it may have: its own memory, how soon
//! another pool's changed file is in force, and the resolves of a worker whose policy is asked each
//! time. The host runs in a process of its own, whose memory is measured.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reeve::{Clock, Policies, RunningHost};
use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Point;
use reeve_sim::store::MemoryStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::component::Fixture;
use crate::http::{address, pool, start, steady_answer};
use crate::load::{Connection, Load};
use crate::memory::status_mib;
use crate::neighbours::{self, GOOD, GOOD_RESOLVE, file};

/// The first argument of the measured process.
pub(crate) const HOST: &str = "--host-with-bombs";
const BOMBS: usize = 20;
/// Each is a turn of a second.
const QUIET_TURNS: usize = 5;
/// All bombs are refused by then: two at a time, for twenty seconds of wall time at most.
const REFUSED_MAX: Duration = Duration::from_secs(300);
const LOOK_EACH: Duration = Duration::from_millis(10);

/// The figures.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bombs {
    /// The host's resident memory before, with all policies in force.
    pub(crate) before_mib: f64,
    /// The most that it ever had, after the last bomb.
    pub(crate) peak_mib: f64,
    /// From the change of another pool's file until it is in force, in a host that compiles nothing
    /// else.
    pub(crate) alone_ms: f64,
    /// The same while a bomb is compiled.
    pub(crate) next_to_one_ms: f64,
    /// Resolves that the good pool's policy decides.
    pub(crate) quiet: Load,
    /// The same while bombs are compiled, two at a time.
    pub(crate) during: Load,
    /// How long it took until all were refused.
    pub(crate) refused_s: f64,
}

/// Measures in a process of its own. The bombs are made here: making them takes memory.
pub(crate) fn measure() -> Result<Bombs> {
    let bombs = tempfile::tempdir()?;
    for number in 0..BOMBS {
        fs::write(bombs.path().join(file(&name(number))), bomb(number))?;
    }
    let output = Command::new(std::env::current_exe()?)
        .arg(HOST)
        .arg(bombs.path())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the host with the bombs failed");
    serde_json::from_slice(&output.stdout).context("the host with the bombs tells no figures")
}

/// Runs in the measured process: prints the figures as JSON.
pub(crate) fn host(policies: &Path, bombs: &Path) -> Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let (state, directory) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let directory = directory.path();
    let good = fs::read(policies.join("resolve.wasm"))?;
    fs::write(directory.join(file(GOOD)), &good)?;
    for number in 0..BOMBS {
        fs::write(directory.join(file(&name(number))), &good)?;
    }
    let host = runtime.block_on(start_host(directory, state.path()))?;
    steady_answer(address(&host)?, GOOD_RESOLVE)?;

    let quiet = resolves_while(&host, |turns| Ok(turns < QUIET_TURNS))?;
    let alone_ms = in_force_ms(&host, directory, &changed(&good, 1))?;
    let before_mib = status_mib("VmRSS")?;
    let lit = Instant::now();
    light(bombs, directory, 0)?;
    // The watch takes the changes of a moment together; the bomb is being compiled after that.
    thread::sleep(Duration::from_secs(1));
    let next_to_one_ms = in_force_ms(&host, directory, &changed(&good, 2))?;
    ensure!(refused(&host)? == 0, "the bomb was refused too early");
    for number in 1..BOMBS {
        light(bombs, directory, number)?;
    }
    let during = resolves_while(&host, |_| {
        ensure!(lit.elapsed() < REFUSED_MAX, "not all bombs are refused");
        Ok(refused(&host)? < BOMBS)
    })?;
    let figures = Bombs {
        before_mib,
        peak_mib: status_mib("VmHWM")?,
        alone_ms,
        next_to_one_ms,
        quiet,
        during,
        refused_s: lit.elapsed().as_secs_f64(),
    };
    println!("{}", serde_json::to_string(&figures)?);
    host.shutdown().begin();
    Ok(runtime.block_on(host.join())?)
}

async fn start_host(policies: &Path, state: &Path) -> Result<RunningHost> {
    let clock = Clock::start();
    let mut spec = neighbours::good_fleet();
    for number in 0..BOMBS {
        spec.pools.insert(PoolName::new(name(number)), pool());
    }
    let world = neighbours::world_of(&spec, &clock);
    let bombs = (0..BOMBS).map(|number| neighbours::binding(&name(number)));
    let bindings = bombs.chain([neighbours::good_binding()?]).collect();
    let limits = reeve_policy::Limits::default();
    let policies = Policies::compiled_in_children(policies, bindings, limits)?;
    let store = Arc::new(MemoryStore::new(false));
    start(spec, policies, (world, clock), store, (state, None)).await
}

/// Puts a bomb where a pool's sound policy was.
fn light(bombs: &Path, directory: &Path, number: usize) -> Result<()> {
    let file = file(&name(number));
    replace(directory, &file, &fs::read(bombs.join(&file))?)
}

/// A sound policy with a module whose functions, of loops inside each other, take minutes. Each one's
/// digest is its own.
fn bomb(number: usize) -> Vec<u8> {
    let function = format!("(func {}{})", "(loop ".repeat(255), ")".repeat(255));
    let functions = function.repeat(4_000);
    let bomb = Fixture {
        prelude: format!("(core module {functions} (func i32.const {number} drop))"),
        ..Fixture::at(Point::Resolve)
    };
    bomb.bytes()
}

/// The same policy with another digest: with a custom section, which means nothing.
fn changed(policy: &[u8], number: u8) -> Vec<u8> {
    let section = [0, 3, 1, b'v', number];
    [policy, &section].concat()
}

/// The milliseconds until this content is in force as the good pool's policy.
fn in_force_ms(host: &RunningHost, directory: &Path, content: &[u8]) -> Result<f64> {
    let digest = Digest::of(content).to_string();
    let changed = Instant::now();
    replace(directory, &file(GOOD), content)?;
    loop {
        let files = files(host)?;
        let good = files.iter().find(|found| found["file"] == file(GOOD));
        let good = good.context("the good pool's file is not bound")?;
        if good["digest"] == digest {
            return Ok(changed.elapsed().as_secs_f64() * 1000.0);
        }
        if !good["last_error"].is_null() || changed.elapsed() > REFUSED_MAX {
            bail!("the changed file is not in force: {good}");
        }
        thread::sleep(LOOK_EACH);
    }
}

/// Replaces a policy's file as authors are told to: in one step.
fn replace(directory: &Path, name: &str, content: &[u8]) -> Result<()> {
    let new = directory.join(format!(".{name}.new"));
    fs::write(&new, content)?;
    Ok(fs::rename(new, directory.join(name))?)
}

/// How many bombs are refused.
fn refused(host: &RunningHost) -> Result<usize> {
    let files = files(host)?;
    let refused = files.iter().filter(|found| !found["last_error"].is_null());
    Ok(refused.count())
}

fn files(host: &RunningHost) -> Result<Vec<Value>> {
    let answer = Connection::open(address(host)?, "/v1/policies")?.ask()?;
    let mut policies: Value = serde_json::from_slice(&answer.body)?;
    let files = policies["policies"].as_array_mut().map(std::mem::take);
    files.context("/v1/policies has no list")
}

/// The good worker's resolves, turn by turn while this holds. None may fail.
fn resolves_while(host: &RunningHost, mut more: impl FnMut(usize) -> Result<bool>) -> Result<Load> {
    let mut loads = Vec::new();
    while more(loads.len())? {
        let (load, failures) = neighbours::good_resolves(host)?;
        ensure!(failures == 0, "{failures} resolves failed");
        loads.push(load);
    }
    Ok(crate::load::middle(&loads))
}

fn name(number: usize) -> String {
    format!("bomb-{number:02}")
}
