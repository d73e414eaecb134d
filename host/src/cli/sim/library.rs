//! Plays every script of a folder and prints a row for each. A script that cannot be played is told
//! and does not keep the others from being played.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use anyhow::{Context as _, bail};
use reeve_sim::script::Variant;

use super::{FAILED, RunArgs, has_variant, read};
use crate::demo::{Cast, Shown, played, seconds};
use crate::print;

/// The end of a script's name.
const EXTENSION: &str = "reeve";

/// The columns of the table.
const HEAD: [&str; 8] = [
    "SCRIPT", "OUTCOME", "HARMS", "DOWN", "VETOES", "SERVED", "LONGEST", "EXPECTED",
];

/// Plays the scripts below the folder of `args` in this variant. The exit code is a failure if a
/// script is not as expected or cannot be played.
pub(super) fn play(args: &RunArgs, variant: Variant, cast: &mut Cast) -> anyhow::Result<ExitCode> {
    let folder = &args.script;
    let mut scripts = Vec::new();
    collect(folder, &mut scripts).with_context(|| format!("cannot read {}", folder.display()))?;
    scripts.sort();
    if scripts.is_empty() {
        bail!(
            "there is no script in {}; accepted is a folder with files named *.{EXTENSION}",
            folder.display()
        );
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut notes = String::new();
    let (mut as_expected, mut left_out) = (0, 0);
    for path in &scripts {
        let name = path.strip_prefix(folder).unwrap_or(path);
        let name = name.with_extension("").display().to_string();
        match row(args, variant, cast, path, &name) {
            Ok(None) => left_out += 1,
            Ok(Some((row, unmet))) => {
                as_expected += usize::from(unmet.is_empty());
                rows.push(row);
                notes += &unmet;
            }
            Err(error) => notes += &format!("{error:#}\n"),
        }
    }
    if left_out > 0 {
        notes += &format!("{left_out} scripts name no `legacy` policy and were not played\n");
    }
    let all = scripts.len() - left_out;
    print::text(&format!(
        "{}\n{notes}{as_expected} of {all} scripts are as expected of `{}`\n",
        print::columns(&rows),
        variant.name()
    ))?;
    Ok(match as_expected == all {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

/// Plays one script. Returns its row, and what is not as expected, a line each; `None` if the script
/// has no such variant.
fn row(
    args: &RunArgs,
    variant: Variant,
    cast: &mut Cast,
    path: &Path,
    name: &str,
) -> anyhow::Result<Option<([String; HEAD.len()], String)>> {
    let mut script = read(path)?;
    if !has_variant(&script, variant) {
        return Ok(None);
    }
    args.adapt(&mut script);
    let part = cast.part(&script, variant, &args.policies);
    let part = part.with_context(|| format!("cannot play {}", path.display()))?;
    let (_, run) = played(&script, variant, part, Shown::Names);
    let unmet = script.check(variant, &run);
    let expected = match (script.expectations(variant), unmet.len()) {
        (0, _) => "-".to_owned(),
        (all, 0) => format!("{all} of {all}"),
        (all, unmet) => format!("NOT {unmet} of {all}"),
    };
    let cells = [
        name.to_owned(),
        run.outcome().as_str().to_owned(),
        run.harms.len().to_string(),
        run.down.len().to_string(),
        run.vetoes.to_string(),
        seconds(run.until_served()),
        seconds(run.longest_wait()),
        expected,
    ];
    let lines = unmet
        .iter()
        .map(|unmet| format!("{}:{}: {unmet}\n", path.display(), unmet.line));
    Ok(Some((cells, lines.collect())))
}

/// Collects the scripts in the folder and below.
fn collect(folder: &Path, scripts: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // A link to a folder is not followed: it may lead back here.
        if entry.file_type()?.is_dir() {
            collect(&path, scripts)?;
        } else if path.extension().is_some_and(|it| it == EXTENSION) {
            scripts.push(path);
        }
    }
    Ok(())
}
