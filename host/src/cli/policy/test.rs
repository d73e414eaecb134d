//! `reeve policy test`: puts case files to a component, and runs it in random worlds.

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
    /// Case files, or directories with case files.
    cases: Vec<PathBuf>,
    /// How many random worlds to run.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    worlds: u64,
    /// Run only the world of this seed, and print it line by line.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The policy's settings in those worlds, as a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    /// Directory with the standard policies, which are asked at the other points [default:
    /// $REEVE_POLICIES_DIR, else target/policies].
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

/// Runs the case files. Returns whether all cases pass.
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

/// The named files, and the .json files of named directories, sorted by name.
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
