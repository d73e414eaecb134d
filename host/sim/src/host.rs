//! What a host under test looks like to the stage: it is asked, told of demand, and given time.

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::demand::DemandReading;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::response::Resolution;
use reeve_core::restart::RestartRequest;
use reeve_core::time::Instant;

use crate::timeline::Entry;
use crate::world::World;

/// A host on the stage: reeve's own loop, or the one without guarantees.
pub trait Host {
    /// Begins to work.
    fn start(&mut self, world: &mut World, now: Instant);

    /// Somebody asks where the worker is.
    fn ask(&mut self, world: &mut World, now: Instant, worker: &WorkerId, request: RequestId);

    /// A box registers, or a box or an application reports.
    fn hear(
        &mut self,
        world: &mut World,
        now: Instant,
        worker: &WorkerId,
        request: RequestId,
        said: Statement,
    );

    /// Somebody asks for a restart of the worker.
    fn restart(
        &mut self,
        world: &mut World,
        now: Instant,
        worker: &WorkerId,
        request: RestartRequest,
    );

    /// The demand metric was read.
    fn demand(&mut self, world: &mut World, now: Instant, worker: &WorkerId, demand: DemandReading);

    /// When it next has something to do by itself.
    fn next_due(&self) -> Option<Instant>;

    /// Does what is due at `now`.
    fn run_due(&mut self, world: &mut World, now: Instant);

    /// Answers given since this was last called.
    fn take_answers(&mut self) -> Vec<(RequestId, Resolution)>;

    /// What boxes and applications were answered since this was last called.
    fn take_replies(&mut self) -> Vec<(RequestId, Receipt)>;

    /// How many proposals it has refused so far.
    fn vetoes(&self) -> usize;

    /// What it did since this was last called, for the timeline.
    fn take_entries(&mut self) -> Vec<Entry>;
}
