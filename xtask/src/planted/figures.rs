//! The figures of all trials so far. Trying every bug takes hours, so the file is written after each
//! one, and a later run may take it up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::trial::Trial;

/// What became of each bug, by its name.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Figures(BTreeMap<String, Figure>);

/// What became of one bug.
#[derive(Serialize, Deserialize)]
struct Figure {
    /// The tree that it was planted in.
    commit: String,
    /// The guarantee that did not hold; missing if all did.
    #[serde(skip_serializing_if = "Option::is_none")]
    caught_by: Option<String>,
    /// The worlds until then.
    worlds: u64,
}

impl Figures {
    /// The figures of an earlier run.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let cannot_read = || format!("cannot read {}", file.display());
        let text = fs::read_to_string(file).with_context(cannot_read)?;
        serde_json::from_str(&text).with_context(cannot_read)
    }

    /// Whether the bug was tried.
    pub(super) fn has(&self, bug: &str) -> bool {
        self.0.contains_key(bug)
    }

    /// Enters a trial in the tree of this commit.
    pub(super) fn enter(&mut self, bug: &str, commit: &str, trial: &Trial) {
        let (caught_by, worlds) = match trial {
            Trial::Caught(it) => (Some(it.guarantee.clone()), it.worlds),
            Trial::Missed { worlds, .. } => (None, *worlds),
        };
        let figure = Figure {
            commit: commit.to_owned(),
            caught_by,
            worlds,
        };
        self.0.insert(bug.to_owned(), figure);
    }

    /// Leaves out bugs that are no longer planted.
    pub(super) fn retain(&mut self, is_planted: impl Fn(&str) -> bool) {
        self.0.retain(|bug, _| is_planted(bug));
    }

    /// How many were tried.
    pub(super) fn planted(&self) -> usize {
        self.0.len()
    }

    /// The bugs that no check has noticed.
    pub(super) fn missed(&self) -> Vec<&str> {
        let missed = self.0.iter().filter(|(_, it)| it.caught_by.is_none());
        missed.map(|(bug, _)| bug.as_str()).collect()
    }

    /// Writes them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}
