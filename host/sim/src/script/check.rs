//! Compares a run with the expectations of its script.

use std::fmt;

use reeve_core::time::{Instant, Millis};

use super::expect::{Counted, Expectation, Expected, HarmKind, HostMutation, Window};
use crate::run::{Harm, Run};
use crate::timeline::Entry;
use crate::world::EventKind;

/// An expectation that a run does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The script's line, counted from 1.
    pub line: usize,
    /// The text of that line.
    pub expected: String,
    /// The outcome of the run, or the count with its times.
    pub found: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected `{}`; found {}", self.expected, self.found)
    }
}

impl Expectation {
    /// Compares the run with the expectation; `None`: the run meets it.
    pub(super) fn check(&self, run: &Run) -> Option<Unmet> {
        let found = match &self.what {
            Expected::Outcome(expected) => {
                let outcome = run.outcome();
                (outcome != *expected).then(|| format!("`{}`", outcome.as_str()))
            }
            Expected::Counted {
                what,
                count,
                window,
            } => {
                let found = what.found(run, *window);
                (!count.holds(found.number)).then(|| found.to_string())
            }
        };
        found.map(|found| Unmet {
            line: self.line,
            expected: self.text.clone(),
            found,
        })
    }
}

/// A count, with the times of the counted events. Harms, vetoes and callers that gave up have no
/// times.
struct Found {
    number: usize,
    times: Vec<Millis>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        write!(f, "{}", self.number)?;
        let times = self.times.iter().take(SHOWN);
        let shown: Vec<_> = times.map(ToString::to_string).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let more = if self.times.len() > SHOWN { " …" } else { "" };
        write!(f, ": at {}{more}", shown.join(", "))
    }
}

impl Counted {
    fn found(&self, run: &Run, window: Window) -> Found {
        let at = |at: &Instant| at.since(run.begins);
        let within = |at: &Millis| window.from <= *at && *at <= window.until;
        let timed = |times: Vec<Millis>| {
            let times: Vec<_> = times.into_iter().filter(within).collect();
            Found {
                number: times.len(),
                times,
            }
        };
        let untimed = |number| Found {
            number,
            times: Vec::new(),
        };
        match self {
            Self::Harms(kind) => {
                let of_kind = run.harms.iter().filter(|harm| is_of(harm, *kind));
                untimed(of_kind.count())
            }
            Self::Vetoes => untimed(run.vetoes),
            Self::GaveUp => untimed(run.gave_up),
            Self::Mutations(mutation) => {
                let done = run
                    .mutations
                    .iter()
                    .filter(|done| is_mutation(&done.kind, *mutation));
                timed(done.map(|done| at(&done.at)).collect())
            }
            Self::Notices(step) => {
                let told = run.notices.iter().filter(|(_, told)| told == step);
                timed(told.map(|(told, _)| at(told)).collect())
            }
            Self::Served {
                caller,
                within: longest,
            } => {
                let served = run.served.iter().filter(|served| {
                    caller
                        .as_ref()
                        .is_none_or(|caller| caller == &served.caller)
                        && longest.is_none_or(|longest| served.took <= longest)
                });
                timed(served.map(|served| at(&served.at)).collect())
            }
            Self::Lines { who, text } => {
                let lines = run.entries.iter().filter(|entry| says(entry, who, text));
                timed(lines.map(|entry| at(&entry.at)).collect())
            }
        }
    }
}

/// Whether the timeline's line is by `who` and contains the text.
fn says(entry: &Entry, who: &str, text: &str) -> bool {
    entry.is_by(who) && (entry.what().contains(text) || entry.reason.contains(text))
}

fn is_of(harm: &Harm, kind: Option<HarmKind>) -> bool {
    let is = match harm {
        Harm::SecondInstance { .. } => HarmKind::SecondInstance,
        Harm::StoppedUnserved { .. } => HarmKind::StoppedUnserved,
        Harm::StoppedInUse { .. } => HarmKind::StoppedInUse,
        Harm::DeadAddress { .. } => HarmKind::DeadAddress,
        Harm::DeliveredIntoTheVoid { .. } => HarmKind::DeliveredIntoTheVoid,
    };
    kind.is_none_or(|kind| kind == is)
}

fn is_mutation(kind: &EventKind, mutation: HostMutation) -> bool {
    match kind {
        EventKind::Launched => mutation == HostMutation::Launch,
        EventKind::Started => mutation == HostMutation::Start,
        EventKind::StopRequested => mutation == HostMutation::Stop,
        EventKind::TerminateRequested => mutation == HostMutation::Terminate,
        EventKind::RebootRequested => mutation == HostMutation::Reboot,
        EventKind::Rebooted | EventKind::State(_) | EventKind::Addressed => false,
    }
}
