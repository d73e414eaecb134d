//! How long a host's policies take to come into force: at its start, with and without compiled code of
//! an earlier one, and when a file changes while policies decide. A decision during reloads is compared
//! with one in a quiet registry.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow, bail, ensure};
use reeve_core::id::Digest;
use reeve_policy::compile::{Cache, InChild};
use reeve_policy::{Limits, Outcome, PolicyEngine, Registry};

use crate::component::setup::{Setup, answering, pool};
use crate::component::{again_ms, question};
use crate::http::bindings;
use crate::measure::{median, percentile};

/// Starts of each kind.
const STARTS: usize = 5;
const RELOADS: usize = 1000;
/// Threads that decide without a pause. The reloads have the other core.
const DECIDING: usize = 1;
/// The decisions of the quiet registry.
const QUIET: usize = 20_000;

/// All figures.
pub(crate) struct Reloads {
    /// The five standard policies come into force.
    pub(crate) cold_ms: f64,
    pub(crate) warm_ms: f64,
    /// A changed file comes into force, its code compiled before.
    pub(crate) reload: Percentiles,
    pub(crate) quiet: Percentiles,
    pub(crate) during: Percentiles,
    /// The decisions during the reloads. None failed.
    pub(crate) decisions: usize,
}

/// In microseconds.
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Percentiles {
    fn of(mut values_us: Vec<f64>) -> Self {
        Self {
            p50_us: percentile(&mut values_us, 50),
            p99_us: percentile(&mut values_us, 99),
        }
    }
}

/// Measures all of it.
pub(crate) fn measure(policies: &Path) -> Result<Reloads> {
    let (mut cold_ms, mut warm_ms) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let cache = tempfile::tempdir()?;
        let cache = cache.path().join("cache");
        cold_ms.push(start_ms(policies, &cache)?);
        warm_ms.push(start_ms(policies, &cache)?);
    }
    let (one, two) = (answering(100), answering(200));
    let setup = Setup::serving(&one);
    let quiet = (0..QUIET).map(|_| decide_us(&setup, &[Digest::of(&one)]));
    let quiet = quiet.collect::<Result<_>>()?;
    let (reload, during) = reload_while_deciding(&setup, [&one, &two])?;
    Ok(Reloads {
        cold_ms: median(&mut cold_ms),
        warm_ms: median(&mut warm_ms),
        quiet: Percentiles::of(quiet),
        reload: Percentiles::of(reload),
        decisions: during.len(),
        during: Percentiles::of(during),
    })
}

/// Starts an engine with this cache, as a host does, and waits for its policies.
fn start_ms(policies: &Path, cache: &Path) -> Result<f64> {
    let started = Instant::now();
    let cache = Cache::open(cache.to_owned(), Cache::BYTES_MAX)?;
    // This program is its own compiler, as the host is.
    let compiler = InChild::new("/proc/self/exe".into(), Some(cache))?;
    let engine = PolicyEngine::new(Limits::default())?.compiling_by(Arc::new(compiler));
    let registry = Registry::new(engine, policies.to_owned(), bindings())?;
    let report = registry.reload();
    let took = started.elapsed();
    if let Some((file, error)) = report.refused().next() {
        bail!("{file} is refused: {}", error.text());
    }
    Ok(took.as_secs_f64() * 1000.0)
}

/// The times of reloads and those of decisions during them.
fn reload_while_deciding(setup: &Setup, versions: [&[u8]; 2]) -> Result<(Vec<f64>, Vec<f64>)> {
    let digests = versions.map(Digest::of);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let deciding: Vec<_> = (0..DECIDING)
            .map(|_| {
                scope.spawn(|| {
                    let mut times_us = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        times_us.push(decide_us(setup, &digests)?);
                    }
                    anyhow::Ok(times_us)
                })
            })
            .collect();
        let reloads = (1..=RELOADS).map(|round| reload_us(setup, versions[round % 2]));
        let reloads = reloads.collect::<Result<_>>();
        over.store(true, Ordering::Relaxed);
        let mut decisions_us = Vec::new();
        for thread in deciding {
            decisions_us.extend(
                thread
                    .join()
                    .map_err(|_| anyhow!("a decision panicked"))??,
            );
        }
        Ok((reloads?, decisions_us))
    })
}

fn reload_us(setup: &Setup, version: &[u8]) -> Result<f64> {
    setup.write(version);
    let started = Instant::now();
    let outcome = setup.reload();
    let took = started.elapsed();
    ensure!(matches!(outcome, Outcome::Activated { .. }), "{outcome:?}");
    Ok(took.as_secs_f64() * 1e6)
}

/// One decision, which names one of these versions and says what that version says.
fn decide_us(setup: &Setup, digests: &[Digest]) -> Result<f64> {
    let started = Instant::now();
    let decision = setup.registry.slots().decide(&pool(), question());
    let took = started.elapsed();
    let digest = decision.policy.map(|policy| policy.digest);
    let ms = again_ms(&decision.verdict?);
    let version = usize::try_from(ms / 100 - 1)?;
    ensure!(
        digest.is_some() && digests.get(version) == digest.as_ref(),
        "{digest:?} said {ms}"
    );
    Ok(took.as_secs_f64() * 1e6)
}
