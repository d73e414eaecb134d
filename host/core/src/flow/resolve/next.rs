//! What a part of a resolve wants done next that is not its own.

use crate::guard::Proposal;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::response::Route;

/// What comes next.
#[derive(Debug)]
pub(in crate::flow) enum Next {
    /// Nothing: an answer is awaited, or the pass is over.
    Waits,
    /// `resolve` is asked again.
    AsksResolve,
    /// The same, after the write of the record that is under way.
    GoesOn,
    /// This address is handed out.
    Serves(Route),
    /// The guard is asked whether to start or launch.
    Changes {
        /// The decision it rests on.
        decision: DecisionId,
        /// What is proposed.
        proposal: Proposal,
    },
    /// The guard is asked whether to take this instance over.
    Adopts {
        /// The decision it rests on.
        decision: DecisionId,
        /// The instance.
        id: InstanceId,
    },
}
