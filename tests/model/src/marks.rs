//! What a step may break, and what the steps must come to.

/// What a step may break. Most of G1-G6 is about steps and not about states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// G1: a new attempt is a new generation.
    AttemptIsNewGeneration,
    /// G1: a launch is given up only on a definite answer.
    LaunchIsFinished,
    /// G2: another instance follows only if it is not older than the one before.
    AdoptedNeverOlder,
    /// G3: no pointer write arrives that names an older generation than the adopted one.
    PointerNeverOlder,
    /// G3: the stop of what the pointer names clears it, and nothing that was sent before names it again.
    StopClearsPointer,
    /// G4: nothing is started or launched beside an adopted instance that lives.
    NothingBesideAdopted,
    /// G6: a permit carries the epoch of the record that announces it.
    PermitCarriesEpoch,
    /// G6: what arrives is what the record announces, under an epoch that is still current.
    MutationIsAnnounced,
    /// G6: whoever takes the lease has the next epoch.
    LeaseTakesEpoch,
    /// G1, G6: versions, epochs and generations never fall.
    NeverFalls,
}

/// What must be reachable, or the model would prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Milestone {
    /// A launch that one host began was finished by another, or by its next life.
    InheritedLaunchAdopted,
    /// A token was used again, and answered with the first launch's instance.
    TokenReplayed,
    /// A compare-and-set was lost.
    CompareLost,
    /// A write was carried out and its answer lost.
    WrittenUnanswered,
    /// A holder slept through its lease, and its own write was lost when it woke.
    SleeperLoses,
    /// A lease was called stale and taken.
    StaleLeaseTaken,
    /// A describe showed what is no longer so.
    StaleReading,
    /// A running instance was found and adopted.
    FoundAdopted,
    /// A stopped instance was started and adopted.
    StartedAdopted,
    /// A stop cleared the pointer.
    PointerCleared,
    /// An orphan was terminated.
    OrphanEnded,
    /// A mutation arrived after its sender had given it up.
    ArrivedLate,
    /// A second generation was launched.
    LaunchedAgain,
    /// The stop or start that a dead host left was given up.
    LeftGivenUp,
}

/// A set of promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(u16);

impl Marks {
    /// Adds a promise if it `is_broken`.
    pub fn mark_if(&mut self, is_broken: bool, promise: Promise) {
        self.0 |= u16::from(is_broken) << promise as u16;
    }

    /// Whether this promise is in the set.
    pub fn has(self, promise: Promise) -> bool {
        self.0 & (1 << promise as u16) != 0
    }
}
