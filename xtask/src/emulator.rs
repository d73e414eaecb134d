//! moto, which speaks EC2's and SSM's wire protocol.
//!
//! The tests themselves start its server, on a free port.

use std::path::PathBuf;

use anyhow::Result;

use crate::pip::Program;
use crate::workspace::Workspace;

const MOTO: Program = Program {
    what: "the AWS emulator",
    folder: "emulator",
    // Pinned: what the tests learn about the wire is true of one version.
    requirement: "moto[server,ec2,ssm]==5.2.5",
    file: "moto_server",
};

/// Makes sure the emulator is installed, and returns its server's path.
///
/// # Errors
/// When Python or its `venv` module is missing, or the package index cannot be reached.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    MOTO.prepare(workspace)
}
