//! `cargo xtask bench`: the cost of a decision, a resolve and a report.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{emulator, policies, process};

/// The credentials in the bench's environment. Any values work, because the emulator checks none.
const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "bench"),
    ("AWS_SECRET_ACCESS_KEY", "bench"),
];

/// Builds the policies, installs the AWS emulator, and becomes the optimised bench. The bench is
/// behind a feature, so that the tests do not compile the engine that it compares with.
///
/// # Errors
/// When something does not build.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    policies::build(workspace)?;
    let moto = emulator::prepare(workspace)?;
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
        .env("REEVE_POLICIES_DIR", workspace.policies())
        .env("REEVE_MOTO_SERVER", moto)
        .envs(CREDENTIALS);
    process::become_program(&mut bench)
}
