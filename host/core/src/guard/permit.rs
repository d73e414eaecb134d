//! The permit: the right to change the cloud once.

use crate::model::cloud::Mutation;
use crate::model::id::{DecisionId, Epoch, Generation, WorkerId};

/// The guard's permission for one mutation. A permit cannot be cloned or built outside the guard,
/// and [`Cloud::mutate`](crate::ports::Cloud::mutate) consumes it.
///
/// ```compile_fail
/// # fn check(permit: reeve_core::guard::Permit) {
/// let again = permit.clone(); // a permit is used once
/// # }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    pub(super) worker: WorkerId,
    pub(super) generation: Generation,
    pub(super) epoch: Epoch,
    pub(super) decision: DecisionId,
    pub(super) mutation: Mutation,
    pub(super) is_reap: bool,
}

impl Permit {
    /// The worker whose cloud resources the mutation changes.
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// The generation of the worker that the mutation belongs to.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The lease's epoch that was current when the intent was committed.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The decision that the mutation rests on.
    pub fn decision(&self) -> DecisionId {
        self.decision
    }

    /// The mutation that is permitted.
    pub fn mutation(&self) -> &Mutation {
        &self.mutation
    }

    /// Whether it is an end on a verdict of `reap`, which the pool's pace counts.
    pub fn is_reap(&self) -> bool {
        self.is_reap
    }

    /// Consumes the permit and returns the mutation.
    pub fn into_mutation(self) -> Mutation {
        self.mutation
    }
}
