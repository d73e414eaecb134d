//! The figures of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::workspace::Workspace;

/// The figures of all targets.
#[derive(Serialize)]
pub(super) struct Report {
    /// The commit; `+` at its end says that the tree had changes.
    commit: String,
    command: String,
    pub(super) targets: BTreeMap<String, Figures>,
}

/// The figures of one target.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Figures {
    executions: u64,
    seconds: u64,
    /// The edges of the code that the inputs have covered.
    edges: u64,
    /// The inputs that are kept, since each covers something of its own.
    corpus: u64,
    peak_mb: u64,
    /// The files with inputs that broke a rule.
    findings: Vec<String>,
}

impl Report {
    pub(super) fn begin(workspace: &Workspace, minutes: u32) -> Result<Self> {
        Ok(Self {
            commit: workspace.commit()?,
            command: format!("cargo xtask fuzz --minutes {minutes}"),
            targets: BTreeMap::new(),
        })
    }

    /// Whether a target has found anything.
    pub(super) fn found(&self) -> bool {
        self.targets
            .values()
            .any(|figures| !figures.findings.is_empty())
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            seconds,
            edges,
            corpus,
            peak_mb,
            findings,
        } = self;
        write!(
            f,
            "{executions} executions in {seconds} s, {edges} edges, {corpus} inputs, {peak_mb} MB; {}",
            match findings.as_slice() {
                [] => "nothing found".to_owned(),
                found => format!("FOUND {}", found.join(", ")),
            }
        )
    }
}

/// The names of the files in a folder.
pub(super) fn files(folder: &Path) -> Result<BTreeSet<String>> {
    let listed = folder
        .read_dir()
        .with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = listed.filter_map(|entry| Some(entry.ok()?.path().display().to_string()));
    Ok(paths.collect())
}

/// Reads what libFuzzer printed; `None`: its last figures are missing.
pub(super) fn figures(said: &str, findings: Vec<String>) -> Option<Figures> {
    let executions = statistic(said, "number_of_executed_units")?;
    // The average is rounded down, and 0 for a run of less than a second.
    let per_second = statistic(said, "average_exec_per_sec")?;
    let done = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("Done "));
    let seconds = done.and_then(|line| line.split(' ').nth(3)?.parse().ok());
    Some(Figures {
        executions,
        seconds: seconds.unwrap_or_else(|| executions.checked_div(per_second).unwrap_or(0)),
        edges: last(said, " cov: ").unwrap_or(0),
        corpus: last(said, " corp: ").unwrap_or(0),
        peak_mb: statistic(said, "peak_rss_mb")?,
        findings,
    })
}

/// The number in a line such as `stat::peak_rss_mb:              74`.
fn statistic(said: &str, name: &str) -> Option<u64> {
    let prefix = format!("stat::{name}:");
    let line = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(&prefix));
    line?.trim().parse().ok()
}

/// The number behind the last of a word in lines such as `#128 NEW    cov: 63 ft: 70 corp: 4/10b`.
fn last(said: &str, word: &str) -> Option<u64> {
    let (_, rest) = said.rsplit_once(word)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
INFO: Seed: 1\n#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb\n\
#4096\tNEW    cov: 63 ft: 70 corp: 4/10b lim: 43 exec/s: 2048 rss: 41Mb L: 3/4 MS: 2\n\
Done 9000 runs in 181 second(s)\n\
stat::number_of_executed_units: 9000\nstat::average_exec_per_sec:     49\n\
stat::new_units_added:          3\nstat::slowest_unit_time_sec:    0\nstat::peak_rss_mb:              74\n";

    #[test]
    fn the_last_figures_of_a_run_are_read() {
        let figures = figures(SAID, Vec::new()).unwrap();
        let expected = "9000 executions in 181 s, 63 edges, 4 inputs, 74 MB; nothing found";
        assert_eq!(figures.to_string(), expected);
    }

    #[test]
    fn a_run_that_ends_with_a_finding_has_figures_too() {
        let ended = SAID.replace("Done 9000 runs in 181 second(s)\n", "");
        let figures = figures(&ended, vec!["crash-1".to_owned()]).unwrap();
        assert!(
            figures.to_string().ends_with("74 MB; FOUND crash-1"),
            "{figures}"
        );
        assert_eq!(figures.seconds, 183);
    }

    #[test]
    fn a_run_without_figures_is_none() {
        assert_eq!(super::figures("error: no such file", Vec::new()), None);
    }
}
