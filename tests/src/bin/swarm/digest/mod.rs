//! Digests of many worlds: recorded, compared with recorded ones, or printed line by line for one
//! world. `reeve_sim::swarm::digest` defines the digests.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reeve_core::id::Digest;
use reeve_sim::swarm::digest::{Digested, Digests};
use reeve_sim::swarm::{self, Options, Report};

use self::file::{Recorded, Worlds};
use crate::troupe::Troupe;
use crate::{SEEDS, many};

/// The exit code if only strict digests differ.
const ONLY_STRICT_DIFFERS: u8 = 3;
/// The most seeds that are printed: no one reads more. All of them are counted.
const SEEDS_TOLD_MAX: usize = 10_000;

/// The command line's options for digests.
pub(crate) struct Wanted {
    /// The first seed.
    pub(crate) from: u64,
    /// The number of worlds; `None`: as many as the file has, or [`SEEDS`].
    pub(crate) seeds: Option<u64>,
    /// The only world to play; `None`: all of them.
    pub(crate) seed: Option<u64>,
    /// Whether to print the lines behind the digests of `seed`.
    pub(crate) trace: bool,
    /// Whether the legacy casts play too.
    pub(crate) legacy: bool,
    /// Whether the worlds are without trouble.
    pub(crate) quiet: bool,
    /// The file to record the digests in; `None`: they are not recorded.
    pub(crate) write: Option<PathBuf>,
    /// The file to compare the digests with; `None`: they are not compared.
    pub(crate) compare: Option<PathBuf>,
    /// The number of worlds at a time.
    pub(crate) threads: usize,
}

/// Plays the worlds, and records, compares or prints their digests.
///
/// # Errors
/// When a file cannot be read or written, or is not of this build.
pub(crate) fn run(troupe: &Troupe, directory: &Path, wanted: &Wanted) -> Result<ExitCode> {
    let mut worlds = Worlds {
        from: wanted.from,
        seeds: wanted.seeds.unwrap_or(SEEDS),
        legacy: wanted.legacy,
        quiet: wanted.quiet,
    };
    if let Some(seed) = wanted.seed {
        let digested = one(troupe, worlds, seed, wanted.trace)?;
        tell(seed, &digested);
        return Ok(ExitCode::SUCCESS);
    }
    let recorded = wanted.compare.as_deref().map(file::read).transpose()?;
    if let Some(recorded) = &recorded {
        let seeds = wanted.seeds.unwrap_or(recorded.worlds.seeds);
        worlds = Worlds {
            seeds: seeds.min(recorded.worlds.seeds),
            ..recorded.worlds
        };
    }
    let (digests, is_sound) = many(troupe, worlds, wanted.threads);
    let played = Recorded {
        worlds,
        policies: components(directory)?,
        digests,
    };
    if let Some(file) = &wanted.write {
        file::write(file, &played)?;
        println!("written to {}", file.display());
    }
    let compared = match (&wanted.compare, &recorded) {
        (Some(file), Some(recorded)) => compare(file, recorded, &played),
        _ => ExitCode::SUCCESS,
    };
    Ok(match is_sound {
        true => compared,
        false => ExitCode::FAILURE,
    })
}

/// A short digest over all policy components: other components may decide differently.
fn components(directory: &Path) -> Result<String> {
    let cannot = || format!("cannot read the policies in {}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(cannot)? {
        let file = entry.with_context(cannot)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            files.push(file);
        }
    }
    files.sort();
    let mut all = String::new();
    for file in files {
        let bytes = std::fs::read(&file).with_context(cannot)?;
        all.push_str(&Digest::of(&bytes).to_string());
    }
    Ok(Digest::of(all.as_bytes()).short())
}

fn play(troupe: &Troupe, worlds: Worlds, seed: u64, keeps_lines: bool) -> Report {
    let mut options = Options::draw(seed, &many::names(troupe, worlds.legacy));
    if worlds.quiet {
        options.faults.clear();
    }
    swarm::run_digested(&options, troupe, &troupe.casts, keeps_lines)
}

