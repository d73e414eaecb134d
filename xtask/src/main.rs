//! `cargo xtask`: every developer command. CI runs the same ones (`.ci/run`).
//!
//! ```text
//! main         the command line
//! workspace    the paths of the checkout; the nested cargo
//! process      running other programs, with errors that name them
//! print        standard output, whose reader may have ended
//! lock         a lock for builds
//!
//! toolchain    a compiler for wasm32-unknown-unknown: the running one, rustup's, or Debian's
//! policies     policy crates -> core modules -> components in <target>/policies
//! pip          programs from Python's package index, each in a virtual environment under <target>
//! emulator     moto, the AWS emulator, by pip
//! iproute      the program `ip`: the machine's, or unpacked under <target>/iproute2
//! test         policies, emulator, ip, reeve, then every test, summed up in the last line
//! lint         fmt, dependencies between crates and modules, manifests, cargo-deny, pages, clippy
//! docs         schemas made from the policies' settings, pages made from them and the sample configuration
//! demo, bench, swarm
//!              build their inputs and become the program
//! planted      planted bugs, one at a time in a copy, and whether the swarm catches them
//! fuzz         the fuzz targets of `fuzz/`, with their figures
//! supply       what the program links: an SBOM and a list of licences
//! lines        the number of source lines, with and without tests
//! ```
//!
//! Data flows one way. A command gets paths from `workspace`, prepares its inputs (`policies`,
//! `emulator`, `iproute`), and passes their paths to cargo as `REEVE_*` variables.
#![allow(
    clippy::print_stderr,
    reason = "a command line talks to the person who runs it"
)]

mod bench;
mod demo;
mod docs;
mod emulator;
mod fuzz;
mod iproute;
mod lines;
mod lint;
mod lock;
mod pip;
mod planted;
mod policies;
mod print;
mod process;
mod schemathesis;
mod source;
mod supply;
mod swarm;
mod test;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The part of `--help` about the environment. The module of each command reads its own variables.
const ENVIRONMENT: &str = "\
Environment:
  REEVE_WASM_TOOLCHAIN  where the compiler for wasm32-unknown-unknown comes from:
                        `rustup` (the running toolchain, its target added if need be) or
                        `debian` (a private toolchain from Debian's packages, under the user's
                        cache directory). Unset: rustup's, else Debian's.
  CARGO_TARGET_DIR      where everything is built; components go to its `policies`, the
                        emulator to its `emulator`.
  XDG_CACHE_HOME        where the private toolchain is kept (default: ~/.cache).";

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The developer commands of reeve",
    after_help = ENVIRONMENT
)]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the policies and writes them as components to `target/policies`
    Policies,
    /// Prepares the AWS emulator (moto) and prints the path of its server
    Emulator,
    /// Builds the policies, prepares the emulator and runs every test
    Test {
        /// Passed on to `cargo test --workspace`: a name filter, `--test incidents`, …
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Checks format, dependencies between crates and modules, manifests, licences, words, clippy
    Lint,
    /// Writes what is made from other files: settings schemas, pages on configuration and settings
    Docs,
    /// Plays the incidents on the embedded world, then serves it (`--verbose`: prints each decision,
    /// `--once`: exits instead)
    Demo {
        /// Passed on to `reeve demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measures a decision and a resolve (`--json FILE`: also writes the numbers)
    Bench {
        /// Passed on to the bench
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Plays random worlds and checks the guarantees (`--seed S`: one world, line by line)
    Swarm {
        /// Passed on to the swarm
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Plants one bug after the other in a copy of the tree, and prints which the swarm catches
    Planted(planted::Options),
    /// Runs the fuzz targets, each for some minutes, and prints what they executed and found
    Fuzz(fuzz::Options),
    /// Writes an SBOM and a list of licences of what `reeve` links to `target/supply`
    Supply(supply::Options),
    /// Counts the lines of source, without and with tests
    Lines,
}

fn main() -> ExitCode {
    let task = CommandLine::parse().task;
    match run(&task) {
        Ok(code) => code,
        Err(error) if error.is::<print::ReaderGone>() => ExitCode::from(print::READER_GONE),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match task {
        Task::Policies => policies::build(&workspace).map(|()| ExitCode::SUCCESS),
        Task::Emulator => {
            print::line(emulator::prepare(&workspace)?.display())?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Test { args } => test::run(&workspace, args),
        Task::Lint => lint::run(&workspace),
        Task::Docs => docs::run(&workspace),
        Task::Demo { args } => demo::run(&workspace, args),
        Task::Bench { args } => bench::run(&workspace, args),
        Task::Swarm { args } => swarm::run(&workspace, args),
        Task::Planted(options) => planted::run(&workspace, options),
        Task::Fuzz(options) => fuzz::run(&workspace, options),
        Task::Supply(options) => supply::run(&workspace, options),
        Task::Lines => lines::run(&workspace).map(|()| ExitCode::SUCCESS),
    }
}
