//! Mutations that the provider refused, and the pauses before the next try (V2). A try costs: the
//! end of an instance needs a drain, in which callers get no address.

use super::{KnownInstance, WorkerFacts};
use crate::model::cloud::CloudError;
use crate::model::compute::Ending;
use crate::model::id::InstanceId;
use crate::model::spec::StopRefused;
use crate::model::time::{Instant, Millis};

/// The pauses after refusals of an end. A refusal for good lasts until a person takes a protection
/// off or changes a role, which takes minutes at best. Six hours are the most: four drains of half
/// a minute a day cost callers two minutes, and an instance that may end again costs money for six
/// hours more. Other refusals, such as a rate limit or a boot, pass within minutes.
const OF_ENDS: Pauses = Pauses {
    for_good: (Millis::from_secs(600), Millis::from_secs(21_600)),
    for_now: (Millis::from_secs(60), Millis::from_secs(600)),
};
/// The pauses after refusals of a pointer write. The pointer is a hint, and a try takes nothing
/// from callers; it costs a write of the record, a call and a notice.
const OF_POINTER_WRITES: Pauses = Pauses {
    for_good: (Millis::from_secs(60), Millis::from_secs(3_600)),
    for_now: (Millis::from_secs(1), Millis::from_secs(60)),
};

/// The first and the longest pause. A pause doubles with each refusal in a row.
#[derive(Clone, Copy)]
struct Pauses {
    for_good: (Millis, Millis),
    for_now: (Millis, Millis),
}

impl Pauses {
    /// The pause after this many refusals in a row, the last of which is `error`.
    fn after(self, error: &CloudError, count: u32) -> Millis {
        let (first, most) = match error.kind.is_for_good() {
            true => self.for_good,
            false => self.for_now,
        };
        let doublings = count.saturating_sub(1).min(16);
        let pause = Millis::new(first.get() << doublings).min(most);
        pause.max(error.retry_after.unwrap_or(Millis::ZERO))
    }
}

/// Refusals of one mutation in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The provider's answer to the last try.
    pub error: CloudError,
    /// When that answer came.
    pub at: Instant,
    /// How many refusals of this kind came in a row.
    pub count: u32,
    /// Until when the mutation is not tried again.
    pub until: Instant,
}

impl Refusal {
    fn is_for_good(&self) -> bool {
        self.error.kind.is_for_good()
    }

    /// The refusal that follows `before`.
    fn next(before: Option<&Self>, error: &CloudError, now: Instant, pauses: Pauses) -> Self {
        let is_for_good = error.kind.is_for_good();
        let in_row = before.filter(|before| before.is_for_good() == is_for_good);
        let count = in_row.map_or(0, |before| before.count).saturating_add(1);
        Self {
            error: error.clone(),
            at: now,
            count,
            until: now + pauses.after(error, count),
        }
    }
}

/// The refused ends of one life of an instance. A refused stop says nothing about a termination, so
/// each ending has its own row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedEnds {
    stop: Option<Refusal>,
    terminate: Option<Refusal>,
}

impl RefusedEnds {
    /// The refusals of this ending; `None` if the last try was not refused, or there was none.
    pub fn of(&self, ending: Ending) -> Option<&Refusal> {
        match ending {
            Ending::Stop => self.stop.as_ref(),
            Ending::Terminate => self.terminate.as_ref(),
        }
    }
}

impl KnownInstance {
    /// Notes that the provider refused this end of the instance, and returns the refusal. An
    /// unanswered end may have been carried out: the next reading shows it.
    pub(crate) fn note_refused_end(
        &mut self,
        ending: Ending,
        error: &CloudError,
        now: Instant,
    ) -> Option<&Refusal> {
        if !error.kind.is_definite() {
            return None;
        }
        let row = match ending {
            Ending::Stop => &mut self.refused_ends.stop,
            Ending::Terminate => &mut self.refused_ends.terminate,
        };
        let next = Refusal::next(row.as_ref(), error, now, OF_ENDS);
        Some(row.insert(next))
    }
}

impl WorkerFacts {
    /// The ending that `wanted` leads to: what the compute allows, and a termination if the
    /// provider refuses for good to stop the instance, the pool's `stop_refused` allows it, and the
    /// instance may be terminated.
    pub(crate) fn ending_of(&self, id: &InstanceId, wanted: Ending) -> Ending {
        let ending = self.pool.compute.ending(wanted);
        let is_allowed = self.pool.stop_refused == StopRefused::Terminate;
        let Some(known) = self.instances.get(id).filter(|_| is_allowed) else {
            return ending;
        };
        let refused = known.refused_ends.of(ending);
        match refused.is_some_and(Refusal::is_for_good) && self.may_be_terminated(known) {
            true => Ending::Terminate,
            false => ending,
        }
    }

    /// The refusal that holds this ending of the instance back; `None` if it may be tried.
    pub(crate) fn end_held_by(
        &self,
        id: &InstanceId,
        ending: Ending,
        now: Instant,
    ) -> Option<&Refusal> {
        let refused = self.instances.get(id)?.refused_ends.of(ending);
        refused.filter(|refusal| now < refusal.until)
    }

    /// The same, if the refusal is for good.
    pub(crate) fn end_held_for_good_by(
        &self,
        id: &InstanceId,
        ending: Ending,
        now: Instant,
    ) -> Option<&Refusal> {
        self.end_held_by(id, ending, now)
            .filter(|refusal| refusal.is_for_good())
    }

    /// Notes the provider's answer to a write of the pointer. Returns the pause before the next
    /// try, if the answer is a refusal.
    pub(crate) fn note_pointer_write(
        &mut self,
        error: Option<&CloudError>,
        now: Instant,
    ) -> Option<Millis> {
        let before = self.pointer_refused.take();
        let error = error.filter(|error| error.kind.is_definite())?;
        let next = Refusal::next(before.as_ref(), error, now, OF_POINTER_WRITES);
        let pause = next.until.since(now);
        self.pointer_refused = Some(next);
        Some(pause)
    }

    /// Whether a refused write of the pointer is not tried again yet.
    pub(crate) fn pointer_write_is_held(&self, now: Instant) -> bool {
        let refused = self.pointer_refused.as_ref();
        refused.is_some_and(|refusal| now < refusal.until)
    }
}