fn one(troupe: &Troupe, worlds: Worlds, seed: u64, keeps_lines: bool) -> Result<Digested> {
    let report = play(troupe, worlds, seed, keeps_lines);
    if let Some(violation) = &report.violation {
        eprintln!("seed {seed}: {violation}");
    }
    match report.digested {
        Some(digested) => Ok(digested),
        None => bail!("world {seed} was played without a digest; this is a bug of the swarm"),
    }
}

fn tell(seed: u64, digested: &Digested) {
    let Digests { strict, canonical } = digested.digests;
    println!("seed {seed} strict {strict:016x} canonical {canonical:016x}");
    let kinds = [
        ("strict", &digested.strict),
        ("canonical", &digested.canonical),
    ];
    for (kind, lines) in kinds {
        if !lines.is_empty() {
            println!("\n{kind}");
        }
        for line in lines {
            println!("{line}");
        }
    }
}

/// The digests by seed, and whether the guarantees held in all worlds.
fn many(troupe: &Troupe, worlds: Worlds, threads: usize) -> (BTreeMap<u64, Digests>, bool) {
    let digests = Mutex::new(BTreeMap::new());
    let seeds = many::Seeds {
        from: worlds.from,
        at_least: worlds.seeds,
        until: None,
        violations_max: usize::MAX,
    };
    let digest = |seed| {
        let report = play(troupe, worlds, seed, false);
        if let Some(digested) = &report.digested {
            let mut digests = digests.lock().unwrap_or_else(PoisonError::into_inner);
            digests.insert(seed, digested.digests);
        }
        report
    };
    let tally = many::run(seeds, threads, digest, |tally| tally.say_how_far());
    let took = Duration::from_millis(tally.took().as_millis() as u64);
    println!(
        "{} worlds digested in {took:?} on {threads} core(s), {} violations",
        tally.seeds,
        tally.violations.len()
    );
    let digests = digests.into_inner().unwrap_or_else(PoisonError::into_inner);
    (digests, tally.violations.is_empty())
}

/// Prints which worlds differ, and how to examine the first of them.
fn compare(file: &Path, recorded: &Recorded, played: &Recorded) -> ExitCode {
    if recorded.policies != played.policies {
        println!(
            "note: {} was written with other policy components ({}, here {}), which may cause differences",
            file.display(),
            recorded.policies,
            played.policies
        );
    }
    let (mut strict_only, mut canonical) = (Vec::new(), Vec::new());
    for (seed, now) in &played.digests {
        match recorded.digests.get(seed) {
            Some(before) if before == now => {}
            Some(before) if before.canonical == now.canonical => strict_only.push(*seed),
            _ => canonical.push(*seed),
        }
    }
    println!(
        "{} worlds compared with {}: the canonical digest differs in {}, only the strict one in {}",
        played.digests.len(),
        file.display(),
        canonical.len(),
        strict_only.len()
    );
    tell_seeds("canonical differs", &canonical);
    tell_seeds("only strict differs", &strict_only);
    let first = canonical.iter().chain(&strict_only).min();
    let Some(first) = first else {
        return ExitCode::SUCCESS;
    };
    let flags = format!(
        "{}{}",
        if played.worlds.legacy {
            " --legacy"
        } else {
            ""
        },
        if played.worlds.quiet { " --quiet" } else { "" },
    );
    println!(
        "the first that differs is seed {first}. To see where, print its lines in both trees and compare them:\n  \
         cargo xtask swarm --digest --seed {first}{flags} --trace > before.txt   (in the tree that wrote {})\n  \
         cargo xtask swarm --digest --seed {first}{flags} --trace > after.txt    (here)\n  \
         diff before.txt after.txt | head",
        file.display()
    );
    match canonical.is_empty() {
        true => ExitCode::from(ONLY_STRICT_DIFFERS),
        false => ExitCode::FAILURE,
    }
}

fn tell_seeds(what: &str, seeds: &[u64]) {
    if seeds.is_empty() {
        return;
    }
    let told = seeds.iter().take(SEEDS_TOLD_MAX);
    let told: Vec<_> = told.map(u64::to_string).collect();
    let more = match seeds.len().checked_sub(SEEDS_TOLD_MAX) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    println!("{what}: {}{more}", told.join(" "));
}
