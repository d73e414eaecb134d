//! What will happen in a random world, and when: one queue for everybody.

use reeve_core::boxes::Receipt;
use reeve_core::cloud::MutationKind;
use reeve_core::id::{InstanceId, RequestId, WorkerId};

use super::fault::Fault;
use crate::engine::InFlight;
use crate::world::SoftwareFault;

/// Something that will happen.
pub(super) enum Due {
    /// Something between a host and its surroundings arrives.
    Arrives(InFlight),
    /// The software on an instance has something to say, maybe.
    BoxSpeaks(InstanceId),
    /// What a box was answered reaches it.
    BoxHears(RequestId, Box<Receipt>),
    /// A box that asked gives up waiting.
    BoxWaited(RequestId),
    /// A user does the next thing.
    User(usize),
    /// A caller who was told to come back does.
    CallerReturns(usize),
    /// A caller delivers to the instance that it was given.
    Delivers { user: usize, instance: InstanceId },
    /// A caller loses patience for good.
    CallerLeaves(RequestId),
    /// An operator takes a pause back.
    Resumes(WorkerId),
    /// A kind of trouble that comes by time.
    Comes(Fault),
    /// A host that was down begins another life.
    HostBegins(usize),
    /// The provider takes an instance back.
    Reclaims(InstanceId),
    /// Another controller stops what runs for the worker, this often in all.
    ControllerStops { worker: WorkerId, left: u32 },
    /// The cloud no longer refuses this end of an instance.
    Unprotected(InstanceId, MutationKind),
    /// The software of an instance begins to fail, or recovers.
    Ails(InstanceId, Option<SoftwareFault>),
    /// Software that hangs in a reboot answers again.
    RebootsEnd,
    /// The trouble ends.
    Calms,
    /// Whether all is well again is looked at.
    Looks,
}
