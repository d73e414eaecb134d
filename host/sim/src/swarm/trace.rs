//! The timeline of a random world. Lines are built only if the caller asked for a trace.

use reeve_core::time::Instant;

use crate::timeline::Entry;

/// The lines of one run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Option<Vec<Entry>>,
}

impl Trace {
    /// A trace that keeps lines, or builds none.
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
