//! The sections `expect`: the expected results of a run.

use reeve_core::notice::Step;
use reeve_core::time::Millis;

use super::words::{Line, ScriptError};
use crate::run::Outcome;

/// One expectation of a run.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    /// The script's line, counted from 1.
    pub(super) line: usize,
    /// The line without its comment, for messages.
    pub(super) text: String,
    pub(super) what: Expected,
}

#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// The outcome of the run.
    Outcome(Outcome),
    /// A count within a span of time.
    Counted {
        what: Counted,
        count: Count,
        window: Window,
    },
}

/// The events that an expectation counts.
#[derive(Clone, Debug)]
pub(super) enum Counted {
    /// Harms of one kind; `None`: harms of all kinds.
    Harms(Option<HarmKind>),
    /// The host's mutations of one kind.
    Mutations(HostMutation),
    /// Notices about a step.
    Notices(Step),
    /// The guard's vetoes.
    Vetoes,
    /// Responses with an address.
    Served {
        /// The caller; `None`: all callers.
        caller: Option<String>,
        /// The longest time from the caller's first request; `None`: any time.
        within: Option<Millis>,
    },
    /// Callers that gave up.
    GaveUp,
    /// Lines of the timeline by `who` that contain `text`.
    Lines { who: String, text: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HarmKind {
    SecondInstance,
    StoppedUnserved,
    StoppedInUse,
    DeadAddress,
    DeliveredIntoTheVoid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostMutation {
    Launch,
    Start,
    Reboot,
    Stop,
    Terminate,
}

/// The accepted counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
}

/// A span of time from the beginning of the story, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Millis,
    pub(super) until: Millis,
}

impl Window {
    const ALWAYS: Self = Self {
        from: Millis::ZERO,
        until: Millis::new(u64::MAX),
    };
}

impl Count {
    pub(super) fn holds(self, found: usize) -> bool {
        match self {
            Self::Exactly(number) => found == number,
            Self::AtLeast(number) => found >= number,
            Self::AtMost(number) => found <= number,
        }
    }
}

impl Expectation {
    /// Reads a line.
    pub(super) fn read(mut line: Line) -> Result<Self, ScriptError> {
        let what = expected(&mut line)?;
        line.end()?;
        Ok(Self {
            line: line.number(),
            text: line.text().to_owned(),
            what,
        })
    }
}

fn expected(line: &mut Line) -> Result<Expected, ScriptError> {
    const WHAT: &str = "`outcome`, `harms`, `launches`, `starts`, `reboots`, `stops`, `terminations`, `notice`, `vetoes`, `served`, \
                        `gave-up`, or a name such as `guard` and then `says` or `served`";
    if line.takes("outcome") {
        let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str(), outcome));
        return Ok(Expected::Outcome(line.one_of(&outcomes)?));
    }
    let mutations = [
        ("launches", HostMutation::Launch),
        ("starts", HostMutation::Start),
        ("reboots", HostMutation::Reboot),
        ("stops", HostMutation::Stop),
        ("terminations", HostMutation::Terminate),
    ];
    let mutation = mutations.iter().find(|(name, _)| line.takes(name));
    if let Some((_, mutation)) = mutation {
        return windowed(line, Counted::Mutations(*mutation));
    }
    if line.takes("harms") {
        return harms(line);
    }
    if line.takes("notice") {
        let step = line.variant()?;
        return windowed(line, Counted::Notices(step));
    }
    for (name, what) in [("vetoes", Counted::Vetoes), ("gave-up", Counted::GaveUp)] {
        if line.takes(name) {
            let count = count(line)?;
            return Ok(counted(what, count, Window::ALWAYS));
        }
    }
    if line.takes("served") {
        return served(line, None);
    }
    let who = line.name(WHAT)?.to_owned();
    if line.takes("served") {
        return served(line, Some(who));
    }
    if !line.takes("says") {
        return Err(line.expected("`says` or `served`"));
    }
    let text = line.quoted("a part of the line")?.to_owned();
    let what = Counted::Lines { who, text };
    if !line.is_at_number() && !line.is_at_bound() {
        return Ok(counted(what, Count::AtLeast(1), window(line)?));
    }
    let count = count(line)?;
    line.expect("times")?;
    Ok(counted(what, count, window(line)?))
}

/// Reads `2 second-instance`.
fn harms(line: &mut Line) -> Result<Expected, ScriptError> {
    let count = count(line)?;
    let kinds = [
        ("second-instance", HarmKind::SecondInstance),
        ("stopped-unserved", HarmKind::StoppedUnserved),
        ("stopped-in-use", HarmKind::StoppedInUse),
        ("dead-address", HarmKind::DeadAddress),
        ("delivered-into-the-void", HarmKind::DeliveredIntoTheVoid),
    ];
    let kind = match line.end() {
        Ok(()) => None,
        Err(_) => Some(line.one_of(&kinds)?),
    };
    Ok(counted(Counted::Harms(kind), count, Window::ALWAYS))
}

/// Reads `2, within 1s, after 5m`.
fn served(line: &mut Line, caller: Option<String>) -> Result<Expected, ScriptError> {
    let count = count(line)?;
    let mut within = None;
    let mut before = line.clone();
    if before.has_clause() && before.takes("within") {
        within = Some(before.length()?);
        *line = before;
    }
    let what = Counted::Served { caller, within };
    Ok(counted(what, count, window(line)?))
}

fn windowed(line: &mut Line, what: Counted) -> Result<Expected, ScriptError> {
    let count = count(line)?;
    Ok(counted(what, count, window(line)?))
}

fn counted(what: Counted, count: Count, window: Window) -> Expected {
    Expected::Counted {
        what,
        count,
        window,
    }
}

/// Reads `3`, `at least 3` or `at most 3`.
fn count(line: &mut Line) -> Result<Count, ScriptError> {
    let kind: fn(usize) -> Count = if line.takes_all(&["at", "least"]) {
        Count::AtLeast
    } else if line.takes_all(&["at", "most"]) {
        Count::AtMost
    } else if line.is_at_number() {
        Count::Exactly
    } else {
        return Err(line.expected("a whole number, `at least` or `at most`"));
    };
    let number = line.number_up_to(u64::from(u32::MAX))?;
    Ok(kind(usize::try_from(number).unwrap_or(usize::MAX)))
}

/// Reads `, between 1m and 2m`, `, before 1m` or `, after 1m`. Without a clause the window is all of
/// the run.
fn window(line: &mut Line) -> Result<Window, ScriptError> {
    let mut window = Window::ALWAYS;
    if !line.has_clause() {
        return Ok(window);
    }
    #[derive(Clone, Copy)]
    enum Side {
        Between,
        Before,
        After,
    }
    let sides = [
        ("between", Side::Between),
        ("before", Side::Before),
        ("after", Side::After),
    ];
    match line.one_of(&sides)? {
        Side::Between => {
            window.from = line.length()?;
            line.expect("and")?;
            window.until = line.length()?;
            if window.until < window.from {
                let accepted = format!("a time not before {}", window.from);
                return Err(line.wrong(window.until.to_string(), &accepted));
            }
        }
        Side::Before => window.until = line.length()?,
        Side::After => window.from = line.length()?,
    }
    Ok(window)
}
