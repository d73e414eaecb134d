//! `reeve policy build`: turns a core module into a component that a host accepts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail, ensure};
use reeve_policy::shown;
use serde_json::Value;
use wit_component::ComponentEncoder;

use super::{LARGEST, Workbench};
use crate::print;

/// Policies import nothing, and this target offers nothing to import.
const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn run(source: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let module = if source.is_dir() {
        compile(source)?
    } else {
        source.to_owned()
    };
    let bytes = reeve_policy::read(&module, LARGEST.component_bytes_max)?;
    let component = componentize(&bytes)
        .with_context(|| format!("{} cannot be made a component", shown(&module)))?;
    // A component that a host would refuse is refused here.
    let workbench = Workbench::load(&shown(output), &component)?;
    replace(output, &component)?;
    print::line(format_args!(
        "{} {} {} bytes, offers {}",
        output.display(),
        workbench.policy.digest().short(),
        workbench.bytes,
        workbench.points()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn componentize(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    // Modules and components start with the same bytes; the byte after the version differs.
    if module.get(6) == Some(&1) {
        bail!("it is a component already; accepted are core modules");
    }
    // The error of wit-component does not say what the user can do; this context does.
    let encode = || {
        ComponentEncoder::default()
            .validate(true)
            .module(module)?
            .encode()
    };
    encode().context(
        "it must carry the type information that wit-bindgen leaves in a module, and import nothing",
    )
}

/// A host may watch the directory: a rename shows it the old or the new component, never a part.
fn replace(output: &Path, component: &[u8]) -> anyhow::Result<()> {
    let unfinished = output.with_extension("wasm.unfinished");
    fs::write(&unfinished, component)
        .with_context(|| format!("cannot write {}", shown(&unfinished)))?;
    fs::rename(&unfinished, output).with_context(|| format!("cannot write {}", shown(output)))
}

/// Compiles the crate and returns its module.
fn compile(crate_dir: &Path) -> anyhow::Result<PathBuf> {
    let manifest = crate_dir.join("Cargo.toml");
    ensure!(
        manifest.is_file(),
        "{} has no Cargo.toml; accepted are a crate's directory and a core module (.wasm)",
        crate_dir.display()
    );
    ensure_target()?;
    let built = Command::new(tool("CARGO", "cargo"))
        .args(["build", "--release", "--lib", "--target", TARGET])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(&manifest)
        .stderr(Stdio::inherit())
        .output()
        .context(
            "cannot run cargo; install Rust, or build a core module by other means and pass that",
        )?;
    ensure!(
        built.status.success(),
        "{} does not compile for {TARGET}",
        crate_dir.display()
    );
    let messages = String::from_utf8_lossy(&built.stdout);
    module_in(&messages).with_context(|| {
        format!(
            "{} compiles to no .wasm module; its Cargo.toml needs crate-type = [\"cdylib\"] under [lib]",
            crate_dir.display()
        )
    })
}

/// The last module that cargo reports. Dependencies come before the crate itself.
fn module_in(messages: &str) -> Option<PathBuf> {
    let artifacts = messages.lines().rev().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["reason"] == "compiler-artifact").then_some(message)
    });
    artifacts
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| {
            name.extension()
                .is_some_and(|extension| extension == "wasm")
        })
}

/// Without the target, rustc fails with "can't find crate for `core`", which hides the cause.
fn ensure_target() -> anyhow::Result<()> {
    let printed = Command::new(tool("RUSTC", "rustc"))
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("cannot run rustc; install Rust")?;
    let directory = PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim());
    ensure!(
        printed.status.success() && directory.is_dir(),
        "this Rust has no standard library for {TARGET}; run `rustup target add {TARGET}`, or set RUSTC to a \
         compiler that has one"
    );
    Ok(())
}

fn tool(variable: &str, name: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_last_one_that_cargo_reports() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/libdependency.rlib"]}
{"reason":"compiler-artifact","filenames":["/t/other.wasm"]}
{"reason":"compiler-artifact","filenames":["/t/libmine.rlib","/t/mine.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(module_in(messages), Some(PathBuf::from("/t/mine.wasm")));
        assert_eq!(module_in("no json"), None);
    }

    #[test]
    fn a_file_that_is_no_core_module_is_refused() {
        let component = b"\0asm\x0d\0\x01\0";
        let error = componentize(component).unwrap_err();
        assert!(error.to_string().contains("a component already"), "{error}");
        assert!(componentize(b"text").is_err());
    }
}
