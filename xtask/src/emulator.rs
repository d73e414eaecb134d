//! Installs moto, which speaks EC2's and SSM's wire protocol, in a virtual environment of its own.
//!
//! The tests themselves start its server, on a free port.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::lock::Lock;
use crate::process;
use crate::workspace::Workspace;

/// The version is pinned, because the tests depend on the wire format of one version.
const REQUIREMENT: &str = "moto[server,ec2,ssm]==5.2.5";

/// The file that names the installed version. It is written last, so an interrupted installation
/// has none.
const STAMP: &str = "installed.txt";

/// Makes sure the emulator is installed under `<target>/emulator` and returns its server's path.
///
/// # Errors
/// When Python or its `venv` module is missing, or the package index cannot be reached.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target().join("emulator");
    let server = folder.join("bin/moto_server");
    let _lock = Lock::take(
        &workspace.target().join("emulator.lock"),
        "the AWS emulator",
    )?;
    if installed(&folder) && server.is_file() {
        return Ok(server);
    }
    require_venv()?;
    eprintln!("installing the AWS emulator, {REQUIREMENT} (once; about a minute)");
    // `--clear` also removes the stamp of another version.
    process::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    let mut install = Command::new(folder.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        REQUIREMENT,
    ]);
    process::run(&mut install).context(
        "cannot install the AWS emulator; the tests need Python's package index once \
         (pip's own settings for a proxy or a mirror are honoured)",
    )?;
    if !server.is_file() {
        bail!(
            "pip has installed {REQUIREMENT}, but there is no {}",
            server.display()
        );
    }
    let stamp = folder.join(STAMP);
    fs::write(&stamp, REQUIREMENT).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(server)
}

/// Whether this version is installed, and its Python is still there (a virtual environment links to
/// it).
fn installed(folder: &Path) -> bool {
    let stamp = fs::read_to_string(folder.join(STAMP));
    stamp.is_ok_and(|stamp| stamp == REQUIREMENT) && folder.join("bin/python").exists()
}

fn require_venv() -> Result<()> {
    if !process::exists("python3") {
        bail!(
            "the tests against the AWS emulator need python3 with its venv module; on Debian and \
             Ubuntu: apt-get install python3 python3-venv"
        );
    }
    // Debian has `ensurepip` in a package of its own; without it, `venv` fails halfway with a long
    // error.
    let mut import = Command::new("python3");
    process::capture(import.args(["-c", "import venv, ensurepip"]))
        .map(drop)
        .context("python3 has no venv module; on Debian and Ubuntu: apt-get install python3-venv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_or_a_missing_python_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!installed(folder.path()), "the folder is empty");
        fs::write(folder.path().join(STAMP), REQUIREMENT).unwrap();
        assert!(!installed(folder.path()), "its Python is gone");
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("bin/python"), "").unwrap();
        assert!(installed(folder.path()));
        fs::write(folder.path().join(STAMP), "moto[server]==5.0.0").unwrap();
        assert!(!installed(folder.path()), "it is another version");
    }
}
