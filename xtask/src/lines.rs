//! `cargo xtask lines`: the number of source lines in each area.
//!
//! A line counts if it is neither blank nor only a comment. Tests are files in `tests` folders,
//! `tests.rs`, files with `_tests` in their names, and code under `#[cfg(test)]`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{Workspace, tracked};
use crate::{print, source};

/// The folders that get a row of their own. A file belongs to the first folder that contains it.
const AREAS: [&str; 10] = [
    "host/core",
    "host/policy",
    "host/sim",
    "host/identity",
    "host/aws",
    "host",
    "policies",
    "wit",
    "tests",
    "xtask",
];

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Lines {
    without_tests: usize,
    with_tests: usize,
}

impl Lines {
    fn add(&mut self, other: Lines) {
        self.without_tests += other.without_tests;
        self.with_tests += other.with_tests;
    }
}

/// Prints a row for each area and one for all.
///
/// # Errors
/// When git cannot list the tree, or a file cannot be read or is not Rust.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let counted = count(workspace.root(), tracked(workspace.root())?)?;
    let mut all = Lines::default();
    print::line(format_args!(
        "{:<14} {:>8} {:>11}",
        "", "source", "with tests"
    ))?;
    for area in AREAS {
        let lines = counted.get(area).copied().unwrap_or_default();
        all.add(lines);
        print_row(area, lines)?;
    }
    print_row("all", all)
}

fn print_row(area: &str, lines: Lines) -> Result<()> {
    print::line(format_args!(
        "{area:<14} {:>8} {:>11}",
        lines.without_tests, lines.with_tests
    ))
}

fn count(root: &Path, files: Vec<PathBuf>) -> Result<BTreeMap<&'static str, Lines>> {
    let mut counted: BTreeMap<&str, Lines> = BTreeMap::new();
    let mut add = |file: &Path, lines: Lines| {
        if let Some(area) = AREAS.into_iter().find(|area| file.starts_with(area)) {
            counted.entry(area).or_default().add(lines);
        }
    };
    let ends_with = |file: &Path, ending: &str| file.extension().is_some_and(|it| it == ending);
    for file in files.iter().filter(|file| ends_with(file, "wit")) {
        let text = fs::read_to_string(root.join(file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
        let code = text.lines().map(str::trim).filter(is_code).count();
        let without_tests = if file.starts_with("tests") { 0 } else { code };
        let lines = Lines {
            without_tests,
            with_tests: code,
        };
        add(file, lines);
    }
    let rust = files.into_iter().filter(|file| ends_with(file, "rs"));
    for (file, source) in source::read(root, rust.collect())? {
        let lines = Lines {
            without_tests: source.lines_without_tests(),
            with_tests: source.lines(),
        };
        add(&file, lines);
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_for_the_nearest_area() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            (
                "host/core/src/lib.rs",
                "fn a() {}\n#[cfg(test)]\nmod b {}\n",
            ),
            ("host/src/main.rs", "// why\nfn main() {\n}\n"),
            ("tests/src/lib.rs", "fn a() {}\n"),
            ("wit/world.wit", "/// Docs.\nworld a {\n\n}\n"),
            ("notes.rs", "fn a() {}\n"),
        ];
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let names = files.map(|(name, _)| PathBuf::from(name)).to_vec();
        let counted = count(folder.path(), names).unwrap();
        let expected = [
            ("host", 2, 2),
            ("host/core", 1, 3),
            ("tests", 0, 1),
            ("wit", 2, 2),
        ];
        let counted: Vec<_> = counted
            .iter()
            .map(|(area, lines)| (*area, lines.without_tests, lines.with_tests))
            .collect();
        assert_eq!(counted, expected);
    }
}
