//! The timeline of a run: one line per event or decision, for people to read.

use std::fmt::Write as _;

use reeve_core::decision::Decision;
use reeve_core::guard::Veto;
use reeve_core::id::Digest;
use reeve_core::text;
use reeve_core::time::Instant;

/// The actor of the lines about vetoes.
pub const GUARD: &str = "guard";

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time of the event.
    pub at: Instant,
    /// The actor: `cloud`, `policy`, `guard`, `host`, `box`, or a name from the script. With several
    /// hosts, `host 2`, `policy 2` and `guard 2` are of the second.
    pub who: String,
    /// The event, or the question that a policy or the guard decided.
    pub event: String,
    /// The verdict or the veto; empty for an event without a decision.
    pub decision: String,
    /// The reason of the decision; empty if the line has none.
    pub reason: String,
    /// The digest of the policy's component; `None`: no component made the decision.
    pub digest: Option<Digest>,
}

impl Entry {
    /// Makes the line of an event without a decision.
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

    /// Makes the line of a policy's decision.
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

    /// Makes the line of a veto.
    pub(crate) fn vetoed(at: Instant, who: &str, event: String, veto: &Veto) -> Self {
        Self {
            decision: format!("VETO {}", veto.rule),
            reason: veto.text.clone(),
            ..Self::event(at, who, event)
        }
    }

    /// Gives the actor the number of its host, if it is a part of one.
    #[must_use]
    pub(crate) fn of_host(mut self, number: usize) -> Self {
        if ["host", "policy", GUARD].contains(&self.who.as_str()) {
            self.who = format!("{} {}", self.who, number + 1);
        }
        self
    }

    /// Whether the line is by this actor. `host`, `policy` and `guard` are those of every host.
    pub fn is_by(&self, who: &str) -> bool {
        let rest = self.who.strip_prefix(who);
        rest.is_some_and(|rest| rest.is_empty() || is_number_of_host(rest))
    }

    /// The event and the decision, as the timeline shows them and scripts search them.
    pub fn what(&self) -> String {
        match (self.event.as_str(), self.decision.as_str()) {
            (event, "") => event.to_owned(),
            ("", decision) => decision.to_owned(),
            (event, decision) => format!("{event} → {decision}"),
        }
    }
}

fn is_number_of_host(rest: &str) -> bool {
    let number = rest.strip_prefix(' ');
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Writes a timeline as text, one line per entry, with the seconds since the first entry.
pub fn told(lines: &[Entry]) -> String {
    let begins = lines.first().map(|line| line.at);
    let mut page = String::new();
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
        let written = format!("{seconds:>9}.{ms:03}  {who:<9} {event} {decision} {reason}");
        let _ = writeln!(page, "{}", text::escaped(written.trim_end()));
    }
    page
}
