//! A program from Python's package index, in a virtual environment of its own below the target
//! directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::lock::Lock;
use crate::process;
use crate::workspace::Workspace;

/// Names what is installed, and is written last: an interrupted installation has none.
const STAMP: &str = "installed.txt";

/// A program that a package brings.
pub(crate) struct Program {
    /// For messages, with its article.
    pub(crate) what: &'static str,
    /// Its folder below the target directory.
    pub(crate) folder: &'static str,
    /// The package, pinned to one version.
    pub(crate) requirement: &'static str,
    /// Its file below `bin`.
    pub(crate) file: &'static str,
}

impl Program {
    /// Makes sure the program is installed, and returns its path.
    ///
    /// # Errors
    /// When Python or its `venv` module is missing, or the package index cannot be reached.
    pub(crate) fn prepare(&self, workspace: &Workspace) -> Result<PathBuf> {
        let folder = workspace.target().join(self.folder);
        let program = folder.join("bin").join(self.file);
        let lock = format!("{}.lock", self.folder);
        let _lock = Lock::take(&workspace.target().join(lock), self.what)?;
        if self.is_installed(&folder) && program.is_file() {
            return Ok(program);
        }
        self.require_venv()?;
        eprintln!(
            "installing {}, {} (once; at most about a minute)",
            self.what, self.requirement
        );
        // `--clear` also removes the stamp of another version.
        process::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )?;
        let mut install = Command::new(folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet"]);
        install.args(["--disable-pip-version-check", self.requirement]);
        process::run(&mut install).with_context(|| {
            format!(
                "cannot install {}, which needs Python's package index once (pip's own settings \
                 for a proxy or a mirror are honoured)",
                self.what
            )
        })?;
        if !program.is_file() {
            bail!(
                "pip has installed {}, and there is no {}",
                self.requirement,
                program.display()
            );
        }
        let stamp = folder.join(STAMP);
        fs::write(&stamp, self.requirement)
            .with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(program)
    }

    /// Whether this very version is installed, and its Python is still there (a virtual environment
    /// links to it).
    fn is_installed(&self, folder: &Path) -> bool {
        let stamp = fs::read_to_string(folder.join(STAMP));
        stamp.is_ok_and(|stamp| stamp == self.requirement) && folder.join("bin/python").exists()
    }

    fn require_venv(&self) -> Result<()> {
        if !process::exists("python3") {
            bail!(
                "{} needs python3 with its venv module; on Debian and Ubuntu: apt-get install \
                 python3 python3-venv",
                self.what
            );
        }
        // Debian splits them off, and then `venv` fails halfway with a long message.
        let mut import = Command::new("python3");
        process::capture(import.args(["-c", "import venv, ensurepip"]))
            .map(drop)
            .context(
                "python3 has no venv module; on Debian and Ubuntu: apt-get install python3-venv",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_or_a_missing_python_is_not_installed() {
        let program = Program {
            what: "a kettle",
            folder: "kettle",
            requirement: "kettle==1.2.3",
            file: "kettle",
        };
        let folder = tempfile::tempdir().unwrap();
        assert!(!program.is_installed(folder.path()), "nothing is there");
        fs::write(folder.path().join(STAMP), program.requirement).unwrap();
        assert!(!program.is_installed(folder.path()), "its Python is gone");
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("bin/python"), "").unwrap();
        assert!(program.is_installed(folder.path()));
        fs::write(folder.path().join(STAMP), "kettle==1.2.2").unwrap();
        assert!(
            !program.is_installed(folder.path()),
            "it is another version"
        );
    }
}
