//! What happened in a random world, line by line. Lines are made only where a reader wants them.

use reeve_core::time::Instant;

use crate::timeline::Entry;

/// The lines of one run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Option<Vec<Entry>>,
}

impl Trace {
    /// One that keeps lines, or does not.
    pub(super) fn new(is_kept: bool) -> Self {
        Self {
            lines: is_kept.then(Vec::new),
        }
    }

    /// Keeps a line.
    pub(super) fn tell(&mut self, at: Instant, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(Entry::event(at, who, what()));
        }
    }

    /// Keeps a line with a decision.
    pub(super) fn decided(&mut self, line: impl FnOnce() -> Entry) {
        if let Some(lines) = &mut self.lines {
            lines.push(line());
        }
    }

    pub(super) fn into_lines(self) -> Vec<Entry> {
        self.lines.unwrap_or_default()
    }
}
