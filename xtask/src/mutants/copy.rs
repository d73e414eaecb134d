//! The copy in which bugs are planted. The tree itself is only read, so it stays as it is whatever happens; a copy
//! that was left half changed is put right by the next run.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::planted::{Planted, git_apply};
use crate::process;

/// A copy of the tree, without what git ignores.
pub(super) struct Copy {
    /// Its root.
    pub(super) root: PathBuf,
    /// What was copied: the tree may be worked on meanwhile.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Copy {
    /// Makes `to` equal to the tree. A file that is equal already is not written, so that cargo builds nothing anew
    /// for it.
    ///
    /// # Errors
    /// When git cannot list the tree, or a file cannot be read, written or removed.
    pub(super) fn of(tree: &Path, to: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for name in tracked(tree)? {
            let file = tree.join(&name);
            // One that was deleted and is still in git's index.
            if file.is_file() {
                let content = fs::read(&file).with_context(|| cannot("read", &file))?;
                files.insert(name, content);
            }
        }
        let copy = Self {
            root: to.to_owned(),
            files,
        };
        fs::create_dir_all(to).with_context(|| cannot("create", to))?;
        copy.remove_others(to)?;
        for name in copy.files.keys() {
            copy.put(name)?;
        }
        Ok(copy)
    }

    /// Plants a bug.
    ///
    /// # Errors
    /// When the patch does not apply: what it changes has changed since, and it has to be written anew.
    pub(super) fn apply(&self, planted: &Planted) -> Result<()> {
        process::capture(git_apply(&self.root).arg(&planted.file))
            .context("the patch does not apply to the tree; write it anew")?;
        Ok(())
    }

    /// Takes it out again.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn restore(&self, planted: &Planted) -> Result<()> {
        let known = |name: &&PathBuf| self.files.contains_key(*name);
        planted
            .changes
            .iter()
            .filter(known)
            .try_for_each(|name| self.put(name))
    }

    fn put(&self, name: &Path) -> Result<()> {
        let Some(content) = self.files.get(name) else {
            return Ok(());
        };
        let file = self.root.join(name);
        if fs::read(&file).is_ok_and(|present| &present == content) {
            return Ok(());
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| cannot("create", folder))?;
        }
        fs::write(&file, content).with_context(|| cannot("write", &file))
    }

    /// Removes what the tree does not have (any more).
    fn remove_others(&self, folder: &Path) -> Result<()> {
        let wanted: BTreeSet<_> = self.files.keys().map(|name| self.root.join(name)).collect();
        for entry in fs::read_dir(folder).with_context(|| cannot("read", folder))? {
            let path = entry.with_context(|| cannot("read", folder))?.path();
            if path.is_dir() {
                self.remove_others(&path)?;
            } else if !wanted.contains(&path) {
                fs::remove_file(&path).with_context(|| cannot("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// The files that git keeps, or would.
fn tracked(tree: &Path) -> Result<Vec<PathBuf>> {
    let mut list = Command::new("git");
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .current_dir(tree);
    let listed = process::capture(&mut list)?;
    let names = listed.split('\0').filter(|name| !name.is_empty());
    Ok(names
        .map(|name| PathBuf::from(OsStr::from_bytes(name.as_bytes())))
        .collect())
}

fn cannot(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(tree: &Path, args: &[&str]) {
        let mut git = Command::new("git");
        process::capture(git.args(args).current_dir(tree)).unwrap();
    }

    #[test]
    fn a_planted_bug_is_in_the_copy_and_never_in_the_tree_and_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("host")).unwrap();
        git(&tree, &["init", "--quiet"]);
        let file = PathBuf::from("host/guard.rs");
        fs::write(tree.join(&file), "if live {\n    refuse();\n}\n").unwrap();
        fs::write(tree.join(".gitignore"), "/target\n").unwrap();
        let patch = tree.join("one.patch");
        let diff = "Words.\n\n--- a/host/guard.rs\n+++ b/host/guard.rs\n@@ -1,3 +1,3 @@\n-if live {\n+if \
                    false {\n     refuse();\n }\n";
        fs::write(&patch, diff).unwrap();
        let planted = Planted {
            name: "one".to_owned(),
            file: patch,
            changes: vec![file.clone()],
        };
        // Where a target directory is as a rule: in the repository, and ignored by it.
        let to = tree.join("target/mutants/tree");
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("left-over.rs"), "").unwrap();

        let copy = Copy::of(&tree, &to).unwrap();
        assert!(!to.join("left-over.rs").exists());
        let read = |root: &Path| fs::read_to_string(root.join(&file)).unwrap();
        let sound = read(&tree);
        copy.apply(&planted).unwrap();
        assert!(read(&to).contains("if false"), "{}", read(&to));
        assert_eq!(read(&tree), sound);
        assert!(copy.apply(&planted).is_err(), "it cannot be planted twice");
        copy.restore(&planted).unwrap();
        assert_eq!(read(&to), sound);
    }
}
