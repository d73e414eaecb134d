//! What a decision and a resolve cost.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{policies, process};

/// Builds the policies and becomes the bench, optimised. The bench is behind a feature, so that the
/// tests need not compile the engine it compares with.
///
/// # Errors
/// When something does not build.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    policies::build(workspace)?;
    let mut bench = workspace.cargo("run");
    bench
        .args([
            "--release",
            "--package",
            "reeve-tests",
            "--features",
            "bench",
            "--bin",
            "bench",
        ])
        .arg("--")
        .args(args)
        .env("REEVE_POLICIES_DIR", workspace.policies());
    process::become_program(&mut bench)
}
