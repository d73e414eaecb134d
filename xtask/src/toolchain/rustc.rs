//! Asks a compiler for its version and its folders.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The part of `rustc -vV` that is read here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The host triple, as in `lib/rustlib/<host>`.
    pub(super) host: String,
    /// Major and minor version.
    pub(super) release: (u32, u32),
    /// The commit of the compiler, which also names the sources of its library.
    pub(super) commit: String,
}

/// Asks a compiler for its identity.
///
/// # Errors
/// When the compiler does not run, or prints something else than a rustc does.
pub(super) fn identity(rustc: &Path) -> Result<Identity> {
    let said = process::capture(Command::new(rustc).arg("-vV"))?;
    parse_identity(&said).with_context(|| {
        format!(
            "`{} -vV` names no host, release and commit: {said}",
            rustc.display()
        )
    })
}

/// The folder of the toolchain that cargo uses.
///
/// # Errors
/// When there is no rustc.
pub(super) fn running_sysroot() -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    sysroot(&rustc)
}

/// The folder with a compiler's libraries.
///
/// # Errors
/// When the compiler does not run.
pub(super) fn sysroot(rustc: impl AsRef<OsStr>) -> Result<PathBuf> {
    let said = process::capture(Command::new(rustc).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(said.trim()))
}

/// Parses the major and minor part of a version: `1.96.0` is `(1, 96)`.
pub(super) fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn parse_identity(said: &str) -> Option<Identity> {
    let field = |name: &str| {
        said.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
    };
    Some(Identity {
        host: field("host")?.to_owned(),
        release: release(field("release")?)?,
        commit: field("commit-hash")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_says_its_host_release_and_commit() {
        let said = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\n\
                    commit-hash: ac68faa20c58\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\n";
        let expected = Identity {
            host: "x86_64-unknown-linux-gnu".to_owned(),
            release: (1, 96),
            commit: "ac68faa20c58".to_owned(),
        };
        assert_eq!(parse_identity(said), Some(expected));
    }

    #[test]
    fn a_program_that_is_no_rustc_has_no_identity() {
        assert_eq!(parse_identity("gcc (Debian) 12.2.0\n"), None);
    }

    #[test]
    fn a_version_is_read_up_to_its_minor_part() {
        assert_eq!(release("1.96.0+dfsg1-1~deb12u2"), Some((1, 96)));
        assert_eq!(release("1.95"), Some((1, 95)));
        assert_eq!(release("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(release("(none)"), None);
        assert!(release("1.100.0") > release("1.96.0"));
    }
}
