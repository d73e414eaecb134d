//! The lock file of `fuzz/`. It is committed, and a run does not change it. Packages that the program is
//! built with have the same versions in the targets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, cargo_command};
use crate::{print, process};

/// What makes it anew.
const MAKE: &str = "`cargo xtask fuzz --lock` makes it anew from Cargo.lock";

/// The versions of each package.
type Versions = BTreeMap<String, BTreeSet<String>>;

/// Refuses a lock file that cargo would change, or that has other versions than the program's.
///
/// # Errors
/// What differs.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let path = workspace.root().join("fuzz/Cargo.lock");
    let differ = differing(&read(&workspace.root().join("Cargo.lock"))?, &read(&path)?);
    ensure!(
        differ.is_empty(),
        "{} has other versions than Cargo.lock of {}; {MAKE}",
        path.display(),
        differ.join(", ")
    );
    resolve(workspace, true)
        .with_context(|| format!("{} does not fit fuzz/Cargo.toml; {MAKE}", path.display()))
}

/// Makes it anew: the versions of the program, and the newest of what only the targets need.
///
/// # Errors
/// When a file cannot be written or cargo fails.
pub(super) fn make(workspace: &Workspace) -> Result<()> {
    let (from, to) = ("Cargo.lock", "fuzz/Cargo.lock");
    let (from, to) = (workspace.root().join(from), workspace.root().join(to));
    fs::copy(&from, &to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    resolve(workspace, false)?;
    print::line(to.display())
}

/// Has cargo read the lock file, and change it unless it is `locked`.
fn resolve(workspace: &Workspace, locked: bool) -> Result<()> {
    let mut command = cargo_command();
    command.args(["metadata", "--format-version", "1", "--manifest-path"]);
    command.arg(workspace.root().join("fuzz/Cargo.toml"));
    if locked {
        command.arg("--locked");
    }
    process::capture(&mut command).map(drop)
}

fn read(path: &Path) -> Result<Versions> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    versions(&text).with_context(|| format!("{} is no lock file of cargo", path.display()))
}

fn versions(text: &str) -> Result<Versions> {
    let lock: toml::Table = text.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let mut versions = Versions::new();
    for package in packages.context("it has no packages")? {
        let field = |name: &str| package.get(name)?.as_str().map(str::to_owned);
        let (name, version) = (field("name"), field("version"));
        let name = name.context("a package has no name")?;
        let version = version.context("a package has no version")?;
        versions.entry(name).or_default().insert(version);
    }
    Ok(versions)
}

/// The packages of both that the targets have in a version of their own.
fn differing(program: &Versions, targets: &Versions) -> Vec<String> {
    let differs = |(name, own): &(&String, &BTreeSet<String>)| {
        let of_program = program.get(*name);
        of_program.is_some_and(|versions| !own.is_subset(versions))
    };
    let differing = targets.iter().filter(differs);
    differing.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[(&str, &str)]) -> Versions {
        let package =
            |(name, version)| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        let text: String = packages.iter().copied().map(package).collect();
        versions(&text).unwrap()
    }

    #[test]
    fn a_package_of_both_has_a_version_of_the_program() {
        let program = lock(&[("a", "1.0.0"), ("a", "2.0.0"), ("b", "1.0.0")]);
        let targets = lock(&[("a", "2.0.0"), ("fuzzer", "1.0.0")]);
        assert_eq!(differing(&program, &targets), [""; 0]);
        let targets = lock(&[("a", "2.0.1"), ("b", "1.0.0")]);
        assert_eq!(differing(&program, &targets), ["a"]);
        assert!(versions("[package]").is_err());
    }

    #[test]
    fn the_committed_lock_has_the_program_s_versions() {
        let workspace = Workspace::find().unwrap();
        let lock = |name: &str| read(&workspace.root().join(name)).unwrap();
        let differ = differing(&lock("Cargo.lock"), &lock("fuzz/Cargo.lock"));
        assert!(differ.is_empty(), "{differ:?}; {MAKE}");
    }
}
