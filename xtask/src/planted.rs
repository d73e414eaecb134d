//! `cargo xtask planted`: plants the bugs of `tests/planted` in the core, and shows whether the
//! swarm catches them.
//!
//! ```text
//! tracked tree ─▶ copy below the target directory ─▶ one bug at a time ─▶ swarm, until a violation
//! ```
//!
//! - [`bugs`]: the bugs, read from their files.
//! - [`edit`]: one replacement in one file.
//! - [`copy`]: the copy in which a bug is planted; the tree itself is only read.
//! - [`trial`]: the build of the swarm in the copy, and its run.
//! - [`figures`]: what became of each bug, also in earlier runs.

mod bugs;
mod copy;
mod edit;
mod figures;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::bugs::Bug;
use self::copy::Copy;
use self::figures::Figures;
use self::trial::{Lab, Trial};
use crate::lock::Lock;
use crate::workspace::Workspace;
use crate::{policies, print};

/// The percentage of bugs that must be caught. A few mistakes show too rarely for every run.
const CAUGHT_PERCENT_MIN: usize = 95;

/// The options of `cargo xtask planted`.
#[derive(Args)]
pub(crate) struct Options {
    /// Tries this bug only; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The number of worlds after which a bug counts as missed
    #[arg(long, default_value_t = 3_000)]
    seeds: u64,
    /// The number of worlds at a time [default: one per core]
    #[arg(long)]
    threads: Option<usize>,
    /// Writes what became of each bug to this file, after each one
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Tries only the bugs that the file of `--json` does not have yet
    #[arg(long, requires = "json")]
    resume: bool,
}

/// Tries every planted bug. The exit code is a failure when fewer than 95 of a hundred are caught,
/// or one could not be tried.
///
/// # Errors
/// When a bug does not fit the tree, a file cannot be read or copied, or the tree without a bug
/// does not build or breaks a guarantee: a trial would prove nothing then.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let began = Instant::now();
    let all = bugs::read(workspace.root())?;
    let mut figures = match (&options.json, options.resume) {
        (Some(file), true) => Figures::read(file)?,
        _ => Figures::default(),
    };
    figures.retain(|name| all.iter().any(|bug| bug.name == name));
    let mut chosen = choose(all, &options.only)?;
    chosen.retain(|bug| !figures.has(&bug.name));
    require_fit(workspace.root(), &chosen)?;
    policies::build(workspace)?;
    let folder = workspace.target().join("planted-bugs");
    let _lock = Lock::take(&folder.join("lock"), "the swarm with planted bugs")?;
    let copy = Copy::of(workspace.root(), &folder.join("tree"))?;
    let lab = Lab::new(workspace, &copy, &folder, options.seeds, options.threads);
    require_sound(&lab)?;
    let commit = workspace.commit()?;
    let mut untried = Vec::new();
    for bug in &chosen {
        match try_one(&copy, &lab, bug)? {
            Ok(trial) => figures.enter(&bug.name, &commit, &trial),
            Err(error) => untried.push(error),
        }
        if let Some(file) = &options.json {
            figures.write(file)?;
        }
    }
    let (planted, missed) = (figures.planted(), figures.missed());
    let caught = planted - missed.len();
    print::line(format_args!(
        "{planted} planted, {caught} caught, {} missed in {} s",
        missed.len(),
        began.elapsed().as_secs()
    ))?;
    for bug in chosen.iter().filter(|bug| missed.contains(&&*bug.name)) {
        print::line(format_args!("missed: {bug}"))?;
    }
    for error in &untried {
        eprintln!("error: {error:#}");
    }
    let is_enough = caught * 100 >= planted * CAUGHT_PERCENT_MIN;
    Ok(match is_enough && untried.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Fails if the swarm finds a violation in the tree without a bug.
fn require_sound(lab: &Lab) -> Result<()> {
    print::line("without a planted bug (the first build takes minutes)")?;
    match lab.first()? {
        Trial::Caught(violation) => bail!(
            "the swarm finds a violation without a planted bug: {violation}\nlook at it with `cargo xtask \
             swarm --seed {}`, and fix it first",
            violation.seed
        ),
        Trial::Missed { worlds, took } => print::line(format_args!(
            "0 violations in {worlds} worlds ({} s)",
            took.as_secs()
        )),
    }
}

fn choose(all: Vec<Bug>, only: &[String]) -> Result<Vec<Bug>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| all.iter().all(|bug| bug.name != **name))
    {
        bail!(
            "there is no planted bug `{unknown}`; --only takes the name of a table in {}/*.toml",
            bugs::FOLDER
        );
    }
    let is_chosen = |bug: &Bug| only.is_empty() || only.contains(&bug.name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// Fails with every bug that does not fit, before a build that takes minutes.
fn require_fit(root: &Path, chosen: &[Bug]) -> Result<()> {
    let source = |name: &Path| {
        let file = root.join(name);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let misfits: Vec<String> = chosen
        .iter()
        .filter_map(|bug| bug.plant(source).err())
        .map(|error| format!("\n  {error:#}"))
        .collect();
    if !misfits.is_empty() {
        bail!(
            "{} planted bugs do not fit the tree:{}",
            misfits.len(),
            misfits.concat()
        );
    }
    Ok(())
}

/// Plants one bug, and takes it out again. `Ok(Err(_))`: it could not be tried.
fn try_one(copy: &Copy, lab: &Lab, bug: &Bug) -> Result<Result<Trial>> {
    let name = &bug.name;
    let trial = copy
        .apply(bug)
        .and_then(|()| lab.again())
        .with_context(|| format!("cannot try `{name}`"));
    copy.restore(bug)?;
    match &trial {
        Ok(trial) => print::line(format_args!("{name:<36} {trial}"))?,
        Err(_) => print::line(format_args!("{name:<36} ERROR"))?,
    }
    Ok(trial)
}
