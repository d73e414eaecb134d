//! The paths of the files that `cargo xtask test` prepares.

use std::path::{Path, PathBuf};

/// The directory with the built components.
///
/// # Panics
/// If the components were not built.
pub fn policies_dir() -> PathBuf {
    let given = std::env::var_os("REEVE_POLICIES_DIR").map(PathBuf::from);
    let dir = given.unwrap_or_else(|| target_dir().join("policies"));
    assert!(
        dir.join("resolve.wasm").is_file(),
        "no components in {}: run `cargo xtask policies` first, or `cargo xtask test`, which does",
        dir.display()
    );
    dir
}

/// The `reeve` binary.
///
/// # Panics
/// If the binary was not built.
pub fn reeve_binary() -> PathBuf {
    let given = std::env::var_os("REEVE_BIN").map(PathBuf::from);
    let binary = given.unwrap_or_else(|| target_dir().join("debug/reeve"));
    assert!(
        binary.is_file(),
        "no host binary at {}: run `cargo build -p reeve` first, or `cargo xtask test`, which does",
        binary.display()
    );
    binary
}

/// The emulator's server program.
///
/// # Panics
/// If the emulator is not installed.
pub fn moto_server() -> PathBuf {
    let given = std::env::var_os("REEVE_MOTO_SERVER").map(PathBuf::from);
    given.filter(|path| path.is_file()).expect(
        "REEVE_MOTO_SERVER names no file: run `cargo xtask test`, which prepares the AWS emulator",
    )
}

/// The Python that the emulator runs in. It has AWS's library, as the Python of Lambda does.
pub fn python() -> PathBuf {
    moto_server().with_file_name("python")
}

/// The program that plays an OpenAPI document.
///
/// # Panics
/// If it is not installed.
pub fn schemathesis() -> PathBuf {
    let given = std::env::var_os("REEVE_SCHEMATHESIS").map(PathBuf::from);
    given.filter(|path| path.is_file()).expect(
        "REEVE_SCHEMATHESIS names no file: run `cargo xtask test`, which prepares the program",
    )
}

/// The program `ip`: the one that `cargo xtask test` names, else the system's.
pub fn ip() -> PathBuf {
    let given = std::env::var_os("REEVE_IP").map(PathBuf::from);
    given.unwrap_or_else(|| "ip".into())
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn target_dir() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    given.unwrap_or_else(|| workspace().join("target"))
}
