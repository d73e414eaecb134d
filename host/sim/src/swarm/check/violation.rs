//! A guarantee that did not hold.

use std::fmt;

use reeve_core::id::WorkerId;
use reeve_core::time::Instant;

use crate::swarm::estate::BEGINS;

/// A guarantee that a run can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "ARCHITECTURE.md names G1 to G10, and the table of `check` V1 to V7"
)]
pub enum Guarantee {
    G1,
    G2,
    G3,
    G4,
    G5,
    G6,
    G7,
    G8,
    G9,
    G10,
    V1,
    V2,
    V3,
    V4,
    V5,
    V7,
    /// A host changed a worker while another change of it was under way
    /// (docs/incidents.md#double-provision).
    SingleFlight,
    /// A worker whose instances another controller ends got the next one at once, or counts ends
    /// that were not another controller's.
    Cycling,
    /// A host changed a paused worker.
    Pause,
    /// A caller got two responses or none, or a register got none.
    Answers,
    /// A worker did not recover after the trouble.
    Liveness,
    /// A host panicked.
    NoPanic,
}

/// A guarantee that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The guarantee that did not hold.
    pub guarantee: Guarantee,
    /// The true time at which a check found the violation.
    pub at: Instant,
    /// The worker; `?` if the violation belongs to no worker.
    pub worker: WorkerId,
    /// What the check found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} did not hold for {} after {}: {}",
            self.guarantee,
            self.worker,
            self.at.since(BEGINS),
            self.text
        )
    }
}
