//! Mutations that the provider refused, and the pauses before the next try (V2). A refusal spends
//! no budget, so these pauses alone keep refused tries apart.

use std::collections::BTreeMap;
use std::fmt;

use super::{KnownInstance, Transit, WorkerFacts};
use crate::model::backoff::{BACKOFF_FIRST, BACKOFF_MAX};
use crate::model::cloud::{CloudError, CloudErrorKind, Mutation};
use crate::model::compute::Ending;
use crate::model::id::InstanceId;
use crate::model::spec::StopRefused;
use crate::model::time::{Instant, Millis};

/// The longest pause that the provider may ask for: a caller waits for its end, and no rate limit of
/// AWS lasts longer than minutes.
const ASKED_MAX: Millis = Millis::from_secs(600);
/// The pauses after refusals of a launch or a start. A caller waits for each of them, and a try
/// costs a write of the record and a call.
const OF_LAUNCHES: Pauses = Pauses {
    for_good: (BACKOFF_FIRST, BACKOFF_MAX),
    for_now: (BACKOFF_FIRST, BACKOFF_MAX),
};
/// The pauses after refusals of an end. A try needs a drain, in which callers get no address. A
/// refusal for good lasts until a person takes a protection
/// off or changes a role, which takes minutes at best. Six hours are the most: four drains of half
/// a minute a day cost callers two minutes, and an instance that may end again costs money for six
/// hours more. Other refusals, such as a rate limit or a boot, pass within minutes.
const OF_ENDS: Pauses = Pauses {
    for_good: (Millis::from_secs(600), Millis::from_secs(21_600)),
    for_now: (Millis::from_secs(60), Millis::from_secs(600)),
};
/// The pauses after refusals to end an instance that no caller reaches: a try takes nothing from
/// callers, who wait until the instance is gone.
const OF_ENDS_UNREACHED: Pauses = Pauses {
    for_good: (Millis::from_secs(600), Millis::from_secs(600)),
    ..OF_ENDS
};
/// The pauses after refusals of a pointer write. The pointer is a hint, and a try takes nothing
/// from callers; it costs a write of the record, a call and a notice.
const OF_POINTER_WRITES: Pauses = Pauses {
    for_good: (Millis::from_secs(60), Millis::from_secs(3_600)),
    for_now: (Millis::from_secs(1), Millis::from_secs(60)),
};

/// EC2's code for an instance that cannot be stopped by its nature: of a one-time Spot request, or
/// with its root on an instance store. A protection, which a person has set, has another code.
const CANNOT_STOP: &str = "UnsupportedOperation";

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
        let asked = error.retry_after.unwrap_or(Millis::ZERO);
        pause.max(asked.min(ASKED_MAX))
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

/// An act that is about no life of an instance. Each has its own row of refusals: the provider
/// limits the rates of launches and of starts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The launch of an instance with this capacity option.
    Launch(u32),
    /// The start of a stopped instance.
    Start,
    /// A write of the pointer.
    WritePointer,
}

impl Act {
    /// The act of a mutation, which is a launch with this option if it is one; `None` for an end or a
    /// reboot, whose refusals are of one life of an instance.
    pub fn of(mutation: &Mutation, capacity_option: u32) -> Option<Self> {
        match mutation {
            Mutation::Launch { .. } => Some(Self::Launch(capacity_option)),
            Mutation::Start { .. } => Some(Self::Start),
            Mutation::WritePointer { .. } => Some(Self::WritePointer),
            Mutation::Stop { .. } | Mutation::Terminate { .. } | Mutation::Reboot { .. } => None,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Launch(_) => "the launch",
            Self::Start => "the start",
            Self::WritePointer => "the write of the pointer",
        })
    }
}

/// The refusals of each act in a row; `None` if the last try was not refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// By capacity option.
    launch: BTreeMap<u32, Refusal>,
    start: Option<Refusal>,
    pointer: Option<Refusal>,
}

impl Refusals {
    /// The refusals that hold the act back. A lack of capacity holds back its own option only.
    fn of(&self, act: Act) -> Option<&Refusal> {
        match act {
            Act::Launch(option) => {
                let applies = |of: u32, refusal: &Refusal| {
                    of == option || refusal.error.kind != CloudErrorKind::NoCapacity
                };
                let rows = self.launch.iter().filter(|(of, row)| applies(**of, row));
                rows.map(|(_, row)| row).max_by_key(|row| row.until)
            }
            Act::Start => self.start.as_ref(),
            Act::WritePointer => self.pointer.as_ref(),
        }
    }

    /// Notes that the provider refused the act.
    pub(crate) fn note(&mut self, act: Act, error: &CloudError, now: Instant) {
        let next = |before: Option<&Refusal>, pauses| Refusal::next(before, error, now, pauses);
        match act {
            Act::Launch(option) => {
                let refusal = next(self.launch.get(&option), OF_LAUNCHES);
                self.launch.insert(option, refusal);
            }
            Act::Start => self.start = Some(next(self.start.as_ref(), OF_LAUNCHES)),
            Act::WritePointer => {
                self.pointer = Some(next(self.pointer.as_ref(), OF_POINTER_WRITES));
            }
        }
    }

    /// Notes that the act was carried out.
    pub(crate) fn clear(&mut self, act: Act) {
        match act {
            Act::Launch(_) => self.launch.clear(),
            Act::Start => self.start = None,
            Act::WritePointer => self.pointer = None,
        }
    }
}

