//! C code that a package compiles in. A scanner finds its vulnerabilities only under its own name and
//! version.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A library in C.
pub(super) struct Native {
    /// The name that scanners know.
    pub(super) name: &'static str,
    pub(super) version: String,
    /// An SPDX id. SQLite's is a dedication to the public domain.
    pub(super) licence: &'static str,
    pub(super) website: &'static str,
}

/// The package that compiles SQLite in, and the file and the line that have its version.
const SQLITE_PACKAGE: &str = "libsqlite3-sys";
const SQLITE_HEADER: &str = "sqlite3/sqlite3.h";
const SQLITE_VERSION: &str = "#define SQLITE_VERSION ";

/// The C code of the package in this folder. `None`: it has none of its own name; ring's is part of
/// ring.
///
/// # Errors
/// When the version cannot be read.
pub(super) fn of(package: &str, folder: &Path) -> Result<Option<Native>> {
    if package != SQLITE_PACKAGE {
        return Ok(None);
    }
    let header = folder.join(SQLITE_HEADER);
    let text =
        fs::read_to_string(&header).with_context(|| format!("cannot read {}", header.display()))?;
    let version = version(&text)
        .with_context(|| format!("no line {SQLITE_VERSION:?} in {}", header.display()))?;
    Ok(Some(Native {
        name: "sqlite",
        version,
        licence: "blessing",
        website: "https://sqlite.org",
    }))
}

fn version(header: &str) -> Option<String> {
    let rest = header
        .lines()
        .find_map(|line| line.strip_prefix(SQLITE_VERSION))?;
    let version = rest.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_sqlite_stands_in_its_header() {
        let header =
            "/* x */\n#define SQLITE_VERSION        \"3.51.1\"\n#define SQLITE_VERSION_NUMBER 3\n";
        assert_eq!(version(header).as_deref(), Some("3.51.1"));
        assert_eq!(version("#define SQLITE_VERSION_NUMBER 3"), None);
    }
}
