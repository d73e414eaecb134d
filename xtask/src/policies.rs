//! `cargo xtask policies`: compiles policy crates to core modules, and turns these into components.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::lock::Lock;
use crate::toolchain::{self, TARGET, WasmToolchain};
use crate::workspace::Workspace;
use crate::{print, process};

/// Every crate that becomes a component, by package. A component's file has the package's name
/// without [`PREFIX`].
const PACKAGES: [&str; 11] = [
    "reeve-resolve",
    "reeve-adopt",
    "reeve-retry-ip",
    "reeve-debounce",
    "reeve-reap",
    "reeve-legacy-stale-pointer",
    "reeve-legacy-ip-race",
    "reeve-legacy-double-provision",
    "reeve-legacy-self-fire",
    "reeve-legacy-frozen-activity",
    "reeve-noop",
];

/// The prefix of packages that files do not have: in a folder of policies it says nothing.
const PREFIX: &str = "reeve-";

/// The root manifest's profile for components: a small component matters more than a fast build.
const PROFILE: &str = "policy";

/// Builds every policy, writes it as a component to `<target>/policies`, and prints a line for
/// each. A changed file is replaced as a whole, and an unchanged one is left alone, because a
/// running host may be watching the folder.
///
/// # Errors
/// When there is no compiler for the target, a package is missing or does not compile, or a core
/// module does not fit the contract in `wit/`. The other policies are still built.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .into_iter()
        .filter(|package| !workspace.has_package(package))
        .collect();
    if !missing.is_empty() {
        bail!(
            "the workspace has no package {}: every policy that xtask/src/policies.rs lists must \
             be a member in the root Cargo.toml",
            missing.join(", ")
        );
    }
    let toolchain = toolchain::find()?;
    let _lock = Lock::take(&workspace.target().join("policies.lock"), "the policies")?;
    let folder = workspace.policies();
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let mut failed = Vec::new();
    for package in PACKAGES {
        if let Err(error) = build_one(workspace, &toolchain, package) {
            eprintln!("error: {error:#}");
            failed.push(package);
        }
    }
    if !failed.is_empty() {
        bail!("cannot build the policies {}", failed.join(", "));
    }
    Ok(())
}

fn build_one(workspace: &Workspace, toolchain: &WasmToolchain, package: &str) -> Result<()> {
    let module = compile(workspace, toolchain, package)?;
    let component =
        componentize(&module).with_context(|| format!("cannot make a component of {package}"))?;
    let name = package.strip_prefix(PREFIX).unwrap_or(package);
    let changed = replace(
        &workspace.policies().join(format!("{name}.wasm")),
        &component,
    )?;
    print::line(format_args!(
        "{name:22} {:>5} KiB  {}{}",
        component.len().div_ceil(1024),
        short_digest(&component),
        if changed { "" } else { "  (unchanged)" }
    ))
}

/// Compiles one package to a core module and returns its file. It builds only the `cdylib`:
/// together with an `rlib`, which the native tests need, cargo does no link-time optimisation.
fn compile(workspace: &Workspace, toolchain: &WasmToolchain, package: &str) -> Result<PathBuf> {
    let target_dir = toolchain.target_dir(workspace);
    let mut cargo = workspace.cargo("rustc");
    cargo
        .args([
            "--quiet",
            "--lib",
            "--crate-type",
            "cdylib",
            "--package",
            package,
        ])
        .args(["--profile", PROFILE, "--target", TARGET, "--target-dir"])
        .arg(&target_dir);
    toolchain.apply(&mut cargo);
    same_everywhere(&mut cargo);
    process::run(&mut cargo).with_context(|| format!("cannot compile the policy {package}"))?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(target_dir.join(TARGET).join(PROFILE).join(file))
}

/// Makes the build independent of the machine. Panic texts hold the paths of sources, and this
/// machine's path of downloaded crates must not change a component's digest. The flags of the
/// host's build do not apply to policies.
fn same_everywhere(cargo: &mut Command) {
    cargo
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    if let Some(home) = home {
        let crates = home.join("registry/src");
        let flag = format!("--remap-path-prefix={}=/crates", crates.display());
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flag);
    }
}

/// Makes a component of a core module. The encoder refuses a module that imports anything but the
/// contract's types. It accepts a module without bindings, so an empty component is refused here.
fn componentize(module: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)?
        .encode()?;
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&component)? else {
        bail!("{} became a WIT package", module.display());
    };
    if resolve.worlds[world].exports.is_empty() {
        bail!(
            "{} exports nothing; a policy exports at least one interface of wit/, through \
             wit-bindgen's `export!`",
            module.display()
        );
    }
    Ok(component)
}

/// Replaces a file if its bytes differ; returns whether they did. A reader sees either the old file
/// or the new one, never a part.
fn replace(file: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(file).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    let unfinished = file.with_extension("wasm.unfinished");
    fs::write(&unfinished, bytes)
        .with_context(|| format!("cannot write {}", unfinished.display()))?;
    fs::rename(&unfinished, file).with_context(|| {
        format!(
            "cannot rename {} to {}",
            unfinished.display(),
            file.display()
        )
    })?;
    Ok(true)
}

/// The first 12 hexadecimal digits of the SHA-256, as the host shows a component's digest.
fn short_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_with_the_same_bytes_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolve.wasm");
        assert!(replace(&file, b"one").unwrap());
        assert!(!replace(&file, b"one").unwrap());
        assert!(replace(&file, b"two").unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        let left: Vec<_> = folder.path().read_dir().unwrap().collect();
        assert_eq!(left.len(), 1, "an unfinished file is left behind: {left:?}");
    }

    #[test]
    fn a_module_without_exports_and_a_non_module_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("module.wasm");
        for (bytes, expected) in [
            (b"\0asm\x01\0\0\0".as_slice(), "exports nothing"),
            (b"not wasm", "magic"),
        ] {
            fs::write(&module, bytes).unwrap();
            let error = format!("{:#}", componentize(&module).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_digest_is_the_start_of_sha_256() {
        assert_eq!(short_digest(b""), "e3b0c44298fc");
    }
}
