//! Asking `adopt`, taking an instance over, and keeping the pointer true. The record comes first, the
//! pointer follows as a hint: "adopted" holds whether or not the pointer could be written.

use super::{Turn, mutation, pass, record};
use crate::cloud::CloudError;
use crate::guard::Proposal;
use crate::id::{DecisionId, InstanceId};
use crate::notice::Step;
use crate::point::Input;
use crate::point::adopt::{Choice, Verdict};
use crate::point::resolve::Adoption;
use crate::time::Millis;
use crate::worker::{Adopted, Declined, How, Stage, Worker};

/// How long "none of these" holds at the least (the rest of the pass) and at the most.
const DECLINED_MIN: Millis = Millis::from_secs(10);
const DECLINED_MAX: Millis = Millis::from_secs(600);

/// Puts the question to `adopt`, unless it has declined these very candidates a moment ago.
pub(super) fn ask(worker: &mut Worker, turn: &mut Turn<'_>) {
    let candidates = worker.candidates();
    let all_declined = candidates
        .iter()
        .all(|known| worker.is_declined(&known.instance.id, turn.now));
    if all_declined {
        set_adoption(worker, Adoption::Declined);
        return pass::ask_resolve(worker, turn);
    }
    let input = Input::Adopt(worker.adopt_input(turn.now));
    let decision = turn.decide(worker, input);
    pass::set_stage(worker, Stage::Adopt(decision));
}

/// Follows the verdict of `adopt`.
pub(super) fn decided(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    verdict: Verdict,
) {
    let id = match verdict.choice {
        Choice::None => return declined(worker, turn, verdict.valid_for_ms),
        Choice::Take(id) => id,
    };
    if worker.record.writing.is_some() {
        return pass::go_on(worker, turn);
    }
    match turn.permit(worker, decision, &Proposal::Adopt(id.clone())) {
        Ok(permit) => {
            take(worker, turn, &id, How::Found, Step::GpuInstanceAdoptedByTag);
            mutation::send(worker, turn, permit);
            set_adoption(worker, Adoption::Taken);
            pass::go_on(worker, turn);
        }
        Err(_) => {
            set_adoption(worker, Adoption::Declined);
            pass::ask_resolve(worker, turn);
        }
    }
}

/// `adopt` took none of the candidates it was shown: they no longer stand in the way of a launch.
pub(super) fn declined(worker: &mut Worker, turn: &mut Turn<'_>, valid_for_ms: u32) {
    let ids = worker.candidates().into_iter();
    let ids = ids.map(|known| known.instance.id.clone()).collect();
    let valid_for = Millis::from(valid_for_ms).clamp(DECLINED_MIN, DECLINED_MAX);
    worker.declined = Some(Declined {
        ids,
        until: turn.now + valid_for,
    });
    set_adoption(worker, Adoption::Declined);
    pass::ask_resolve(worker, turn);
}

/// The pointer names a live instance and nothing live is adopted: the hint becomes the record.
pub(super) fn take_from_pointer(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    let Some(known) = worker.instances.get(id) else {
        return;
    };
    let usable =
        known.instance.state.is_live() && !worker.is_foreign(known) && !worker.is_superseded(id);
    if usable && !worker.is_changing() && record::may_act(worker, turn) {
        take(
            worker,
            turn,
            id,
            How::Found,
            Step::GpuInstanceAdoptedByPointer,
        );
        record::write(worker, turn, None);
    }
}

/// Enters the instance into the record as the worker's own.
pub(super) fn take(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    how: How,
    step: Step,
) {
    let generation = worker.generation_of(id);
    let pointed = worker.pointer.clone().flatten();
    let old = worker.adopted.take().map(|adopted| adopted.id).or(pointed);
    let old = old.map_or_else(|| "none".to_owned(), String::from);
    turn.withdraw(worker);
    worker.address_watch = None;
    worker.adopted = Some(Adopted {
        id: id.clone(),
        generation,
        since: turn.now,
        how,
        unfinished_before: worker.record.activity().unfinished(),
    });
    worker.former = None;
    worker.unfinished_since = None;
    turn.notice(
        worker,
        step,
        format!("{id} is the worker's instance now (before: {old})"),
        &[("old_instance_id", &old), ("new_instance_id", id.as_str())],
    );
}

/// Makes the pointer say what the record says, if it does not and nothing is under way.
pub(super) fn repair_pointer(worker: &mut Worker, turn: &mut Turn<'_>) {
    let agrees = match (&worker.adopted, &worker.pointer) {
        (Some(adopted), Some(Some(named))) => &adopted.id == named,
        // An unread pointer is left alone until it can be read: the cloud has trouble enough.
        (Some(_), Some(None)) => false,
        (None, _) | (_, None) => true,
    };
    if agrees || worker.is_changing() || !record::may_act(worker, turn) {
        return;
    }
    let decision = worker.last_decision.as_ref().map(|last| last.id);
    write_pointer(worker, turn, decision.unwrap_or_default());
}

/// Makes the pointer name the adopted instance, as far as it may be live and the guard agrees. Returns whether the
/// write has been announced.
pub(super) fn write_pointer(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
) -> bool {
    if !worker.adopted_is_live(turn.now) {
        return false;
    }
    let permit = turn.permit(worker, decision, &Proposal::RepairPointer);
    let Ok(permit) = permit else {
        return false;
    };
    mutation::send(worker, turn, permit);
    true
}

/// The pointer write came to an end.
pub(super) fn pointer_written(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    error: Option<CloudError>,
) {
    let name = worker.spec.pointer.clone();
    match error {
        None => turn.notice(
            worker,
            Step::PointerWritten,
            format!("{name} names {id}"),
            &[("pointer", name.as_str()), ("instance_id", id.as_str())],
        ),
        Some(error) => {
            worker.pointer = None;
            turn.notice(
                worker,
                Step::PointerWriteFailed,
                format!(
                    "{name} could not be made to name {id}: {error}; the next pass tries again"
                ),
                &[("pointer", name.as_str()), ("instance_id", id.as_str())],
            );
        }
    }
}

fn set_adoption(worker: &mut Worker, adoption: Adoption) {
    if let Some(pass) = worker.pass.as_mut() {
        pass.adoption = adoption;
    }
}
