//! The program `ip`, with which the tests make network namespaces.
//!
//! Most machines have it. If it is missing, it is unpacked from Debian's packages below the target
//! directory, without root. If that is impossible, a person must install it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::lock::Lock;
use crate::process;
use crate::toolchain::apt::{self, Apt};
use crate::workspace::Workspace;

const PACKAGE: &str = "iproute2";
/// The paths of `ip` in distributions. The search path of a normal user lacks half of their
/// folders.
const PLACES: [&str; 4] = ["bin/ip", "usr/bin/ip", "sbin/ip", "usr/sbin/ip"];

/// Finds `ip`, or unpacks it below the target directory.
///
/// # Errors
/// When `ip` is missing, and Debian's packages cannot be fetched.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    if process::exists("ip") {
        return Ok("ip".into());
    }
    if let Some(found) = find(Path::new("/")) {
        return Ok(found);
    }
    let folder = workspace.target().join(PACKAGE);
    let _lock = Lock::take(&workspace.target().join("iproute2.lock"), "the program ip")?;
    let wrapper = folder.join("ip");
    if wrapper.is_file() {
        return Ok(wrapper);
    }
    eprintln!("unpacking {PACKAGE} for the tests in network namespaces (once)");
    unpack(&folder).context(
        "the tests in network namespaces need the program `ip`; on Debian and Ubuntu: apt-get install iproute2",
    )
}

fn find(root: &Path) -> Option<PathBuf> {
    let places = PLACES.iter().map(|place| root.join(place));
    places.into_iter().find(|place| place.is_file())
}

fn unpack(folder: &Path) -> Result<PathBuf> {
    let prefix = folder.join("prefix");
    let machine = Apt::with_machine_lists()?;
    let packages = match fetch(&machine, &folder.join("packages")) {
        Ok(packages) => packages,
        Err(error) => {
            eprintln!("  fetching fresh package lists ({error:#})");
            let fresh = Apt::with_fresh_lists(&folder.join("apt"))?;
            fetch(&fresh, &folder.join("packages-fresh"))?
        }
    };
    for package in packages {
        apt::unpack(&package, &prefix)?;
    }
    let Some(ip) = find(&prefix) else {
        bail!(
            "Debian's {PACKAGE} has put no `ip` below {}",
            prefix.display()
        );
    };
    // The wrapper is written last, so an interrupted unpacking has none.
    let wrapper = folder.join("ip");
    fs::write(&wrapper, script(folder, &ip)?)?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(wrapper)
}

fn fetch(apt: &Apt, folder: &Path) -> Result<Vec<PathBuf>> {
    apt.download(&apt.closure(&[PACKAGE])?, folder)
}

/// The script that starts the unpacked program with the libraries that were unpacked with it.
fn script(folder: &Path, ip: &Path) -> Result<String> {
    let mut libraries = Vec::new();
    for lib in ["lib", "usr/lib"].map(|lib| folder.join("prefix").join(lib)) {
        let Ok(entries) = lib.read_dir() else {
            continue;
        };
        for entry in entries {
            libraries.push(entry?.path().display().to_string());
        }
    }
    Ok(format!(
        "#!/bin/sh\nLD_LIBRARY_PATH=\"{}\" exec \"{}\" \"$@\"\n",
        libraries.join(":"),
        ip.display()
    ))
}
