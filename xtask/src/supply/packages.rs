//! The packages that the program links.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::native::{self, Native};
use crate::process;
use crate::workspace::Workspace;

/// The package of the program.
pub(super) const PROGRAM: &str = "reeve";

/// A package's name and version, which name it among the packages of crates.io and ours.
pub(super) type Id = (String, String);

/// The packages that are linked, and which of them uses which.
pub(super) struct Packages {
    pub(super) target: String,
    pub(super) all: BTreeMap<Id, Package>,
    pub(super) uses: BTreeMap<Id, BTreeSet<Id>>,
}

/// One package.
pub(super) struct Package {
    /// An SPDX expression.
    pub(super) licence: String,
    /// The names of the files in the package that hold the texts of its licences.
    pub(super) texts: Vec<String>,
    /// Where its source is kept.
    pub(super) repository: Option<String>,
    /// The SHA-256 of its archive. `None`: it is one of ours.
    pub(super) checksum: Option<String>,
    /// The C code that it compiles in.
    pub(super) native: Option<Native>,
}

impl Packages {
    /// Asks cargo for the program's packages on a target.
    ///
    /// # Errors
    /// When cargo cannot resolve them from the lock file, or a package states no licence.
    pub(super) fn read(workspace: &Workspace, target: &str) -> Result<Self> {
        let uses = linked(&tree(workspace, target)?)?;
        let lock = workspace.root().join("Cargo.lock");
        let lock = std::fs::read_to_string(&lock)
            .with_context(|| format!("cannot read {}", lock.display()))?;
        let checksums = checksums(&lock)?;
        let mut all = BTreeMap::new();
        for described in described(workspace, target)? {
            let id = (described.name.clone(), described.version.clone());
            if uses.contains_key(&id) {
                all.insert(id.clone(), described.package(checksums.get(&id).cloned())?);
            }
        }
        for id in uses.keys() {
            ensure!(
                all.contains_key(id),
                "cargo's metadata lacks {} {}",
                id.0,
                id.1
            );
        }
        let target = target.to_owned();
        Ok(Self { target, all, uses })
    }

    /// The program itself.
    pub(super) fn program(&self) -> Result<(&Id, &Package)> {
        let mut all = self.all.iter();
        all.find(|((name, _), _)| name == PROGRAM)
            .with_context(|| format!("cargo's tree lacks {PROGRAM}"))
    }

    /// The names that come in several versions.
    pub(super) fn duplicates(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, version) in self.all.keys() {
            versions.entry(name).or_default().push(version);
        }
        versions.retain(|_, versions| versions.len() > 1);
        versions
    }

    /// The numbers in one line.
    pub(super) fn summary(&self) -> String {
        let ours = self.all.values().filter(|one| one.checksum.is_none());
        format!(
            "{} packages, {} of them ours; {} come in several versions",
            self.all.len(),
            ours.count(),
            self.duplicates().len()
        )
    }
}

/// The program's tree: a line per package, with its depth in front. Build scripts, macros and tests
/// are not linked.
fn tree(workspace: &Workspace, target: &str) -> Result<String> {
    let mut tree = workspace.cargo("tree");
    tree.args(["--locked", "--package", PROGRAM, "--target", target]);
    tree.args(["--edges", "normal,no-proc-macro"]);
    tree.args(["--prefix", "depth", "--format", "|{p}"]);
    process::capture(&mut tree)
}

/// Reads lines such as `2|axum-core v0.5.6`, each below the package that uses it.
fn linked(tree: &str) -> Result<BTreeMap<Id, BTreeSet<Id>>> {
    let mut uses: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let mut above: Vec<Id> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, id) = parse(line)
            .with_context(|| format!("cannot read the line {line:?} of `cargo tree`"))?;
        above.truncate(depth);
        if let Some(user) = above.last() {
            uses.entry(user.clone()).or_default().insert(id.clone());
        }
        uses.entry(id.clone()).or_default();
        above.push(id);
    }
    Ok(uses)
}

fn parse(line: &str) -> Option<(usize, Id)> {
    let (depth, package) = line.split_once('|')?;
    let mut words = package.split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    Some((depth.parse().ok()?, (name, version)))
}

/// The checksums in the lock file.
fn checksums(lock: &str) -> Result<BTreeMap<Id, String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let lock: Lock = toml::from_str(lock).context("cannot read Cargo.lock")?;
    let packages = lock.package.into_iter();
    Ok(packages
        .filter_map(|one| Some(((one.name, one.version), one.checksum?)))
        .collect())
}

/// The part of a package in `cargo metadata` that is read here.
#[derive(Deserialize)]
struct Described {
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<PathBuf>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

fn described(workspace: &Workspace, target: &str) -> Result<Vec<Described>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Described>,
    }
    let mut metadata = workspace.cargo("metadata");
    metadata.args(["--locked", "--format-version", "1"]);
    metadata.args(["--filter-platform", target]);
    let metadata: Metadata = serde_json::from_str(&process::capture(&mut metadata)?)
        .context("cannot read what `cargo metadata` printed")?;
    Ok(metadata.packages)
}

