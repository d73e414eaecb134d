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

    /// What happened and what was decided, as a timeline shows it.
    pub fn what(&self) -> String {
        match (self.event.as_str(), self.decision.as_str()) {
            (event, "") => event.to_owned(),
            ("", decision) => decision.to_owned(),
            (event, decision) => format!("{event} → {decision}"),
        }
    }
}
