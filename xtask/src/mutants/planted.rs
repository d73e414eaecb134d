//! The patches in `tests/mutants`: each one a mistake, with a heading in words before the diff.
//!
//! ```text
//! What the mistake is, in a line.
//!
//! What it does to users.
//!
//! Noticed by: G4
//!
//! --- a/host/core/src/…
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Where they are, below the root.
pub(crate) const FOLDER: &str = "tests/mutants";

/// A bug that is planted.
#[derive(Clone, Debug)]
pub(crate) struct Planted {
    /// The file's name without its ending.
    pub(crate) name: String,
    /// The file, absolute.
    pub(crate) file: PathBuf,
    /// The files that it changes, below the root.
    pub(crate) changes: Vec<PathBuf>,
}

/// All of them, by name.
///
/// # Errors
/// When the folder or a patch cannot be read.
pub(crate) fn read(root: &Path) -> Result<Vec<Planted>> {
    let folder = root.join(FOLDER);
    let entries = fs::read_dir(&folder).with_context(|| cannot_read(&folder))?;
    let mut all = Vec::new();
    for entry in entries {
        let file = entry.with_context(|| cannot_read(&folder))?.path();
        let is_patch = file.extension().is_some_and(|ending| ending == "patch");
        let Some(name) = file.file_stem().filter(|_| is_patch) else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).with_context(|| cannot_read(&file))?;
        let changes = text
            .lines()
            .filter_map(|line| line.strip_prefix("+++ b/"))
            .map(PathBuf::from)
            .collect();
        all.push(Planted {
            name,
            file,
            changes,
        });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// `git apply` for this tree, whether or not a repository is around it: in a folder that another repository ignores,
/// git would pass over every file without a word.
pub(super) fn git_apply(tree: &Path) -> Command {
    let mut apply = Command::new("git");
    apply.arg("apply").current_dir(tree);
    if let Some(above) = tree.parent() {
        apply.env("GIT_CEILING_DIRECTORIES", above);
    }
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        apply.env_remove(name);
    }
    apply
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    /// What the swarm can say of a bug, as a heading names it.
    const NOTICED_BY: [&str; 15] = [
        "G1",
        "G2",
        "G3",
        "G4",
        "G5",
        "G6",
        "G7",
        "G8",
        "G9",
        "G10",
        "Pause",
        "Answers",
        "SingleFlight",
        "Liveness",
        "NoPanic",
    ];

    fn root() -> PathBuf {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        xtask.parent().unwrap().to_owned()
    }

    #[test]
    fn there_are_forty_planted_bugs_or_more() {
        assert!(read(&root()).unwrap().len() >= 40);
    }

    #[test]
    fn every_planted_bug_applies_to_the_tree() {
        let root = root();
        for planted in read(&root).unwrap() {
            let mut check = git_apply(&root);
            check.arg("--check").arg(&planted.file);
            process::capture(&mut check).unwrap();
        }
    }

    #[test]
    fn every_planted_bug_is_in_the_core_and_in_no_test_of_it() {
        for planted in read(&root()).unwrap() {
            assert!(
                !planted.changes.is_empty(),
                "{} changes nothing",
                planted.name
            );
            for file in &planted.changes {
                let is_core = file.starts_with("host/core/src");
                let is_test = file.ends_with("tests.rs") || file.iter().any(|it| it == "tests");
                assert!(is_core && !is_test, "{} changes {file:?}", planted.name);
            }
        }
    }

    #[test]
    fn every_planted_bug_says_what_it_is_what_it_does_and_who_notices() {
        for planted in read(&root()).unwrap() {
            let text = fs::read_to_string(&planted.file).unwrap();
            let (heading, _) = text.split_once("\n--- a/").unwrap();
            let paragraphs: Vec<_> = heading.trim_end().split("\n\n").collect();
            let [what, does, noticed] = paragraphs[..] else {
                panic!(
                    "{}: {} paragraphs before the diff",
                    planted.name,
                    paragraphs.len()
                );
            };
            assert!(what.lines().count() == 1 && what.ends_with('.'), "{what}");
            assert!(does.ends_with('.'), "{}: {does}", planted.name);
            let by = noticed.strip_prefix("Noticed by: ").unwrap();
            for by in by.split(", ") {
                assert!(NOTICED_BY.contains(&by), "{}: {by:?}", planted.name);
            }
        }
    }
}
