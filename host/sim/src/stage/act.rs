//! What can happen outside the host at a set time.

use reeve_core::id::InstanceId;
use reeve_core::restart::Initiator;
use reeve_core::time::Millis;

use crate::world::{Asked, Boot, Fault};

/// Something outside the host that happens at a set time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A caller asks where the worker is, and comes back as told, so many times at most.
    Ask {
        /// Who.
        caller: String,
        /// How often they come back before they give up.
        comes_back: u32,
    },
    /// A caller asks for a restart.
    Restart {
        /// Who.
        who: String,
        /// Why.
        cause: String,
        /// Whether that is a person.
        initiator: Initiator,
    },
    /// A program asks where the worker is, and takes a worker that is not there for dead: it asks
    /// for a restart.
    Probe {
        /// Who.
        who: String,
    },
    /// A caller wants the worker provisioned, and does not wait for it.
    Recreate {
        /// Who.
        who: String,
    },
    /// The demand metric is read: requests that reached the worker's instances lately.
    ReadDemand,
    /// Another system launches an instance with the worker's tag.
    Launch {
        /// Who.
        who: String,
        /// The id it will have; a `*` in it becomes the number of such launches so far.
        id: String,
        /// How it boots.
        boot: Boot,
        /// Whether it does so only while none is up.
        if_none_is_up: bool,
    },
    /// Another system ends an instance, or the provider does.
    End {
        /// Who.
        who: String,
        /// Which one.
        which: Which,
        /// How.
        by: EndedBy,
    },
    /// Another system writes the worker's pointer.
    WritePointer {
        /// Who.
        who: String,
        /// What it says then.
        value: String,
    },
    /// The box that is registered loses its token, as when its disk is wiped.
    WipeToken,
    /// The next instance that is launched or started boots so.
    NextBoot(Boot),
    /// The next stop or end of an instance takes so long.
    NextStop(Millis),
    /// The next start is accepted, and its instance is `stopped` again after so long.
    NextFallBack(Millis),
    /// The next mutation of a kind goes wrong.
    Fault(Fault),
    /// Queries go wrong in this way from now on, or do so no more.
    Vexed {
        /// How.
        vexation: Vexation,
        /// Whether it begins; else it ends.
        begins: bool,
    },
    /// Something to tell the reader of the timeline.
    Tell {
        /// Who.
        who: String,
        /// What.
        what: String,
    },
}

/// An instance that is there when the act's time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// This one.
    Id(InstanceId),
    /// Of those that are up the one that was launched or started last.
    Newest,
}

/// How an instance is ended by another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// It is stopped.
    Stop,
    /// It is terminated, as the spot market does.
    Reclaim,
}

/// A way in which queries go wrong while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vexation {
    /// Queries of this kind are answered with an error.
    Unanswered(Asked),
    /// Scans do not show it.
    Hidden(Which),
    /// Scans go on showing it as it was when this began.
    Frozen(Which),
    /// Its metrics come in part.
    PartialMetrics(Which),
}
