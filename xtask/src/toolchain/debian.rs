//! A private toolchain from Debian's packages, for machines whose rustup cannot fetch.
//!
//! Debian builds a Rust for its browsers (`rustc-web`) that follows upstream closely. Its packages
//! are unpacked below the user's cache directory and not installed: they conflict with rustup's,
//! and unpacking needs no root. They have no library for the policies' target. So the library is
//! compiled once, from Debian's sources (rustup's compiler cannot compile another release's
//! library).
//!
//! ```text
//! <cache>/reeve/wasm-toolchain/<version>/
//!   bin/rustc                      a script that starts the compiler with its own libraries
//!   usr/bin/rustc, usr/lib/…       as unpacked
//!   usr/lib/rustlib/<host>/bin/    a link to the running toolchain's rust-lld
//!   usr/lib/rustlib/<target>/lib/  the compiled standard library
//! ```
//! The toolchain is made in another folder and renamed at the end, so a folder with a version's
//! name //! is complete.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::apt::{self, Apt};
use super::{rustc, standard_library};
use crate::lock::Lock;

/// The compiler, and the sources of its library. The other packages are their dependencies.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// The workspace's `rust-version`. An older compiler would refuse each policy.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// The script `bin/rustc`. Its search path is relative to the script, so the folder can be moved;
/// an existing search path is kept after it. Cargo calls the script by its whole path.
const WRAPPER: &str = r#"#!/bin/sh
prefix="${0%/*}/.."
LD_LIBRARY_PATH="$prefix/usr/lib/MULTIARCH${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    exec "$prefix/usr/bin/rustc" "$@"
"#;

/// A private toolchain that works.
#[derive(Debug)]
pub(super) struct Private {
    /// The compiler to pass to cargo as `RUSTC`.
    pub(super) rustc: PathBuf,
    /// The digest of its library for the policies' target.
    pub(super) library: String,
}

/// Finds the newest toolchain of the earlier runs.
///
/// # Errors
/// When the user has no cache directory, or the linker of the found toolchain is gone and cannot be
/// linked again.
pub(super) fn find() -> Result<Option<Private>> {
    let folder = cache_folder()?;
    let Ok(entries) = folder.read_dir() else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let prefix = entry.path();
        let compiler = prefix.join("bin/rustc");
        if entry.file_name().to_string_lossy().starts_with('.') || !compiler.is_file() {
            continue;
        }
        // A compiler that does not run, for example after an update of the machine's libraries, is
        // ignored.
        let Ok(identity) = rustc::identity(&compiler) else {
            continue;
        };
        let library = standard_library::digest_in(&prefix.join("usr"));
        if let Some(library) = library.filter(|_| new_enough(identity.release)) {
            found.push((
                identity,
                prefix,
                Private {
                    rustc: compiler,
                    library,
                },
            ));
        }
    }
    found.sort_by_key(|(identity, _, _)| identity.release);
    let Some((identity, prefix, newest)) = found.pop() else {
        return Ok(None);
    };
    link_linker(&prefix, &identity.host)?;
    Ok(Some(newest))
}

/// Finds a toolchain, or makes one, which takes 150 MB of packages and a few minutes, once.
///
/// # Errors
/// When this is no Debian, its packages cannot be fetched or are too old, or the library does not
/// compile.
pub(super) fn find_or_make() -> Result<Private> {
    if let Some(found) = find()? {
        return Ok(found);
    }
    let folder = cache_folder()?;
    let _lock = Lock::take(&folder.join(".lock"), "the private Wasm toolchain")?;
    // Another process may have made one while this one waited for the lock.
    if let Some(found) = find()? {
        return Ok(found);
    }
    let scratch = folder.join(".being-made");
    discard(&scratch)?;
    let made = make(&folder, &scratch);
    // The half gigabyte is removed after a failure too, and an error of the removal must not hide
    // that failure.
    let discarded = discard(&scratch);
    let made = made?;
    discarded?;
    Ok(made)
}

fn make(folder: &Path, scratch: &Path) -> Result<Private> {
    eprintln!("making a private Wasm toolchain from Debian's packages (once; a few minutes)");
    let packages = fetch(scratch)?;
    eprintln!("  unpacking {} packages", packages.files.len());
    let prefix = scratch.join("prefix");
    for package in &packages.files {
        apt::unpack(package, &prefix)?;
    }
    let compiler = write_wrapper(&prefix)?;
    let identity = rustc::identity(&compiler)?;
    link_linker(&prefix, &identity.host)?;
    eprintln!("  compiling the standard library");
    standard_library::build(&compiler, &identity, &scratch.join("library"))?;
    // These folders are two thirds of the size, and no longer needed.
    discard(&prefix.join("usr/src"))?;
    discard(&prefix.join("usr/share"))?;

    let finished = folder.join(&packages.version);
    // If the folder exists, its toolchain does not work: `find` has ignored it.
    discard(&finished)?;
    fs::rename(&prefix, &finished).with_context(|| {
        format!(
            "cannot rename {} to {}",
            prefix.display(),
            finished.display()
        )
    })?;
    eprintln!("  ready: {}", finished.display());
    find()?.with_context(|| {
        format!(
            "{} has just been made, but does not work",
            finished.display()
        )
    })
}

struct Packages {
    version: String,
    files: Vec<PathBuf>,
}

