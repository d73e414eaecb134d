//! `cargo xtask swarm`: random worlds by the thousand, with the policies as the components that run in production.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to the person who runs it"
)]

mod incidents;
mod many;
mod one;
mod tally;
mod troupe;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;

use tally::Tally;
use troupe::Troupe;

/// A world that fails is looked at; so many of them say enough.
const VIOLATIONS_MAX: usize = 20;

#[derive(Parser)]
#[command(
    name = "cargo xtask swarm",
    about = "Lets random worlds run, and checks the guarantees"
)]
struct CommandLine {
    /// How many worlds, each of a seed of its own
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Lets this one world run, and prints what happens in it
    #[arg(long)]
    seed: Option<u64>,
    /// Goes on with further seeds until so many seconds have passed
    #[arg(long)]
    seconds: Option<u64>,
    /// How many run at a time; all cores unless it is said otherwise
    #[arg(long)]
    threads: Option<usize>,
    /// Ends at the first world that fails, and does not look for a smaller one
    #[arg(long)]
    first: bool,
    /// Also lets the policies play that did the incidents
    #[arg(long)]
    legacy: bool,
    /// Lets random stories of the incidents' people happen instead: as it was, and under reeve
    #[arg(long)]
    incidents: bool,
    /// Fails unless each kind of trouble came up so often
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    each: u64,
    /// Writes the figures to this file, every 10,000 worlds and at the end
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
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
    let troupe = Troupe::load(&directory)?;
    if line.incidents {
        let seeds = match line.seed {
            Some(seed) => seed..seed + 1,
            None => line.from..line.from + line.seeds,
        };
        return Ok(incidents::run(&troupe, seeds));
    }
    if let Some(seed) = line.seed {
        return Ok(one::run(&troupe, seed, line.legacy));
    }
    let threads = line
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let seconds = line.seconds.map(Duration::from_secs);
    let seeds = many::Seeds {
        from: line.from,
        at_least: line.seeds,
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
    let tally = many::run(&troupe, seeds, threads, line.legacy, look);
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
