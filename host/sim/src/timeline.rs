//! What happened in a run, line by line, for people.

use reeve_core::id::Digest;
use reeve_core::time::Instant;

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// Who: `chat`, `cloud`, `policy`, `guard`, `host`, `watchdog` …
    pub who: String,
    /// What happened.
    pub event: String,
    /// What was decided, where something was.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// Which code decided.
    pub digest: Option<Digest>,
}

impl Entry {
    /// An event without a decision.
    pub fn event(at: Instant, who: &str, event: impl Into<String>) -> Self {
        Self {
            at,
            who: who.to_owned(),
            event: event.into(),
            decision: String::new(),
            reason: String::new(),
            digest: None,
        }
    }
}
