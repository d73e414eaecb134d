//! schemathesis, which plays random requests by an OpenAPI document.

use std::path::PathBuf;

use anyhow::Result;

use crate::pip::Program;
use crate::workspace::Workspace;

const SCHEMATHESIS: Program = Program {
    what: "the player of the OpenAPI document",
    folder: "schemathesis",
    // Pinned: another version asks other questions.
    requirement: "schemathesis==4.32.5",
    file: "schemathesis",
};

/// Makes sure schemathesis is installed, and returns its path.
///
/// # Errors
/// When Python or its `venv` module is missing, or the package index cannot be reached.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    SCHEMATHESIS.prepare(workspace)
}
