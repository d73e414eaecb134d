//! `cargo xtask demo`: the incidents on the embedded world, without an AWS account, Python, or the
//! AWS SDK.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{policies, process};

/// Without its default features, `reeve` has only the embedded cloud, and needs no AWS SDK.
pub(crate) const REEVE: [&str; 6] = [
    "--quiet",
    "--package",
    "reeve",
    "--no-default-features",
    "--bin",
    "reeve",
];

/// Builds the policies and `reeve`, then becomes `reeve demo ARGS`.
///
/// # Errors
/// When something does not build.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    eprintln!("building the policies and reeve (the first time this takes minutes)");
    policies::build(workspace)?;
    process::run_with_heartbeat(workspace.cargo("build").args(REEVE))
        .context("cannot build reeve for the demo")?;
    let mut demo = workspace.cargo("run");
    demo.args(REEVE)
        .args(["--", "demo"])
        .args(args)
        .env("REEVE_POLICIES_DIR", workspace.policies());
    process::become_program(&mut demo)
}
