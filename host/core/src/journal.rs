//! What is written down, before it is done: who decided what from which facts, what the guard said,
//! what came of it. One record is one JSON line.

use serde::{Deserialize, Serialize};

use crate::cloud::{CloudError, Mutation, Outcome};
use crate::decision::{Decision, Ruling};
use crate::guard::Veto;
use crate::id::{DecisionId, Epoch, Generation, WorkerId};
use crate::time::Instant;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// About which worker.
    pub worker: WorkerId,
    /// The decision it belongs to.
    pub decision: DecisionId,
    /// What.
    pub entry: Entry,
}

/// The kinds of records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A policy was asked. The whole input is kept, so that the decision can be replayed.
    Decided(Box<Decision>),
    /// A rule of the host's own decided; no policy was asked.
    Ruled(Box<Ruling>),
    /// The guard permitted it; it is about to be done. Must be durable before it is.
    Intent {
        /// The generation it belongs to.
        generation: Generation,
        /// The lease's epoch.
        epoch: Epoch,
        /// What is about to be done.
        mutation: Mutation,
    },
    /// The guard refused it.
    Vetoed(Veto),
    /// It was done, or failed.
    Outcome(Result<Outcome, CloudError>),
}

impl Entry {
    /// Whether the record must be on disk before the next effect: an intent, because a launch whose
    /// generation is forgotten could be made a second time.
    pub fn must_be_durable(&self) -> bool {
        matches!(self, Self::Intent { .. })
    }
}
