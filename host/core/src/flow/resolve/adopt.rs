//! Asking `adopt` which running instance embodies the worker, and making a pointer's hint the record.

use super::next::Next;
use crate::flow::safe_default;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::notice::Step;
use crate::model::point::Input;
use crate::model::point::adopt::{Choice, Verdict};
use crate::model::point::resolve::Adoption;
use crate::model::time::Millis;
use crate::turn::Turn;
use crate::worker::{Declined, How, Stage, Worker};
use crate::{act, record};

/// How long "none of these" holds at the least (the rest of the pass) and at the most.
const DECLINED_MIN: Millis = Millis::from_secs(10);
const DECLINED_MAX: Millis = Millis::from_secs(600);

/// Puts the question to `adopt`, unless it has declined these very candidates a moment ago.
pub(super) fn ask(worker: &mut Worker, turn: &mut Turn<'_>) -> Next {
    let candidates = worker.candidates();
    let all_declined = candidates
        .iter()
        .all(|known| worker.is_declined(&known.instance.id, turn.now));
    if all_declined {
        return not_taken(worker);
    }
    let input = Input::Adopt(worker.adopt_input(turn.now));
    let decision = turn.decide(worker, input);
    worker.set_stage(Stage::Adopt(decision));
    Next::Waits
}

/// Follows the verdict of `adopt`; `None`, the safe default, takes none.
pub(super) fn decided(
    worker: &mut Worker,
    turn: &Turn<'_>,
    decision: DecisionId,
    verdict: Option<Verdict>,
) -> Next {
    let valid_for_ms = verdict
        .as_ref()
        .map_or(safe_default::ADOPT_VALID_MS, |verdict| verdict.valid_for_ms);
    match verdict.map(|verdict| verdict.choice) {
        Some(Choice::Take(_)) if worker.record.writing.is_some() => Next::GoesOn,
        Some(Choice::Take(id)) => Next::Adopts { decision, id },
        Some(Choice::None) | None => declined(worker, turn, valid_for_ms),
    }
}

/// The guard has refused to let the instance be taken over, or `adopt` has just declined all there are.
pub(super) fn not_taken(worker: &mut Worker) -> Next {
    set_adoption(worker, Adoption::Declined);
    Next::AsksResolve
}

/// The instance is taken over.
pub(super) fn taken(worker: &mut Worker) -> Next {
    set_adoption(worker, Adoption::Taken);
    Next::GoesOn
}

/// `adopt` took none of the candidates it was shown: they no longer stand in the way of a launch.
fn declined(worker: &mut Worker, turn: &Turn<'_>, valid_for_ms: u32) -> Next {
    let ids = worker.candidates().into_iter();
    let ids = ids.map(|known| known.instance.id.clone()).collect();
    let valid_for = Millis::from(valid_for_ms).clamp(DECLINED_MIN, DECLINED_MAX);
    worker.declined = Some(Declined {
        ids,
        until: turn.now + valid_for,
    });
    not_taken(worker)
}

/// The pointer names a live instance and nothing live is adopted: the hint becomes the record.
pub(super) fn take_from_pointer(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    let Some(known) = worker.instances.get(id) else {
        return;
    };
    let usable =
        known.instance.state.is_live() && !worker.is_foreign(known) && !worker.is_superseded(id);
    if usable && !worker.is_changing() && record::may_act(worker, turn) {
        act::take(worker, turn, id, How::Found, Step::InstanceAdoptedByPointer);
        record::write(worker, turn, None);
    }
}

fn set_adoption(worker: &mut Worker, adoption: Adoption) {
    if let Some(pass) = worker.pass.as_mut() {
        pass.adoption = adoption;
    }
}
