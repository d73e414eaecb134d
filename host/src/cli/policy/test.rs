//! `reeve policy test`: case files put to a component, and random worlds in which it plays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use reeve_policy::cases;

use super::Workbench;
use super::worlds::Gate;
use crate::cli::{FAILED, policies_dir};
use crate::print;

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    /// The component.
    component: PathBuf,
    /// Case files, or directories of them.
    cases: Vec<PathBuf>,
    /// In how many random worlds it plays.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    worlds: u64,
    /// Let it play in the world of this seed alone, and tell it line by line.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Its settings in those worlds, as a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// Where the standard policies are, which answer the other points [default: $REEVE_POLICIES_DIR, else
    /// target/policies].
    #[arg(long, value_name = "DIR")]
    policies_dir: Option<PathBuf>,
}

pub(super) fn run(args: TestArgs) -> anyhow::Result<ExitCode> {
    let mut all_well = true;
    if args.seed.is_none() && !args.cases.is_empty() {
        all_well = cases(&args.component, &args.cases)?;
    }
    if args.seed.is_some() || args.worlds > 0 {
        let directory = policies_dir(args.policies_dir);
        let gate = Gate::new(&directory, &args.component, &args.settings)?;
        all_well &= match args.seed {
            Some(seed) => gate.tell(seed)?,
            None => gate.run(args.worlds)?,
        };
    }
    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

/// Whether all of them pass.
fn cases(component: &Path, paths: &[PathBuf]) -> anyhow::Result<bool> {
    let workbench = Workbench::open(component)?;
    let (mut passed, mut failed) = (0, 0);
    for file in files(paths)? {
        let report = cases::run_file(&file, &workbench.policy)?;
        for case in report.cases {
            match case.mismatch {
                None => passed += 1,
                Some(mismatch) => {
                    failed += 1;
                    print::line(format_args!(
                        "{}: {:?}: {mismatch}",
                        file.display(),
                        case.name
                    ))?;
                }
            }
        }
    }
    print::line(format_args!("{passed} passed, {failed} failed"))?;
    Ok(failed == 0)
}

/// Files as they are named, and the .json files of directories by name.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries =
            fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
        let mut found: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| {
                file.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        ensure!(!found.is_empty(), "{} holds no .json files", path.display());
        found.sort();
        files.extend(found);
    }
    Ok(files)
}
