//! What a decision, a resolve and a report cost.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{emulator, policies, process};

/// Any will do: the emulator checks none. The host looks for them in its environment.
const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "bench"),
    ("AWS_SECRET_ACCESS_KEY", "bench"),
];

/// Builds the policies, puts the AWS emulator in place and becomes the bench, optimised. The bench is behind a feature, so that the
/// tests need not compile the engine it compares with.
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
