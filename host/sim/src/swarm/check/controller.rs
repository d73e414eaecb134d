//! Another controller: what it ended soon after the boot is counted, nothing else is, and from the
//! third in a row on the next instance waits. The row is counted here, from the ends in the world.

use std::collections::BTreeMap;

use reeve_core::budget::Spending;
use reeve_core::cloud::MutationKind;
use reeve_core::facts::CYCLING;
use reeve_core::id::InstanceId;
use reeve_core::instance::StateReason;
use reeve_core::store::How;
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, CLOCKS_APART, Finding, Guarantee, Written};
use crate::world::World;

/// The first pause of a cycling worker, less what clocks differ by.
const PAUSE: Millis = Millis::from_secs(60 - CLOCKS_APART.get() / 1_000);

/// The longest time from an end to the write that counts it: the worker may wait for its next
/// caller.
const COUNTED: Millis = Millis::from_secs(3_600);

/// A life that every host counts as short, however late it reads the end.
const SOON: Millis = Millis::from_secs(300);

/// An adoption that ends within this time is certainly short: the core's 600 s, less what clocks differ
/// by. A host that reads the end of a longer one late may take the life for longer.
const CERTAIN: Millis = Millis::from_secs(600 - CLOCKS_APART.get() / 1_000);

/// The ends by other controllers.
#[derive(Default)]
pub(super) struct Controllers {
    /// The last life of an instance that another controller ended.
    ended: BTreeMap<InstanceId, Ended>,
    /// Adoptions in a row that certainly count, by worker; the present one not counted.
    rows: ByWorker<u32>,
}

/// The end of a life of an instance.
struct Ended {
    at: Instant,
    /// When that life began.
    launched_at: Option<Instant>,
}

impl Controllers {
    /// Notes that another controller has ended an instance.
    pub(super) fn ended(&mut self, at: Instant, id: &InstanceId, world: &World) {
        let launched_at = world.instance(id).map(|instance| instance.launched_at);
        self.ended.insert(id.clone(), Ended { at, launched_at });
    }

    /// Checks a written record.
    pub(super) fn committed(&mut self, written: &Written<'_>, is_forgotten: bool) -> Finding {
        let (before, after) = (&written.before.record, &written.write.record);
        let Some(adopted) = &before.adopted else {
            if after.adopted.is_some() {
                self.rows.insert(written.worker.clone(), 0);
            }
            return Ok(());
        };
        let ended = self.ended.get(&adopted.id);
        let ended = ended.filter(|ended| written.at.since(ended.at) < COUNTED);
        if after.ended_elsewhere > before.ended_elsewhere && ended.is_none() {
            return broken(format!(
                "{} counts as ended by another controller, and none ended it",
                adopted.id
            ));
        }
        let kind = written.permit.map(|permit| permit.mutation().kind());
        let brings_up = matches!(kind, Some(MutationKind::Launch | MutationKind::Start));
        // Ends that the fleet sent as well, and instances that it did not bring up, do not count.
        let last_stop = before.ledger.last(Spending::Stop);
        let may_be_ours =
            last_stop.is_some_and(|at| at + CLOCKS_APART + CLOCKS_APART >= adopted.since);
        let instance = written.world.instance(&adopted.id);
        let reason = instance.and_then(|instance| instance.state_reason.as_ref());
        let is_by_request = reason.is_some_and(StateReason::is_by_request);
        // A host that takes up another's start may not know the life before, or may know the life
        // that the start began for it. An instance that ran at its start had no other life.
        let before = adopted.launched_before;
        let is_new_life = |ended: &Ended| {
            adopted.how == How::Launched || before.is_some() && before != ended.launched_at
        };
        // An end after the next start was announced may be that of the life which this start began.
        let intent = written.before.record.intent.as_ref();
        let next = intent.filter(|it| it.mutation.kind() == MutationKind::Start);
        let is_before_next =
            |ended: &Ended| next.is_none_or(|it| ended.at + CLOCKS_APART < it.since);
        let counts = adopted.how != How::Found && is_by_request && !may_be_ours;
        let soon = ended
            .filter(|ended| counts && is_new_life(ended) && is_before_next(ended))
            .map(|ended| ended.at)
            .filter(|at| *at > adopted.since && at.since(adopted.since) < SOON);
        let row = self.rows.get(written.worker).map_or(1, |row| row + 1);
        let is_cycling = row >= CYCLING && !is_forgotten;
        if after.adopted.as_ref() != Some(adopted) {
            let is_certain = soon.is_some() && written.at.since(adopted.since) < CERTAIN;
            let row = if is_certain { row } else { 0 };
            self.rows.insert(written.worker.clone(), row);
        }
        match soon.map(|ended| written.at.since(ended)) {
            Some(age) if brings_up && is_cycling && age < PAUSE => broken(format!(
                "another instance is brought up {age} after another controller ended {}, the third in a row",
                adopted.id
            )),
            _ => Ok(()),
        }
    }
}

fn broken(text: String) -> Finding {
    Err((Guarantee::Cycling, text))
}
