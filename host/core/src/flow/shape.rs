//! The shape of all flows, what one proposes, and what one waits for.

use crate::facts::{Facts, WaitStatus, WorkerFacts};
use crate::guard::{Permit, Proposal};
use crate::happened::Happened;
use crate::model::id::DecisionId;
use crate::model::time::Instant;
use crate::model::veto::Veto;
use crate::turn::Turn;

/// The shape of a flow.
pub(super) trait Flow {
    /// Takes in what happened. Only the flow's own state changes.
    fn hear(&mut self, facts: &WorkerFacts, turn: &Turn<'_>, happened: &Happened);

    /// Whether the flow has heard something that it has not acted on. It is advanced until it has
    /// not.
    fn has_heard(&self) -> bool;

    /// Acts on the first thing that the flow has heard, if there is one. `Some`: the flow wants the
    /// cloud changed; it gets the guard's answer at once, and the other flows are advanced before
    /// it acts on the rest.
    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed>;

    /// What the flow waits for; `None`: nothing.
    fn waits_for(&self, facts: &WorkerFacts) -> Option<Wait>;

    /// Takes in the guard's answer to the proposal of the last [`advance`](Self::advance). A
    /// permitted mutation is announced and sent after this returns.
    fn judged(
        &mut self,
        _facts: &mut Facts,
        _turn: &mut Turn<'_>,
        _judged: Result<&Permit, &Veto>,
    ) {
    }
}

/// What a flow waits for, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// The thing waited for, in words that follow "waits for".
    what: &'static str,
    /// The end of the wait.
    until: Until,
}

/// The end of a wait. A wait without an end states the reason (V1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// A timer runs out at this instant, and the flow acts on it.
    At(Instant),
    /// A call of the shell ends, which has its own time-out, or another flow ends its part of the
    /// same step.
    Answered,
    /// No bound exists in every case, for this reason.
    Unbounded(&'static str),
}

/// A change of the cloud that a flow wants.
#[derive(Debug)]
pub(super) struct Proposed {
    /// The decision that the proposal rests on.
    pub(super) decision: DecisionId,
    pub(super) proposal: Proposal,
    /// Whether the flow itself journals and announces a veto.
    pub(super) is_vetoed_quietly: bool,
}

impl Wait {
    /// A wait that a timer ends.
    pub(super) fn until(what: &'static str, at: Instant) -> Self {
        let until = Until::At(at);
        Self { what, until }
    }

    /// A wait that an answer ends.
    pub(super) fn answered(what: &'static str) -> Self {
        let until = Until::Answered;
        Self { what, until }
    }

    /// A wait that nothing ends in every case.
    pub(super) fn unbounded(what: &'static str, why: &'static str) -> Self {
        let until = Until::Unbounded(why);
        Self { what, until }
    }

    /// The status of the wait, for people.
    pub(super) fn status(&self) -> WaitStatus {
        let (until, unbounded) = match self.until {
            Until::At(at) => (Some(at), None),
            Until::Answered => (None, None),
            Until::Unbounded(why) => (None, Some(why)),
        };
        WaitStatus {
            what: self.what,
            until,
            unbounded,
        }
    }
}

impl Proposed {
    /// A proposal whose veto is journaled and announced like any other.
    pub(super) fn new(decision: DecisionId, proposal: Proposal) -> Self {
        Self {
            decision,
            proposal,
            is_vetoed_quietly: false,
        }
    }

    /// A proposal whose veto the flow itself announces, if it is new.
    pub(super) fn quietly(decision: DecisionId, proposal: Proposal) -> Self {
        Self {
            is_vetoed_quietly: true,
            ..Self::new(decision, proposal)
        }
    }
}
