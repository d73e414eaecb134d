//! `cargo xtask swarm`: thousands of random worlds, with the policy components of production.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to the person who runs it"
)]

mod digest;
mod incidents;
mod many;
mod one;
mod tally;
mod troupe;
mod verdicts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use reeve_policy::compile::child;
use reeve_sim::swarm::{self, Options};

use tally::Tally;
use troupe::Troupe;

/// The number of worlds without `--seeds`.
const SEEDS: u64 = 1_000;
/// The run ends after this many failed worlds: more of them show little that is new.
const VIOLATIONS_MAX: usize = 20;

/// The part of `--help` about digests.
const DIGESTS: &str = "\
Digests tell whether a core that was restructured still does the same:
  swarm --digest --seeds 5000 --write FILE   before: records two digests for each world
  swarm --digest --compare FILE              after: plays the same worlds, and names those that differ
                                             (with --seeds N: only the first N of them)
  swarm --digest --seed S --trace            prints the lines behind a world's digests, to compare
                                             those of two builds with `diff`
The strict digest is over everything that leaves the core, in order and with ids. The canonical one is
over mutations and responses, whatever the order within a step. --compare exits with 0 when both are
equal in every world, 3 when only strict ones differ, 1 when a canonical one does.";

#[derive(Parser)]
#[command(
    name = "cargo xtask swarm",
    about = "Plays random worlds, and checks the guarantees",
    after_help = DIGESTS
)]
struct CommandLine {
    /// The number of worlds; each has its own seed [default: 1000]
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Plays this one world, and prints its story
    #[arg(long)]
    seed: Option<u64>,
    /// Plays further seeds until this many seconds have passed
    #[arg(long)]
    seconds: Option<u64>,
    /// The number of worlds at a time [default: one per core]
    #[arg(long)]
    threads: Option<usize>,
    /// Ends at the first world that fails, and does not make it smaller
    #[arg(long)]
    first: bool,
    /// Plays with the incidents' legacy policies too
    #[arg(long)]
    legacy: bool,
    /// Hunts for the incidents in random stories instead: as it was, and under reeve
    #[arg(long)]
    incidents: bool,
    /// Gives inputs of random worlds to this many new processes instead, and compares their verdicts
    #[arg(long, value_name = "PROCESSES", conflicts_with_all = ["incidents", "json", "seconds", "each", "first", "digest"])]
    verdicts: Option<usize>,
    /// The number of those inputs
    #[arg(long, requires = "verdicts", default_value_t = 100_000)]
    inputs: usize,
    /// In such a process: the file of the inputs, and the folder of compiled policies
    #[arg(long, hide = true, num_args = 2)]
    answer: Option<Vec<PathBuf>>,
    /// Fails unless each kind of trouble occurred this many times
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    each: u64,
    /// Writes the figures to this file, every 10,000 worlds and at the end
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Digests everything that leaves the cores, for each world (see below)
    #[arg(long, conflicts_with_all = ["incidents", "json", "seconds", "each", "first"])]
    digest: bool,
    /// Records the digests in this file
    #[arg(
        long,
        value_name = "FILE",
        requires = "digest",
        conflicts_with = "seed"
    )]
    write: Option<PathBuf>,
    /// Plays the worlds of this file, and prints which digests differ
    #[arg(long, value_name = "FILE", requires = "digest", conflicts_with_all = ["seed", "from", "legacy", "quiet"])]
    compare: Option<PathBuf>,
    /// Prints the lines behind the digests of `--seed`
    #[arg(long, requires_all = ["digest", "seed"])]
    trace: bool,
    /// Digests worlds without any trouble
    #[arg(long, requires = "digest")]
    quiet: bool,
}

fn main() -> ExitCode {
    // A compiler has no environment.
    if std::env::args().nth(1).as_deref() == Some(child::COMMAND) {
        return child::main();
    }
    match run(&CommandLine::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: &CommandLine) -> Result<ExitCode> {
    let directory = std::env::var_os("REEVE_POLICIES_DIR").map(PathBuf::from);
    let directory = directory.context(
        "REEVE_POLICIES_DIR is not set; `cargo xtask swarm` builds the policies and sets it",
    )?;
    if let Some([inputs, cache]) = line.answer.as_deref() {
        return verdicts::answer(&directory, inputs, cache.clone());
    }
    let troupe = Troupe::load(&directory)?;
    let seeds = line.seeds.unwrap_or(SEEDS);
    let threads = line
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    if line.digest {
        let wanted = digest::Wanted {
            from: line.from,
            seeds: line.seeds,
            seed: line.seed,
            trace: line.trace,
            legacy: line.legacy,
            quiet: line.quiet,
            write: line.write.clone(),
            compare: line.compare.clone(),
            threads,
        };
        return digest::run(&troupe, &directory, &wanted);
    }
    if let Some(processes) = line.verdicts {
        return verdicts::run(&troupe, line.from, processes, line.inputs, threads);
    }
    if line.incidents {
        let seeds = match line.seed {
            Some(seed) => seed..seed + 1,
            None => line.from..line.from + seeds,
        };
        return Ok(incidents::run(&troupe, seeds));
    }
    if let Some(seed) = line.seed {
        return Ok(one::run(&troupe, seed, line.legacy));
    }
    let seconds = line.seconds.map(Duration::from_secs);
    let seeds = many::Seeds {
        from: line.from,
        at_least: seeds,
        until: seconds,
        violations_max: if line.first { 1 } else { VIOLATIONS_MAX },
    };
    let look = |tally: &Tally| {
        tally.say_how_far();
        if let Some(file) = &line.json
            && let Err(error) = tally.write(file)
        {
            eprintln!("the figures so far are not kept: {error:#}");
        }
    };
    let casts = many::names(&troupe, line.legacy);
    let play = |seed| {
        let options = Options::draw(seed, &casts);
        swarm::run(&options, &troupe, &troupe.casts, false)
    };
    let tally = many::run(seeds, threads, play, look);
    tally.print();
    if let Some(file) = &line.json {
        tally.write(file)?;
    }
    let too_rare = tally.say_what_was_rare(line.each);
    let Some((seed, _)) = tally.violations.first() else {
        let code = if too_rare {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
        return Ok(code);
    };
    if !line.first {
        one::run(&troupe, *seed, line.legacy);
    }
    Ok(ExitCode::FAILURE)
}
