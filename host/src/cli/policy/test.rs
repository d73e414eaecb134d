//! `reeve policy test`: case files put to a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use reeve_policy::cases;

use super::Workbench;
use crate::cli::FAILED;

pub(super) fn run(component: &Path, paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let workbench = Workbench::open(component)?;
    let (mut passed, mut failed) = (0, 0);
    for file in files(paths)? {
        let report = cases::run_file(&file, &workbench.policy)?;
        for case in report.cases {
            match case.mismatch {
                None => passed += 1,
                Some(mismatch) => {
                    failed += 1;
                    println!("{}: {:?}: {mismatch}", file.display(), case.name);
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
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