impl Described {
    fn package(self, checksum: Option<String>) -> Result<Package> {
        let folder = self.manifest_path.parent().unwrap_or(Path::new("."));
        let licence = self.license.with_context(|| {
            format!(
                "{} {} states no SPDX licence; see {} and say in deny.toml what it is",
                self.name,
                self.version,
                self.license_file.unwrap_or_default().display()
            )
        })?;
        Ok(Package {
            licence: spdx(&licence),
            texts: texts(folder)?,
            native: native::of(&self.name, folder)?,
            repository: self.repository,
            checksum,
        })
    }
}

/// Older manifests write `/` for `OR`.
fn spdx(licence: &str) -> String {
    licence
        .split('/')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" OR ")
}

/// The files at the top of a package that hold licences and notices, sorted.
fn texts(folder: &Path) -> Result<Vec<String>> {
    const BEGINNINGS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"];
    let listed = folder
        .read_dir()
        .with_context(|| format!("cannot list {}", folder.display()))?;
    let names = listed
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            let name = name.to_uppercase();
            BEGINNINGS
                .iter()
                .any(|beginning| name.starts_with(beginning))
        });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> Id {
        (name.to_owned(), version.to_owned())
    }

    /// A program, a package of ours, and a foreign one in two versions.
    pub(in super::super) fn few() -> Packages {
        let uses = linked(
            "0|reeve v0.1.0 (/tree/host)\n1|reeve-core v0.1.0 (/tree/host/core)\n2|sha2 v0.11.1\n\
             1|reeve-core v0.1.0 (/tree/host/core) (*)\n1|sha2 v0.10.9\n",
        )
        .unwrap();
        let package = |(name, version): &Id| Package {
            licence: "MIT OR Apache-2.0".to_owned(),
            texts: vec!["LICENSE-MIT".to_owned()],
            repository: Some(format!("https://example.org/{name}")),
            checksum: (name == "sha2").then(|| format!("{version:0>64}")),
            native: None,
        };
        Packages {
            target: "x86_64-unknown-linux-gnu".to_owned(),
            all: uses.keys().map(|id| (id.clone(), package(id))).collect(),
            uses,
        }
    }

    #[test]
    fn a_line_of_the_tree_is_used_by_the_last_line_above_it() {
        let packages = few();
        let used = |id: Id| packages.uses[&id].iter().cloned().collect::<Vec<_>>();
        assert_eq!(
            used(id("reeve", "0.1.0")),
            [id("reeve-core", "0.1.0"), id("sha2", "0.10.9")]
        );
        assert_eq!(used(id("reeve-core", "0.1.0")), [id("sha2", "0.11.1")]);
        assert_eq!(used(id("sha2", "0.11.1")), []);
        assert_eq!(packages.duplicates()["sha2"], ["0.10.9", "0.11.1"]);
        assert!(linked("1 axum").is_err());
    }

    #[test]
    fn an_old_form_of_a_licence_becomes_an_spdx_expression() {
        assert_eq!(spdx("MIT/Apache-2.0"), "MIT OR Apache-2.0");
        assert_eq!(spdx("MIT OR Apache-2.0"), "MIT OR Apache-2.0");
    }

    #[test]
    fn the_lock_file_has_the_checksums_of_foreign_packages() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n\
                    [[package]]\nname = \"reeve\"\nversion = \"0.1.0\"\n";
        let found = checksums(lock).unwrap();
        assert_eq!(found, BTreeMap::from([(id("a", "1.0.0"), "ab".to_owned())]));
    }

    #[test]
    fn the_program_links_what_it_runs_on_and_no_tool_of_its_build() {
        let workspace = Workspace::find().unwrap();
        let packages = Packages::read(&workspace, "x86_64-unknown-linux-gnu").unwrap();
        let has = |wanted: &str| packages.all.keys().any(|(name, _)| name == wanted);
        for linked in ["wasmtime", "reeve-core", "reeve-aws", "tokio", "rusqlite"] {
            assert!(has(linked), "{linked}");
        }
        for other in [
            "xtask",
            "stateright",
            "cc",
            "serde_derive",
            "schemars",
            "regorus",
        ] {
            assert!(!has(other), "{other}");
        }
        for ((name, version), package) in &packages.all {
            let ours = name.starts_with("reeve");
            assert_eq!(package.checksum.is_none(), ours, "{name} {version}");
        }
        let sqlite = packages.all.values().filter_map(|one| one.native.as_ref());
        assert_eq!(
            sqlite.map(|native| native.name).collect::<Vec<_>>(),
            ["sqlite"]
        );
    }
}
