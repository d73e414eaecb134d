//! `cargo xtask supply`: the packages that the program `reeve` links, as an SBOM and as a list of
//! licences.
//!
//! ```text
//! packages     what is linked: cargo's tree of the program, joined with cargo's metadata and the lock file
//! native       C code that a package compiles in, which cargo does not know
//! sbom         CycloneDX 1.5 in JSON, for scanners
//! licences     a page for people
//! ```
//!
//! The same tree gives the same bytes: neither file has a time, a path or a random number.

mod licences;
mod native;
mod packages;
mod sbom;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use self::packages::Packages;
use crate::print;
use crate::workspace::Workspace;

/// What the files are about.
#[derive(Args)]
pub(crate) struct Options {
    /// The target of the program
    #[arg(
        long,
        value_name = "TRIPLE",
        default_value = "x86_64-unknown-linux-gnu"
    )]
    target: String,
}

/// Writes `sbom.cdx.json` and `licences.md` to `target/supply`.
///
/// # Errors
/// When cargo cannot resolve the program, a package states no licence, or a file cannot be written.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let packages = Packages::read(workspace, &options.target)?;
    let folder = workspace.target().join("supply");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let files = [
        ("sbom.cdx.json", sbom::write(&packages)?),
        ("licences.md", licences::write(&packages)),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        print::line(path.display())?;
    }
    print::line(packages.summary())?;
    Ok(ExitCode::SUCCESS)
}
