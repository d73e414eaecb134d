//! The copy in which bugs are planted. The tree itself is only read. A run that ends early may
//! leave a bug in the copy; the next run writes the file again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::bugs::Bug;
use crate::workspace::tracked;

/// A copy of the tree, without the files that git ignores.
pub(super) struct Copy {
    /// The root of the copy.
    pub(super) root: PathBuf,
    /// The copied files. They are kept, because the tree may change during a run.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Copy {
    /// Makes `to` equal to the tree. An equal file is not written, so that cargo does not build its
    /// crate again.
    ///
    /// # Errors
    /// When git cannot list the tree, or a file cannot be read, written or removed.
    pub(super) fn of(tree: &Path, to: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for name in tracked(tree)? {
            let file = tree.join(&name);
            let content = fs::read(&file).with_context(|| cannot("read", &file))?;
            files.insert(name, content);
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
    /// When the bug does not fit the tree, or a file cannot be written.
    pub(super) fn apply(&self, bug: &Bug) -> Result<()> {
        for (name, text) in bug.plant(|name| self.text(name))? {
            let file = self.root.join(name);
            fs::write(&file, text).with_context(|| cannot("write", &file))?;
        }
        Ok(())
    }

    /// Removes the bug again.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn restore(&self, bug: &Bug) -> Result<()> {
        bug.files().try_for_each(|name| self.put(name))
    }

    fn text(&self, name: &Path) -> Result<String> {
        let content = self.files.get(name);
        let content = content.with_context(|| format!("there is no {}", name.display()))?;
        String::from_utf8(content.clone()).with_context(|| cannot("read", name))
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

    /// Removes the files that the tree does not have.
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

fn cannot(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::bugs;
    use super::*;
    use crate::process;

    fn git(tree: &Path, args: &[&str]) {
        let mut git = Command::new("git");
        process::capture(git.args(args).current_dir(tree)).unwrap();
    }

    #[test]
    fn a_bug_is_planted_in_the_copy_alone_and_removed_again() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("host")).unwrap();
        git(&tree, &["init", "--quiet"]);
        let file = PathBuf::from("host/guard.rs");
        fs::write(tree.join(&file), "if live {\n    refuse();\n}\n").unwrap();
        fs::write(tree.join(".gitignore"), "/target\n").unwrap();
        let stated = "[one]\nmistake = \"\"\nharm = \"\"\nnoticed_by = []\nfile = \
                      \"host/guard.rs\"\nfind = \"live\"\nreplace = \"false\"\n";
        let bug = bugs::parse(Path::new("one.toml"), stated)
            .unwrap()
            .remove(0);
        // The usual place of a target directory: in the repository, and ignored by it.
        let to = tree.join("target/planted/tree");
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("left-over.rs"), "").unwrap();

        let copy = Copy::of(&tree, &to).unwrap();
        assert!(!to.join("left-over.rs").exists());
        let read = |root: &Path| fs::read_to_string(root.join(&file)).unwrap();
        let sound = read(&tree);
        copy.apply(&bug).unwrap();
        assert!(read(&to).contains("if false"), "{}", read(&to));
        assert_eq!(read(&tree), sound);
        copy.restore(&bug).unwrap();
        assert_eq!(read(&to), sound);
    }
}
