//! `cargo xtask swarm`: thousands of random worlds.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{policies, process};

/// Builds the policies and becomes the optimised swarm.
///
/// # Errors
/// When something does not build.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    policies::build(workspace)?;
    let mut swarm = workspace.cargo("run");
    swarm
        .args([
            "--release",
            "--package",
            "reeve-tests",
            "--features",
            "swarm",
            "--bin",
            "swarm",
        ])
        .arg("--")
        .args(args)
        .env("REEVE_POLICIES_DIR", workspace.policies());
    process::become_program(&mut swarm)
}
