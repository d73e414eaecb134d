//! Entering an instance into the record as the worker's own, and making the pointer say so. The record comes first, the
//! pointer follows as a hint: an adoption holds whether or not the pointer could be written.

use super::send::send;
use crate::guard::Proposal;
use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::notice::Step;
use crate::record;
use crate::turn::Turn;
use crate::worker::{Adopted, How, Worker};

/// Enters the instance into the record as the worker's own.
pub(crate) fn take(
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
pub(crate) fn repair_pointer(worker: &mut Worker, turn: &mut Turn<'_>) {
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
pub(crate) fn write_pointer(
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
    send(worker, turn, permit);
    true
}

/// The pointer write came to an end.
pub(crate) fn pointer_written(
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
