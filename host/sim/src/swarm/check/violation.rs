//! A guarantee that did not hold.

use std::fmt;

use reeve_core::id::WorkerId;
use reeve_core::time::Instant;

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "G1 to G10 and V5 are named in ARCHITECTURE.md")]
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
    V5,
    /// A worker was changed while a change of it was under way
    /// (docs/incidents.md#double-provision).
    SingleFlight,
    /// A paused worker was changed.
    Pause,
    /// A caller was answered twice or not at all, or a register not at all.
    Answers,
    /// All did not come right after the trouble.
    Liveness,
    /// A host panicked.
    NoPanic,
}

/// A guarantee that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub guarantee: Guarantee,
    /// When, by the true clock.
    pub at: Instant,
    /// Of which worker.
    pub worker: WorkerId,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} did not hold for {}: {}",
            self.guarantee, self.worker, self.text
        )
    }
}
