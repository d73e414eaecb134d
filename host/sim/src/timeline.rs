//! What happened in a run, line by line, for people.

use std::fmt::Write as _;

use reeve_core::decision::Decision;
use reeve_core::guard::Veto;
use reeve_core::id::Digest;
use reeve_core::time::Instant;

/// The actor of a veto.
pub const GUARD: &str = "guard";

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

    /// A decision, with its reason and the code that decided.
    pub(crate) fn decided(at: Instant, who: &str, event: String, made: &Decision) -> Self {
        let (decision, reason) = match &made.result {
            Ok(verdict) => (verdict.summary(), verdict.reason().text.clone()),
            Err(failure) => ("failed".to_owned(), failure.text.clone()),
        };
        Self {
            decision,
            reason,
            digest: made.digest,
            ..Self::event(at, who, event)
        }
    }

    /// A veto, with the guard's reason.
    pub(crate) fn vetoed(at: Instant, who: &str, event: String, veto: &Veto) -> Self {
        Self {
            decision: format!("VETO {}", veto.rule),
            reason: veto.text.clone(),
            ..Self::event(at, who, event)
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

/// All of it, a line each, in seconds since the first.
pub fn told(lines: &[Entry]) -> String {
    let begins = lines.first().map(|line| line.at);
    let mut text = String::new();
    for line in lines {
        let Entry {
            at,
            who,
            event,
            decision,
            reason,
            ..
        } = line;
        let at = begins.map_or(0, |begins| at.since(begins).get());
        let (seconds, ms) = (at / 1000, at % 1000);
        let told = format!("{seconds:>9}.{ms:03}  {who:<9} {event} {decision} {reason}");
        let _ = writeln!(text, "{}", told.trim_end());
    }
    text
}
