//! The standard library for the policies' target, compiled once from the compiler's own sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::TARGET;
use super::rustc::{self, Identity};
use crate::{process, workspace};

/// The manifest of an empty crate: cargo builds a standard library only for a crate.
const MANIFEST: &str = "\
[package]
name = \"carrier\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]
";

/// The file with the library's digest. Code that was compiled against one library does not fit
/// another one of the same version. Cargo cannot tell them apart, because it asks the compiler only
/// for its version.
const STAMP: &str = "digest.txt";

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`, where a path may hold spaces.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// Compiles `std` for the policies' target, and installs it in the compiler's folder. `scratch` may
/// be removed afterwards.
///
/// # Errors
/// When the sources are missing or do not compile.
pub(super) fn build(compiler: &Path, identity: &Identity, scratch: &Path) -> Result<()> {
    let sysroot = rustc::sysroot(compiler)?;
    let library = sysroot.join("lib/rustlib/src/rust/library");
    if !library.is_dir() {
        bail!(
            "the standard library's sources are not in {}",
            library.display()
        );
    }
    let carrier = scratch.join("carrier");
    fs::create_dir_all(carrier.join("src"))?;
    fs::write(carrier.join("Cargo.toml"), MANIFEST)?;
    fs::write(carrier.join("src/lib.rs"), "#![no_std]\n")?;

    let built = scratch.join("built");
    let mut cargo = workspace::cargo_command();
    cargo
        .args([
            "build",
            "--quiet",
            "--release",
            "-Zbuild-std=std,panic_abort",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&built)
        .env("RUSTC", compiler)
        // Stable cargo accepts `-Zbuild-std` only with this variable.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(&library, identity).join(FLAG_SEPARATOR),
        )
        .env_remove("RUSTFLAGS")
        .current_dir(&carrier);
    let vendored = library.join("vendor");
    if vendored.is_dir() {
        cargo
            .args([
                "--config",
                "source.crates-io.replace-with='vendored'",
                "--config",
            ])
            .arg(format!(
                "source.vendored.directory={:?}",
                vendored.display().to_string()
            ))
            .arg("--offline");
    }
    process::run_with_heartbeat(&mut cargo)?;
    let folder = sysroot.join("lib/rustlib").join(TARGET);
    let files = install(
        &built.join(TARGET).join("release/deps"),
        &folder.join("lib"),
    )?;
    let stamp = folder.join(STAMP);
    fs::write(&stamp, digest(&files)?).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The digest of the library that [`build`] has installed in a sysroot; `None`: there is none.
pub(super) fn digest_in(sysroot: &Path) -> Option<String> {
    fs::read_to_string(sysroot.join("lib/rustlib").join(TARGET).join(STAMP)).ok()
}

/// The compiler's flags. Bitcode is embedded, because the policies are optimised across crates at
/// link time. The sources get the path that rustup's library has: panic texts hold paths, and this
/// machine's folders must not change a component's digest.
fn flags(library: &Path, identity: &Identity) -> [String; 2] {
    [
        "-Cembed-bitcode=yes".to_owned(),
        format!(
            "--remap-path-prefix={}=/rustc/{}/library",
            library.display(),
            identity.commit
        ),
    ]
}

/// Copies the libraries without the carrier's; returns the copies.
fn install(from: &Path, to: &Path) -> Result<BTreeSet<PathBuf>> {
    fs::create_dir_all(to)?;
    let entries = from
        .read_dir()
        .with_context(|| format!("cannot read {}", from.display()))?;
    let mut installed = BTreeSet::new();
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let carrier = name.to_string_lossy().starts_with("libcarrier-");
        if carrier || path.extension().is_none_or(|extension| extension != "rlib") {
            continue;
        }
        let copy = to.join(name);
        fs::copy(&path, &copy)
            .with_context(|| format!("cannot copy {} to {}", path.display(), copy.display()))?;
        installed.insert(copy);
    }
    if installed.is_empty() {
        bail!(
            "the standard library's build left nothing in {}",
            from.display()
        );
    }
    Ok(installed)
}

/// The first 12 hexadecimal digits of the SHA-256 over the files, in the order of their names.
fn digest(files: &BTreeSet<PathBuf>) -> Result<String> {
    let mut sum = Sha256::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        sum.update(&bytes);
    }
    Ok(sum
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_installed_without_its_carrier_and_has_a_digest() {
        let built = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("libstd-1.rlib", "std"),
            ("libstd-1.rmeta", ""),
            ("libcarrier-2.rlib", ""),
        ] {
            fs::write(built.path().join(name), bytes).unwrap();
        }
        let sysroot = tempfile::tempdir().unwrap();
        let installed = install(built.path(), sysroot.path()).unwrap();
        assert_eq!(
            installed,
            BTreeSet::from([sysroot.path().join("libstd-1.rlib")])
        );

        let before = digest(&installed).unwrap();
        assert_eq!(before, digest(&installed).unwrap());
        fs::write(sysroot.path().join("libstd-1.rlib"), "another").unwrap();
        assert_ne!(before, digest(&installed).unwrap());
    }

    #[test]
    fn a_build_that_left_nothing_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        let error = install(empty.path(), empty.path()).unwrap_err().to_string();
        assert!(error.contains("left nothing"), "{error}");
    }
}
