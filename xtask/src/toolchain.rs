//! Finds or makes a compiler for `wasm32-unknown-unknown`.
//!
//! The order, unless `REEVE_WASM_TOOLCHAIN` forces one way:
//! 1. the running toolchain, when the target's standard library is there;
//! 2. a private toolchain of an earlier run (asking rustup again each time would make every command
//!    wait where rustup's servers cannot be reached);
//! 3. `rustup target add`, for at most [`RUSTUP_BOUND`];
//! 4. a private toolchain from Debian's packages ([`debian`]).
//!
//! A `rust-toolchain.toml` that lists the target would be shorter, but every cargo call would then
//! fail where rustup cannot fetch.

pub(crate) mod apt;
mod debian;
mod rustc;
mod standard_library;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// The target of every policy. `wasm32-wasip2` would bring WASI along, and a policy imports
/// nothing.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Forces a way: `rustup` or `debian`.
const CHOICE: &str = "REEVE_WASM_TOOLCHAIN";

/// The longest time for rustup: enough for 20 MB over a slow line, and short enough that a person
/// still waits when a machine without a route to rustup's servers turns to Debian's packages.
const RUSTUP_BOUND: Duration = Duration::from_secs(120);

/// The compiler for the policies.
#[derive(Debug)]
pub(crate) struct WasmToolchain {
    /// The compiler to pass to cargo as `RUSTC`; `None`: the one that cargo uses anyway.
    rustc: Option<PathBuf>,
    /// The name of the target directory. Compilers do not share one, or each would rebuild the
    /// other's work.
    folder: String,
}

impl WasmToolchain {
    fn running() -> Self {
        Self {
            rustc: None,
            folder: "wasm".to_owned(),
        }
    }

    fn private(found: debian::Private) -> Self {
        Self {
            folder: format!("wasm-debian-{}", found.library),
            rustc: Some(found.rustc),
        }
    }

    /// The target directory of this compiler. It is not the host's, or `cargo test` and the
    /// policies would wait for each other's lock.
    pub(crate) fn target_dir(&self, workspace: &Workspace) -> PathBuf {
        workspace.target().join(&self.folder)
    }

    /// Makes a cargo command use this compiler.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc);
        }
    }
}

/// Finds a compiler for the policies, and installs one when there is none.
///
/// # Errors
/// When no way works. The message says what each way lacked, and what to install.
pub(crate) fn find() -> Result<WasmToolchain> {
    let choice = std::env::var(CHOICE).unwrap_or_default();
    match choice.as_str() {
        "" => first_available(),
        "rustup" => from_rustup(),
        "debian" => Ok(WasmToolchain::private(debian::find_or_make()?)),
        other => bail!("{CHOICE} is `{other}`; accepted are `rustup`, `debian`, or leave it unset"),
    }
}

fn first_available() -> Result<WasmToolchain> {
    let sysroot = rustc::running_sysroot()?;
    if has_standard_library(&sysroot) {
        return Ok(WasmToolchain::running());
    }
    if let Some(found) = debian::find()? {
        return Ok(WasmToolchain::private(found));
    }
    let rustup = match from_rustup() {
        Ok(toolchain) => return Ok(toolchain),
        Err(error) => error,
    };
    eprintln!("rustup cannot provide {TARGET}: {rustup:#}");
    debian::find_or_make().map(WasmToolchain::private).with_context(|| {
        format!(
            "no compiler for {TARGET}: install rustup and run `rustup target add {TARGET}` (why \
             that failed here stands above), or make Debian's packages `rustc-web` and \
             `rust-web-src` available to apt-get"
        )
    })
}

fn from_rustup() -> Result<WasmToolchain> {
    let sysroot = rustc::running_sysroot()?;
    if has_standard_library(&sysroot) {
        return Ok(WasmToolchain::running());
    }
    if !process::exists("rustup") {
        bail!(
            "rustup is not installed, and {} has no {TARGET}",
            sysroot.display()
        );
    }
    eprintln!(
        "asking rustup for {TARGET} (for at most {} s)",
        RUSTUP_BOUND.as_secs()
    );
    let mut add = Command::new("rustup");
    // rustup's own message says what is wrong; a backtrace would bury the message.
    add.args(["target", "add", TARGET])
        .env("RUST_BACKTRACE", "0");
    process::run_bounded(&mut add, RUSTUP_BOUND)?;
    if !has_standard_library(&sysroot) {
        bail!(
            "rustup says that it has added {TARGET}, but {} still has none: \
             is the rustc in the PATH rustup's?",
            sysroot.display()
        );
    }
    Ok(WasmToolchain::running())
}

/// Whether a toolchain can compile for the target: it then has the `libstd` that rustup adds.
fn has_standard_library(sysroot: &Path) -> bool {
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let Ok(entries) = library.read_dir() else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}
