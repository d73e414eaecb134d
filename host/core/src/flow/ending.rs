//! The announcement of an end. It is told when the cloud has accepted the end, so that nothing is
//! announced that does not happen.

use crate::facts::WorkerFacts;
use crate::happened::EndOutcome;
use crate::model::id::DecisionId;
use crate::model::notice::Step;
use crate::turn::Turn;

/// The announcement of an end that the guard has permitted.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    /// The decision that the end rests on.
    pub(super) decision: DecisionId,
    pub(super) text: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Announcement {
    /// Whether the outcome is the one of this end.
    pub(super) fn is_about(&self, ended: &EndOutcome) -> bool {
        self.decision == ended.decision
    }

    /// Announces the end. The cloud has accepted it.
    pub(super) fn tell(self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let fields = self.fields.iter();
        let fields: Vec<_> = fields.map(|(key, value)| (*key, value.as_str())).collect();
        turn.notice(facts, Step::InstanceEnding, self.text, &fields);
    }
}
