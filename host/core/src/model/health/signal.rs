//! One signal of a worker's health over time, and the rules over several signals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RestartRule;
use crate::model::time::Instant;

/// The kinds of signals, in the order in which they are named as a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalKind {
    /// An HTTP probe by the host.
    Http,
    /// A TCP probe by the host.
    Tcp,
    /// EC2's status checks.
    StatusChecks,
    /// The heartbeats of the box.
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

    /// The cause of a restart that this signal asks for.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Http | Self::Tcp => "probe-failed",
            Self::StatusChecks => "status-check-failed",
            Self::Heartbeat => "heartbeat-lost",
        }
    }

    /// Whether a signal asks for restarts with this cause.
    pub fn is_cause(cause: &str) -> bool {
        Self::ALL.into_iter().any(|kind| kind.cause() == cause)
    }
}

/// The sign of one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// The worker passed.
    Good,
    /// The worker failed.
    Bad,
    /// The reading could not be made. It proves nothing.
    Unavailable,
}

impl Sign {
    /// All signs.
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

/// One reading in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The sign of the reading.
    pub sign: Sign,
    /// The reason, in words.
    pub text: String,
}

impl Observation {
    /// A good reading.
    pub fn good(text: impl Into<String>) -> Self {
        Self::new(Sign::Good, text)
    }

    /// A bad reading.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(Sign::Bad, text)
    }

    /// An unavailable reading.
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

/// The conclusion from enough readings in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No conclusion yet.
    #[default]
    Unknown,
    /// The worker is healthy by this signal.
    Up,
    /// The worker is unhealthy by this signal.
    Down,
}

/// The readings of one signal in one life of the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The latest reading.
    pub sign: Sign,
    /// When the latest reading was asked for.
    pub at: Instant,
    /// Since when every reading has had the same sign.
    pub since: Instant,
    /// The number of readings in the present row that count toward a conclusion.
    pub row: u32,
    /// When the first reading of the row was asked for.
    pub row_since: Instant,
    /// The conclusion so far. An unavailable reading does not change it.
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

    /// Takes in a reading that was asked for at `at`. A reading that does not count is shown and
    /// concludes nothing. `thresholds` are the numbers of bad and of good readings in a row that
    /// change the standing.
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

    /// Failures in a row that count toward a conclusion.
    pub fn failures(&self) -> u32 {
        match self.sign {
            Sign::Bad => self.row,
            Sign::Good | Sign::Unavailable => 0,
        }
    }

    fn is_available(&self) -> bool {
        self.sign != Sign::Unavailable
    }

    /// Whether the signal is down, and its latest reading is bad.
    fn is_bad(&self) -> bool {
        self.sign == Sign::Bad && self.standing == Standing::Down
    }
}

/// The signal by which the worker is unhealthy; `None` if it is healthy. By [`RestartRule::All`]
/// every available signal must be bad, and at least one must be available. Otherwise one bad signal
/// is enough.
pub fn bad_signal(rule: RestartRule, signals: &Signals) -> Option<SignalKind> {
    let mut available = signals.values().filter(|signal| signal.is_available());
    let holds = rule != RestartRule::All || available.all(Signal::is_bad);
    let mut all = signals.iter();
    let first = all.find(|(_, signal)| signal.is_bad());
    first.filter(|_| holds).map(|(kind, _)| *kind)
}

/// Since when the worker fails by the latest readings, so that it is unhealthy if they go on like
/// this. `None` if no signal is available, `Some(None)` if the worker does not fail.
pub fn failing_since(rule: RestartRule, signals: &Signals) -> Option<Option<Instant>> {
    let available = signals.values().filter(|signal| signal.is_available());
    let begins: Vec<_> = available
        .map(|signal| (signal.failures() > 0).then_some(signal.since))
        .collect();
    let first = begins.iter().flatten().min().copied();
    let all_fail = begins.iter().all(Option::is_some);
    let fails = rule != RestartRule::All || all_fail;
    (!begins.is_empty()).then_some(first.filter(|_| fails))
}

/// Whether the worker is certainly healthy: a signal says so, every available signal has a
/// conclusion, and the rule by which the worker would be unhealthy cannot hold. A bad signal that
/// becomes unavailable still counts as bad.
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
