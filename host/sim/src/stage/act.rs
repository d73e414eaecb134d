//! The acts of a script: events outside the host, each at a set time.

use reeve_core::cloud::MutationKind;
use reeve_core::id::InstanceId;
use reeve_core::restart::Initiator;
use reeve_core::time::Millis;

use super::{Ailment, Happens};
use crate::world::{Asked, Boot, Fault};

/// An event outside the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A caller asks where the worker is. While it gets no address, it asks again at the time that
    /// the response names.
    Ask {
        caller: String,
        /// The host that it asks, as a program on that host's machine does; `None`: the one whose turn
        /// it is.
        host: Option<usize>,
        /// How often the caller asks again before it gives up.
        comes_back: u32,
    },
    /// A caller asks for a restart.
    Restart {
        who: String,
        cause: String,
        /// Whether a program or a person asks.
        initiator: Initiator,
    },
    /// A person moves the worker to an instance.
    Adopt { who: String, which: Which },
    /// A caller says that the address of an instance does not answer.
    Doubt { who: String, which: Which },
    /// A program asks where the worker is. If it gets no address, it asks for a restart.
    Probe { who: String },
    /// A caller asks for the worker, so that the host provisions it, and does not wait for the
    /// address.
    Provision { who: String },
    /// The watchdog reads the demand metric, which counts recent requests to the worker's instances,
    /// and gives the reading to the host.
    ReadDemand,
    /// Something happens to the host of this number, counted from 0.
    Host(usize, Happens),
    /// Another system launches an instance with the worker's tag.
    Launch {
        who: String,
        /// The id of the instance. A `*` in it becomes the number of launches with this id so far.
        id: String,
        boot: Boot,
        /// The other fleet that does so; `None`: no fleet does.
        fleet: Option<String>,
        /// `true`: nothing is launched while an instance of the worker is pending or running.
        if_none_is_up: bool,
    },
    /// Another system, or the cloud, ends an instance.
    End {
        who: String,
        which: Which,
        by: EndedBy,
    },
    /// Another system removes the worker's tag from an instance.
    Untag {
        /// Who.
        who: String,
        /// Which one.
        which: Which,
    },
    /// Another system writes the worker's pointer.
    WritePointer {
        who: String,
        /// The id of an instance, or `none`.
        value: String,
    },
    /// The registered box does or suffers something.
    Box(BoxAct),
    /// What ails an instance begins (`true`) or ends.
    Ail(Which, Ailment, bool),
    /// Sets how the next launched or started instance boots.
    NextBoot(Boot),
    /// Sets how long the next stop or end of an instance takes.
    NextStop(Millis),
    /// Makes the next start be accepted, and its instance `stopped` again after this time.
    NextFallBack(Millis),
    /// Makes the next mutation of the fault's kind fail.
    Fault(Fault),
    /// Begins or ends trouble with calls.
    Trouble {
        trouble: CallTrouble,
        /// `true`: the trouble begins. `false`: it ends.
        begins: bool,
    },
    /// Adds a line to the timeline, for its reader. Nothing else changes.
    Say { who: String, text: String },
}

/// What the registered box does or suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoxAct {
    /// It loses its token, for example with its disk.
    LoseToken,
    /// It asks for a busy lease of this length.
    IsBusy(Millis),
    /// It begins (`true`) or ceases to hang: it says nothing and works on nothing.
    Hang(bool),
    /// A caller delivers this many messages to it, each of which takes so long; `None`: as long as
    /// the deliveries before.
    WorkOn { count: u64, each: Option<Millis> },
}

/// An instance, chosen at the time of the act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The instance with this id.
    Id(InstanceId),
    /// Of the pending and running instances, the one that was launched or started last.
    Newest,
}

/// How another system ends an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// By a stop.
    Stop,
    /// By a termination, as on the spot market.
    Reclaim,
    /// From inside: its system shuts down, or its container exits.
    Itself,
}

/// A kind of trouble with calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallTrouble {
    /// Queries of this kind get an error.
    Unanswered(Asked),
    /// Scans leave the instance out.
    Hidden(Which),
    /// Scans keep showing the instance as it was when the trouble began.
    Frozen(Which),
    /// The metrics of the instance are incomplete.
    PartialMetrics(Which),
    /// The cloud refuses this end of it to hosts.
    Protected(Which, MutationKind),
    /// Mutations of the fault's kind fail.
    Failing(Fault),
}