/// The refused ends and reboots of one life of an instance. A refused stop says nothing about a
/// termination, so each has its own row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedEnds {
    stop: Option<Refusal>,
    terminate: Option<Refusal>,
    reboot: Option<Refusal>,
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
        if !error.kind.is_refusal() {
            return None;
        }
        let pauses = match Transit::of(&self.instance) {
            Some(_) => OF_ENDS_UNREACHED,
            None => OF_ENDS,
        };
        let row = match ending {
            Ending::Stop => &mut self.refused_ends.stop,
            Ending::Terminate => &mut self.refused_ends.terminate,
        };
        let next = Refusal::next(row.as_ref(), error, now, pauses);
        Some(row.insert(next))
    }

    /// Notes that the provider refused to reboot the instance.
    pub(crate) fn note_refused_reboot(&mut self, error: &CloudError, now: Instant) {
        if error.kind.is_refusal() {
            let row = &mut self.refused_ends.reboot;
            *row = Some(Refusal::next(row.as_ref(), error, now, OF_ENDS));
        }
    }
}

impl WorkerFacts {
    /// The ending that `wanted` leads to: what the compute allows, and a termination if the
    /// provider refuses for good to stop the instance, the pool's `stop_refused` allows it, and the
    /// instance may be terminated. An instance that does not come up and that EC2 has no way to stop
    /// keeps no disk for a later start, and the worker waits for its end: it needs no `stop_refused`.
    pub(crate) fn ending_of(&self, id: &InstanceId, wanted: Ending) -> Ending {
        let ending = self.pool.compute.ending(wanted);
        let known = self.instances.get(id);
        let refused = known.and_then(|known| Some((known, known.refused_ends.of(ending)?)));
        let Some((known, refusal)) = refused.filter(|(_, refusal)| refusal.is_for_good()) else {
            return ending;
        };
        let is_useless = || refusal.error.code == CANNOT_STOP && self.overdue(id).is_some();
        let is_allowed = self.pool.stop_refused == StopRefused::Terminate || is_useless();
        match is_allowed && self.may_be_terminated(known) {
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

    /// The refusal for good that holds a reboot of the instance back; `None` if it may be tried.
    pub(crate) fn reboot_held_for_good_by(
        &self,
        id: &InstanceId,
        now: Instant,
    ) -> Option<&Refusal> {
        let refused = self.instances.get(id)?.refused_ends.reboot.as_ref();
        refused.filter(|refusal| now < refusal.until && refusal.is_for_good())
    }

    /// The refusals of this act, if the pause after the last one has not passed.
    pub fn backs_off(&self, act: Act, now: Instant) -> Option<&Refusal> {
        self.refusals.of(act).filter(|refusal| now < refusal.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{see, worker};
    use crate::model::cloud::CloudErrorKind;
    use crate::model::instance::InstanceState;

    const NOW: Instant = Instant::from_ms(1_000);

    fn error(kind: CloudErrorKind, retry_after: Option<Millis>) -> CloudError {
        CloudError {
            operation: "RunInstances".to_owned(),
            kind,
            code: "Code".to_owned(),
            message: "no".to_owned(),
            retry_after,
        }
    }

    fn pause(refusals: &Refusals, act: Act) -> u64 {
        refusals.of(act).unwrap().until.since(NOW).get()
    }

    #[test]
    fn each_refusal_in_a_row_doubles_the_pause_up_to_a_minute() {
        let mut refusals = Refusals::default();
        let denied = error(CloudErrorKind::Denied, None);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            refusals.note(Act::Launch(0), &denied, NOW);
            assert_eq!(pause(&refusals, Act::Launch(0)), seconds * 1000);
        }
        refusals.clear(Act::Launch(0));
        refusals.note(Act::Launch(0), &denied, NOW);
        assert_eq!(pause(&refusals, Act::Launch(0)), 1000);
    }

    #[test]
    fn acts_have_rows_of_their_own() {
        let mut refusals = Refusals::default();
        let no_capacity = error(CloudErrorKind::NoCapacity, None);
        for _ in 0..3 {
            refusals.note(Act::Start, &no_capacity, NOW);
        }
        assert_eq!(refusals.of(Act::Launch(0)), None);
        assert_eq!(pause(&refusals, Act::Start), 4000);
    }

    #[test]
    fn the_provider_may_ask_for_a_longer_pause_and_not_for_none() {
        let mut refusals = Refusals::default();
        for (asked, expected) in [(0, 1_000), (30_000, 30_000), (86_400_000, 600_000)] {
            refusals.clear(Act::Launch(0));
            let throttled = error(CloudErrorKind::Throttled, Some(Millis::new(asked)));
            refusals.note(Act::Launch(0), &throttled, NOW);
            assert_eq!(pause(&refusals, Act::Launch(0)), expected);
        }
    }

    #[test]
    fn the_pauses_before_the_end_of_what_no_caller_reaches_do_not_grow() {
        use InstanceState::{Pending, Running};
        let denied = error(CloudErrorKind::Denied, None);
        for (state, pauses) in [(Running, [600, 1_200, 2_400]), (Pending, [600, 600, 600])] {
            let mut worker = worker();
            see(&mut worker, "i-one", state);
            let known = worker.instances.get_mut(&"i-one".into()).unwrap();
            known.instance.private_ip = "10.0.0.1".parse().ok();
            for seconds in pauses {
                let refusal = known.note_refused_end(Ending::Terminate, &denied, NOW);
                assert_eq!(
                    refusal.unwrap().until.since(NOW),
                    Millis::from_secs(seconds)
                );
            }
        }
    }
}
