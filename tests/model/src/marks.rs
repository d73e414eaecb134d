//! The promises that a step may break, and the milestones that the steps must reach.

/// A promise that a step may break. Most of G1-G6 is about steps and not about states.
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
    /// G3: the stop of the instance that the pointer names clears the pointer, and no earlier
    /// pointer write names that instance again.
    StopClearsPointer,
    /// G4: nothing is started or launched while the adopted instance lives.
    NothingWhileAdopted,
    /// G6: a permit carries the epoch of the record that announces it.
    PermitCarriesEpoch,
    /// G6: the record announces a mutation that arrives, under an epoch that is still current.
    MutationIsAnnounced,
    /// G6: a host that takes the lease has the next epoch.
    LeaseTakesEpoch,
    /// G1, G6: versions, epochs and generations never fall.
    NeverFalls,
}

/// A state that must be reachable, or the model would prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Milestone {
    /// Another host, or the restarted one, finished a launch.
    InheritedLaunchAdopted,
    /// A token was used again, and the cloud returned the first launch's instance.
    TokenReplayed,
    /// A compare-and-set was lost.
    CompareLost,
    /// A write was carried out and its answer lost.
    WrittenUnanswered,
    /// A holder slept through its lease, and its own write was lost when it woke.
    SleeperLoses,
    /// A lease was called stale and taken.
    StaleLeaseTaken,
    /// A reading showed a former state.
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
