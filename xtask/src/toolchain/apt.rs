//! Debian's packages, fetched without installing them and without being root.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// The packages of a linker and the C library's headers. They are never fetched: this binary was
/// linked on this machine, so it has both in some form.
const BUILD_TOOLS: [&str; 4] = ["gcc", "binutils", "libc6-dev", "libc-dev"];

/// Apt, with the machine's package lists or with fresh ones of our own.
pub(crate) struct Apt {
    configuration: Option<PathBuf>,
}

impl Apt {
    /// Uses the machine's package lists.
    ///
    /// # Errors
    /// When a program of apt or dpkg is missing.
    pub(crate) fn with_machine_lists() -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg", "dpkg-query"] {
            if !process::exists(program) {
                bail!("`{program}` is not there: this is no Debian");
            }
        }
        Ok(Self {
            configuration: None,
        })
    }

    /// Fetches fresh package lists into `folder`, and uses them. The machine's own lists stay
    /// unchanged, so no root is needed.
    ///
    /// # Errors
    /// When `apt-get update` fails: no route, or no sources configured.
    pub(crate) fn with_fresh_lists(folder: &Path) -> Result<Self> {
        let lists = folder.join("lists");
        let cache = folder.join("cache");
        fs::create_dir_all(lists.join("partial"))?;
        fs::create_dir_all(cache.join("archives/partial"))?;
        let configuration = folder.join("apt.conf");
        fs::write(&configuration, private_configuration(&lists, &cache))?;
        let apt = Self {
            configuration: Some(configuration),
        };
        process::capture(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    /// The version of a package that apt would install.
    ///
    /// # Errors
    /// When apt knows no such package.
    pub(crate) fn candidate(&self, package: &str) -> Result<String> {
        let said = process::capture(self.command("apt-cache").args(["policy", package]))?;
        parse_candidate(&said)
            .with_context(|| format!("apt's package lists have no package `{package}`"))
    }

    /// The packages to fetch so that `wanted` works from a folder of its own: the packages
    /// themselves and their dependencies, without those that the machine has.
    ///
    /// # Errors
    /// When apt does not know one of them.
    pub(crate) fn closure(&self, wanted: &[&str]) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let mut open: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        while let Some(package) = open.pop() {
            if found.contains(&package) {
                continue;
            }
            let said = process::capture(self.command("apt-cache").args([
                "depends",
                "--no-recommends",
                "--no-suggests",
                "--no-enhances",
                &package,
            ]))?;
            for dependency in parse_depends(&said) {
                if must_be_fetched(&dependency)? {
                    open.push(dependency);
                }
            }
            found.insert(package);
        }
        Ok(found)
    }

    /// Downloads packages into `folder` and returns their files.
    ///
    /// # Errors
    /// When a package cannot be fetched. Old package lists are a frequent reason.
    pub(crate) fn download(
        &self,
        packages: &BTreeSet<String>,
        folder: &Path,
    ) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(folder)?;
        let mut download = self.command("apt-get");
        download.arg("download").args(packages).current_dir(folder);
        process::capture(&mut download)?;
        let mut files = Vec::new();
        for entry in folder.read_dir()? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                files.push(path);
            }
        }
        if files.len() < packages.len() {
            bail!(
                "`apt-get download` left {} packages in {}, but {} were asked for",
                files.len(),
                folder.display(),
                packages.len()
            );
        }
        Ok(files)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // The output is parsed, so it must not be translated.
        command.env("LC_ALL", "C");
        if let Some(configuration) = &self.configuration {
            command.arg("--config-file").arg(configuration);
        }
        command
    }
}

/// Unpacks a package into a prefix, without installing it.
///
/// # Errors
/// When the file is no package, or the disk is full.
pub(crate) fn unpack(package: &Path, prefix: &Path) -> Result<()> {
    process::capture(Command::new("dpkg").arg("-x").arg(package).arg(prefix)).map(drop)
}

/// The configuration for lists and caches of our own. It clears the hooks that container images add
/// to `update`: they clean the machine's folders, which needs root and is not wanted here. It sets
/// apt's user, because apt's own user cannot write below a home directory.
fn private_configuration(lists: &Path, cache: &Path) -> String {
    format!(
        "#clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n\
         APT::Sandbox::User \"root\";\n\
         Dir::State::Lists \"{}/\";\n\
         Dir::Cache \"{}/\";\n",
        lists.display(),
        cache.display()
    )
}

/// Whether a package must be fetched. A library that the machine has is used from there. Rust's own
/// packages are always fetched, because they must be of one version and in one prefix.
fn must_be_fetched(package: &str) -> Result<bool> {
    if package.contains("rust") {
        return Ok(true);
    }
    if BUILD_TOOLS.contains(&package) {
        return Ok(false);
    }
    let query = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .context("cannot start `dpkg-query`")?;
    // For an unknown package dpkg-query fails, which means: not installed.
    Ok(String::from_utf8_lossy(&query.stdout) != "installed")
}

fn parse_candidate(policy: &str) -> Option<String> {
    policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))
        .filter(|version| *version != "(none)")
        .map(str::to_owned)
}

/// The packages that `apt-cache depends` names. Virtual packages (`<libc-dev>`) are left out,
/// because their providers are listed too. Of alternatives (`|Depends`) all are taken: installed
/// ones are not fetched, and one too many does no harm in a prefix of its own.
fn parse_depends(said: &str) -> Vec<String> {
    said.lines()
        .filter_map(|line| line.trim().trim_start_matches('|').split_once("Depends: "))
        .filter(|(kind, _)| kind.is_empty() || *kind == "Pre")
        .map(|(_, package)| package.trim())
        .filter(|package| !package.starts_with('<'))
        .map(|package| package.split(':').next().unwrap_or(package).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_version_is_no_candidate() {
        let known = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n";
        assert_eq!(
            parse_candidate(known).as_deref(),
            Some("1.96.0+dfsg1-1~deb12u2")
        );
        assert_eq!(parse_candidate("rustc-web:\n  Candidate: (none)\n"), None);
        assert_eq!(parse_candidate(""), None);
    }

    #[test]
    fn only_real_packages_count_as_dependencies() {
        let said = "rustc-web\n  Depends: libc6\n |Depends: gcc\n  Depends: <libc-dev>\n    \
                    libc6-dev\n  PreDepends: dpkg\n  Depends: python3:any\n  Conflicts: rustc\n  \
                    Recommends: cargo-web\n  Replaces: rustc\n";
        assert_eq!(parse_depends(said), ["libc6", "gcc", "dpkg", "python3"]);
    }

    #[test]
    fn rusts_packages_are_always_fetched_and_a_linker_never() {
        assert!(must_be_fetched("libstd-rust-web-dev").unwrap());
        assert!(!must_be_fetched("gcc").unwrap());
    }
}
