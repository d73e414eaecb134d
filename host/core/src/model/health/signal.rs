//! One signal of a worker's health over time, and the rule over several.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RestartRule;
use crate::model::time::Instant;

/// What can be said of a worker's health, in the order in which they are named as a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalKind {
    /// The host asked the instance over HTTP.
    Http,
    /// The host connected to it.
    Tcp,
    /// EC2's own checks.
    StatusChecks,
    /// The box speaks by itself.
    Heartbeat,
}

impl SignalKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Http, Self::Tcp, Self::StatusChecks, Self::Heartbeat];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::StatusChecks => "status-checks",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// The cause of a restart that is asked for because of it.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Http | Self::Tcp => "probe-failed",
            Self::StatusChecks => "status-check-failed",
            Self::Heartbeat => "heartbeat-lost",
        }
    }

    /// Whether a restart of this cause was asked for by a signal.
    pub fn is_cause(cause: &str) -> bool {
        Self::ALL.into_iter().any(|kind| kind.cause() == cause)
    }
}

/// What one reading says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// All is well.
    Good,
    /// Something is wrong with the worker.
    Bad,
    /// It could not be read. That proves nothing, either way.
    Unavailable,
}

impl Sign {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Good, Self::Bad, Self::Unavailable];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unavailable => "unavailable",
        }
    }
}

/// One reading, with the words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it says.
    pub sign: Sign,
    /// Why, in words.
    pub text: String,
}

impl Observation {
    /// A good one.
    pub fn good(text: impl Into<String>) -> Self {
        Self::new(Sign::Good, text)
    }

    /// A bad one.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(Sign::Bad, text)
    }

    /// None at all.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::new(Sign::Unavailable, text)
    }

    fn new(sign: Sign, text: impl Into<String>) -> Self {
        Self {
            sign,
            text: text.into(),
        }
    }
}

/// What enough readings in a row have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    #[default]
    Unknown,
    /// The worker is well.
    Up,
    /// It is not.
    Down,
}

/// What one signal has said of one life of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The latest reading.
    pub sign: Sign,
    /// When that was asked for.
    pub at: Instant,
    /// Since when each reading was the same.
    pub since: Instant,
    /// How many of them in a row count towards a conclusion.
    pub row: u32,
    /// When the first of these was asked for.
    pub row_since: Instant,
    /// What the rows so far have come to. An unavailable reading leaves it as it is.
    pub standing: Standing,
    /// The latest reading in words.
    pub text: String,
}

/// The signals of a worker.
pub type Signals = BTreeMap<SignalKind, Signal>;

impl Signal {
    /// A signal before its first reading.
    pub fn unread(at: Instant) -> Self {
        Self {
            sign: Sign::Unavailable,
            at,
            since: at,
            row: 0,
            row_since: at,
            standing: Standing::Unknown,
            text: "not read yet".to_owned(),
        }
    }

    /// Takes in a reading that was asked for at `at`. One that does not `count` is shown and concludes nothing.
    /// `thresholds`: bad ones in a row that make it bad, good ones that make it good again.
    pub fn take_in(
        &mut self,
        observation: Observation,
        at: Instant,
        counts: bool,
        thresholds: (u32, u32),
    ) {
        let is_same = self.sign == observation.sign;
        self.sign = observation.sign;
        self.text = observation.text;
        self.at = at;
        if !is_same {
            self.since = at;
            self.row = 0;
        }
        if !counts || self.sign == Sign::Unavailable {
            self.row = 0;
            return;
        }
        if self.row == 0 {
            self.row_since = at;
        }
        self.row = self.row.saturating_add(1);
        let (unhealthy_after, healthy_after) = thresholds;
        let is_first = self.standing == Standing::Unknown;
        match self.sign {
            Sign::Good if is_first || self.row >= healthy_after => self.standing = Standing::Up,
            Sign::Bad if self.row >= unhealthy_after => self.standing = Standing::Down,
            _ => {}
        }
    }

    /// Failures in a row that count towards a conclusion.
    pub fn failures(&self) -> u32 {
        match self.sign {
            Sign::Bad => self.row,
            Sign::Good | Sign::Unavailable => 0,
        }
    }

    fn is_available(&self) -> bool {
        self.sign != Sign::Unavailable
    }

    /// Bad for long enough, and bad still.
    fn is_bad(&self) -> bool {
        self.sign == Sign::Bad && self.standing == Standing::Down
    }
}

/// The signal for which the worker is unhealthy, if it is: by [`RestartRule::All`] every available one must be bad
/// and at least one be available, else one bad one is enough.
pub fn bad_signal(rule: RestartRule, signals: &Signals) -> Option<SignalKind> {
    let mut available = signals.values().filter(|signal| signal.is_available());
    let holds = rule != RestartRule::All || available.all(Signal::is_bad);
    let mut all = signals.iter();
    let first = all.find(|(_, signal)| signal.is_bad());
    first.filter(|_| holds).map(|(kind, _)| *kind)
}

/// Whether the worker is certainly well: a signal says so, none is still to be concluded from, and the rule by which
/// it would be unhealthy cannot hold. A bad signal that has become unavailable is not good for that.
pub fn is_well(rule: RestartRule, signals: &Signals) -> bool {
    let is = |signal: &Signal, standing| signal.standing == standing;
    let mut available = signals.values().filter(|signal| signal.is_available());
    let is_settled = available.all(|signal| !is(signal, Standing::Unknown));
    let mut available = signals.values().filter(|signal| signal.is_available());
    let one_is_up = available.any(|signal| is(signal, Standing::Up));
    let none_is_down = !signals.values().any(|signal| is(signal, Standing::Down));
    is_settled && one_is_up && (rule == RestartRule::All || none_is_down)
}

#[cfg(test)]
mod tests;
