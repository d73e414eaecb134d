//! The paths of the checkout, and the cargo that builds it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// The checkout this binary belongs to.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`, absolute.
    root: PathBuf,
    /// Cargo's target directory, absolute. `CARGO_TARGET_DIR` is honoured.
    target: PathBuf,
    /// The names of the workspace's own packages.
    packages: Vec<String>,
}

/// The part of `cargo metadata --no-deps` that is read here.
#[derive(Deserialize)]
struct Outline {
    packages: Vec<Named>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Workspace {
    /// Finds the workspace, and asks cargo for its target directory.
    ///
    /// # Errors
    /// When `cargo metadata` fails: a manifest is broken, and its message says which.
    pub(crate) fn find() -> Result<Self> {
        let root = root()?;
        let mut metadata = cargo_command();
        metadata
            .args([
                "metadata",
                "--no-deps",
                "--format-version",
                "1",
                "--manifest-path",
            ])
            .arg(root.join("Cargo.toml"));
        let outline: Outline = serde_json::from_str(&process::capture(&mut metadata)?)
            .context("cannot read what `cargo metadata` printed")?;
        Ok(Self {
            root,
            target: outline.target_directory,
            packages: outline
                .packages
                .into_iter()
                .map(|package| package.name)
                .collect(),
        })
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The commit that is checked out; `+` at its end says that the tree has changes.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) fn commit(&self) -> Result<String> {
        let git = |args: &[&str]| {
            process::capture(Command::new("git").args(args).current_dir(&self.root))
        };
        let commit = git(&["rev-parse", "--short", "HEAD"])?;
        let changes = git(&["status", "--porcelain"])?;
        let mark = if changes.trim().is_empty() { "" } else { "+" };
        Ok(format!("{}{mark}", commit.trim()))
    }

    /// The target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The directory of the policies' components. Tests and the demo get it as
    /// `REEVE_POLICIES_DIR`.
    pub(crate) fn policies(&self) -> PathBuf {
        self.target.join("policies")
    }

    /// Whether a package of that name belongs to the workspace.
    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package == name)
    }

    /// `cargo SUBCOMMAND` on this workspace and its target directory, in the current directory, so
    /// that relative paths in the arguments keep their meaning.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = cargo_command();
        command
            .arg(subcommand)
            .arg("--manifest-path")
            .arg(self.root.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// The root of the checkout. Cargo sets the manifest's folder when it runs this binary. The
/// compiled-in path may be of another checkout, because several checkouts can share a target
/// directory.
fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let manifest = PathBuf::from(manifest);
    manifest
        .parent()
        .map(Path::to_path_buf)
        .with_context(|| format!("{} has no parent folder", manifest.display()))
}

/// The files of a tree, by their paths relative to its root: the files that git tracks, and new
/// ones that git does not ignore.
///
/// # Errors
/// When git cannot list the tree.
pub(crate) fn tracked(tree: &Path) -> Result<Vec<PathBuf>> {
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
    let names = names.map(|name| PathBuf::from(OsStr::from_bytes(name.as_bytes())));
    // A file that was deleted may still be in git's index.
    Ok(names.filter(|name| tree.join(name).is_file()).collect())
}

/// The cargo that runs this binary, without the variables about the package `xtask`: a build script
/// would read them as its own.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if told {
            command.env_remove(name);
        }
    }
    command
}