/// Fetches with the machine's package lists, and if that fails, with fresh ones. An image may have
/// no lists, and old lists name files that the mirror has replaced.
fn fetch(scratch: &Path) -> Result<Packages> {
    let machine = Apt::with_machine_lists()?;
    let first = match fetch_with(&machine, &scratch.join("packages")) {
        Ok(packages) => return Ok(packages),
        Err(error) => error,
    };
    eprintln!("  fetching fresh package lists ({first:#})");
    let fresh = Apt::with_fresh_lists(&scratch.join("apt"))?;
    fetch_with(&fresh, &scratch.join("packages-fresh"))
}

fn fetch_with(apt: &Apt, folder: &Path) -> Result<Packages> {
    let [compiler, _] = PACKAGES;
    let version = apt.candidate(compiler)?;
    if !rustc::release(&version).is_some_and(new_enough) {
        bail!("Debian's {compiler} is {version}; the policies need {OLDEST} or newer");
    }
    let packages = apt.closure(&PACKAGES)?;
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    eprintln!("  fetching {} of {version}", names.join(", "));
    Ok(Packages {
        files: apt.download(&packages, folder)?,
        version,
    })
}

fn new_enough(release: (u32, u32)) -> bool {
    rustc::release(OLDEST).is_none_or(|oldest| release >= oldest)
}

/// Writes `bin/rustc`. The folder with the compiler's own library is the one for this machine's
/// architecture.
fn write_wrapper(prefix: &Path) -> Result<PathBuf> {
    let libraries = prefix.join("usr/lib");
    let mut multiarch = None;
    for entry in libraries.read_dir()? {
        let entry = entry?;
        if entry.path().is_dir() && holds_compiler(&entry.path())? {
            multiarch = Some(entry.file_name().to_string_lossy().into_owned());
        }
    }
    let multiarch = multiarch.with_context(|| {
        format!(
            "Debian's packages have put no librustc_driver below {}",
            libraries.display()
        )
    })?;
    let wrapper = prefix.join("bin/rustc");
    fs::create_dir_all(prefix.join("bin"))?;
    fs::write(&wrapper, WRAPPER.replace("MULTIARCH", &multiarch))?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(wrapper)
}

fn holds_compiler(folder: &Path) -> Result<bool> {
    for entry in folder.read_dir()? {
        if entry?
            .file_name()
            .to_string_lossy()
            .starts_with("librustc_driver-")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Links the running toolchain's linker for Wasm, which Debian's compiler lacks. It is a link and
/// not a copy, because the linker looks for its libraries relative to itself. A link whose
/// toolchain is gone is made again.
fn link_linker(prefix: &Path, host: &str) -> Result<()> {
    let link = prefix
        .join("usr/lib/rustlib")
        .join(host)
        .join("bin/rust-lld");
    if link.exists() {
        return Ok(());
    }
    let linker = rustc::running_sysroot()?
        .join("lib/rustlib")
        .join(host)
        .join("bin/rust-lld");
    if !linker.exists() {
        bail!(
            "the running toolchain has no {}: use a toolchain from rustup",
            linker.display()
        );
    }
    if let Some(folder) = link.parent() {
        fs::create_dir_all(folder)?;
    }
    if link.is_symlink() {
        fs::remove_file(&link)?;
    }
    symlink(&linker, &link)
        .with_context(|| format!("cannot link {} to {}", link.display(), linker.display()))
}

/// `<cache>/reeve/wasm-toolchain`, in the cache directory of the XDG convention.
fn cache_folder() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep a toolchain")?;
    Ok(cache.join("reeve/wasm-toolchain"))
}

fn discard(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix() -> tempfile::TempDir {
        let prefix = tempfile::tempdir().unwrap();
        fs::create_dir_all(prefix.path().join("usr/bin")).unwrap();
        fs::create_dir_all(prefix.path().join("usr/lib/some-linux-gnu")).unwrap();
        fs::create_dir_all(prefix.path().join("usr/lib/rustlib")).unwrap();
        prefix
    }

    #[test]
    fn the_wrapper_finds_the_compiler_after_a_move_of_its_folder() {
        let prefix = prefix();
        let compiler = prefix.path().join("usr/bin/rustc");
        fs::write(&compiler, "#!/bin/sh\necho \"$LD_LIBRARY_PATH $*\"\n").unwrap();
        fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(
            prefix
                .path()
                .join("usr/lib/some-linux-gnu/librustc_driver-1.so"),
            "",
        )
        .unwrap();
        write_wrapper(prefix.path()).unwrap();

        let moved = tempfile::tempdir().unwrap();
        let moved = moved.path().join("a folder with spaces");
        fs::rename(prefix.path(), &moved).unwrap();
        let mut command = std::process::Command::new(moved.join("bin/rustc"));
        command
            .args(["-vV", "two words"])
            .env("LD_LIBRARY_PATH", "/kept");
        let said = crate::process::capture(&mut command).unwrap();
        let expected = format!(
            "{}/bin/../usr/lib/some-linux-gnu:/kept -vV two words\n",
            moved.display()
        );
        assert_eq!(said, expected);
    }

    #[test]
    fn packages_without_a_compiler_are_refused() {
        let prefix = prefix();
        let error = write_wrapper(prefix.path()).unwrap_err().to_string();
        assert!(error.contains("no librustc_driver"), "{error}");
    }

    #[test]
    fn a_compiler_older_than_the_workspace_version_is_not_used() {
        assert!(new_enough((1, 96)));
        assert!(!new_enough((1, 85)));
    }
}
