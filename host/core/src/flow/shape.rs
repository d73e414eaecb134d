//! The one shape of a flow, and what a flow says of itself when it has been advanced.

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

    /// Does what follows from what was heard, and says what the flow waits for then. A second call in a row does nothing.
    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Progress;

    /// The guard has answered the proposal of the last [`advance`](Self::advance). After a permit, the mutation is announced
    /// and sent when this returns.
    fn judged(
        &mut self,
        _facts: &mut Facts,
        _turn: &mut Turn<'_>,
        _judged: Result<&Permit, &Veto>,
    ) {
    }
}

/// How a flow stands.
#[derive(Debug)]
pub(super) enum Progress {
    /// It has nothing to do until it hears of something.
    Quiet,
    /// It waits.
    Waits(Wait),
    /// It wants the cloud changed, and hears at once what the guard says.
    Proposes(Proposed),
}

/// What a flow waits for, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// In words that follow "waits for".
    what: &'static str,
    /// Its end.
    until: Until,
}

/// The end of a wait. A wait without one has to say so, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// A timer runs out at this instant, and the flow acts on it.
    At(Instant),
    /// Something that is under way ends: a call of the shell, which answers each within its own time-out, or another flow's
    /// part of the same step.
    Answered,
    /// Nothing ends it in every case, for this reason.
    Unbounded(&'static str),
}

/// A change of the cloud that a flow wants.
#[derive(Debug)]
pub(super) struct Proposed {
    /// The decision it rests on.
    pub(super) decision: DecisionId,
    pub(super) proposal: Proposal,
    /// Whether the flow itself journals and tells of a veto.
    pub(super) is_vetoed_quietly: bool,
}

impl Progress {
    pub(super) fn until(what: &'static str, at: Instant) -> Self {
        let until = Until::At(at);
        Self::Waits(Wait { what, until })
    }

    pub(super) fn answered(what: &'static str) -> Self {
        let until = Until::Answered;
        Self::Waits(Wait { what, until })
    }

    pub(super) fn unbounded(what: &'static str, why: &'static str) -> Self {
        let until = Until::Unbounded(why);
        Self::Waits(Wait { what, until })
    }
}

impl Wait {
    /// The wait as people see it.
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
    /// A proposal whose veto is journaled and told like any other.
    pub(super) fn new(decision: DecisionId, proposal: Proposal) -> Self {
        Self {
            decision,
            proposal,
            is_vetoed_quietly: false,
        }
    }

    /// A proposal whose veto the flow itself tells of, where it is new.
    pub(super) fn quietly(decision: DecisionId, proposal: Proposal) -> Self {
        Self {
            is_vetoed_quietly: true,
            ..Self::new(decision, proposal)
        }
    }
}
