//! Planted bugs: mistakes an engineer would make in the core, one patch each in `tests/mutants`, and whether the
//! swarm catches them.
//!
//! ```text
//! tracked tree ─▶ a copy under the target directory ─▶ one patch at a time ─▶ the swarm, until its first violation
//! ```
//!
//! - [`planted`]: the patches and their headings.
//! - [`copy`]: the copy in which they are planted; the tree itself is only read.
//! - [`trial`]: building the swarm there, and letting it run.

mod copy;
mod planted;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use self::copy::Copy;
use self::planted::Planted;
use self::trial::{Lab, Trial};
use crate::lock::Lock;
use crate::policies;
use crate::print;
use crate::workspace::Workspace;

/// So many of a hundred must be caught.
const CAUGHT_PERCENT_MIN: usize = 95;

/// What to try.
#[derive(Args)]
pub(crate) struct Options {
    /// Tries this one only (its file's name without `.patch`); may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many worlds each may take until it counts as missed
    #[arg(long, default_value_t = 3_000)]
    seeds: u64,
    /// How many worlds run at a time; all cores unless it is said otherwise
    #[arg(long)]
    threads: Option<usize>,
    /// Writes `planted`, `caught` and `missed` to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What came of all of them.
#[derive(Default)]
struct Tally {
    caught: usize,
    missed: Vec<String>,
    /// Those that do not apply, do not compile, or make the swarm end without a word: nobody knows about them.
    untried: Vec<String>,
}

/// Tries every planted bug. The exit code is a failure when fewer than 95 of a hundred are caught, or one could not
/// be tried.
///
/// # Errors
/// When something cannot be read, copied or built without any bug, or the swarm finds something then: nothing can be
/// said of the bugs before that is mended.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let began = Instant::now();
    let all = planted::read(workspace.root())?;
    let chosen = choose(all, &options.only)?;
    policies::build(workspace)?;
    let folder = workspace.target().join("mutants");
    let _lock = Lock::take(&folder.join("lock"), "mutants")?;
    let copy = Copy::of(workspace.root(), &folder.join("tree"))?;
    let lab = Lab::new(workspace, &copy, &folder, options.seeds, options.threads);
    print::line("without a planted bug (the first build takes minutes)")?;
    let sound = lab.first()?;
    if let Trial::Caught(violation) = &sound {
        bail!(
            "the swarm finds something without any planted bug: {violation}\nlook at it with `cargo xtask swarm --seed \
             {}`, and mend it first",
            violation.seed
        );
    }
    if let Trial::Missed { worlds, took } = sound {
        let took = took.as_secs();
        print::line(format_args!("0 violations in {worlds} worlds ({took} s)"))?;
    }
    let tally = try_all(&copy, &lab, &chosen)?;
    let planted = chosen.len();
    print::line(format_args!(
        "{planted} planted, {} caught, {} missed in {} s",
        tally.caught,
        tally.missed.len(),
        began.elapsed().as_secs()
    ))?;
    for name in &tally.missed {
        print::line(format_args!("missed: {name}"))?;
    }
    for text in &tally.untried {
        eprintln!("error: {text}");
    }
    if let Some(file) = &options.json {
        let figures = json!({ "planted": planted, "caught": tally.caught, "missed": tally.missed });
        std::fs::write(file, format!("{figures:#}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let is_enough = tally.caught * 100 >= planted * CAUGHT_PERCENT_MIN;
    Ok(match is_enough && tally.untried.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn choose(all: Vec<Planted>, only: &[String]) -> Result<Vec<Planted>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| all.iter().all(|it| it.name != **name))
    {
        bail!(
            "there is no {unknown}.patch in {}; --only takes the name of a file there, without `.patch`",
            planted::FOLDER
        );
    }
    let is_chosen = |it: &Planted| only.is_empty() || only.contains(&it.name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

fn try_all(copy: &Copy, lab: &Lab, chosen: &[Planted]) -> Result<Tally> {
    let mut tally = Tally::default();
    for planted in chosen {
        let name = &planted.name;
        let trial = copy
            .apply(planted)
            .and_then(|()| lab.again())
            .with_context(|| format!("{name} says nothing"));
        copy.restore(planted)?;
        match &trial {
            Ok(trial) => print::line(format_args!("{name:<36} {trial}"))?,
            Err(_) => print::line(format_args!("{name:<36} ERROR"))?,
        }
        match trial {
            Ok(Trial::Caught(_)) => tally.caught += 1,
            Ok(Trial::Missed { .. }) => tally.missed.push(name.clone()),
            Err(error) => tally.untried.push(format!("{error:#}")),
        }
    }
    Ok(tally)
}
