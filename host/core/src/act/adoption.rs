//! Adoption: enters an instance into the record as the worker's own, and makes the pointer name it.
//! The record is written first and the pointer follows as a hint, so an adoption holds even if the
//! pointer could not be written.

use super::send::send;
use crate::facts::{Act, Adopted, Facts, How};
use crate::guard::Proposal;
use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, InstanceId, Sender};
use crate::model::notice::Step;
use crate::record;
use crate::route;
use crate::turn::Turn;

/// Enters the instance into the facts as the worker's own. The caller has the record written.
/// `from`: who asked for it; `None` if the host acts by itself.
pub(crate) fn take(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    how: How,
    step: Step,
    from: Option<&Sender>,
) {
    let generation = facts.generation_of(id);
    let pointed = facts.pointer.clone().flatten();
    let old = facts
        .change()
        .leave_adopted()
        .map(|adopted| adopted.id)
        .or(pointed);
    let old = old.map_or_else(|| "none".to_owned(), String::from);
    route::withdraw(facts, turn);
    facts.change().adopted = Some(Adopted {
        id: id.clone(),
        generation,
        since: turn.now,
        how,
        unfinished_before: facts.record.activity().unfinished(),
        launched_before: None,
        unknown: Default::default(),
    });
    facts.change().former = None;
    facts.change().ended_elsewhere_last = None;
    facts.change().refusals.clear(Act::WritePointer);
    facts.change().unfinished_since = None;
    let text = format!("{id} is the worker's instance now (before: {old})");
    let ids = [
        ("old_instance_id", old.as_str()),
        ("new_instance_id", id.as_str()),
    ];
    let from = from.map(|from| ("from", from.as_str()));
    let fields: Vec<_> = ids.into_iter().chain(from).collect();
    turn.notice(facts, step, text, &fields);
}

/// Adopts the live instance that the pointer names, while no live instance is adopted.
pub(crate) fn take_from_pointer(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) {
    let Some(known) = facts.instances.get(id) else {
        return;
    };
    let usable =
        known.instance.state.is_live() && !facts.is_outside(known) && !facts.is_superseded(id);
    if usable && !facts.is_changing() && record::may_act(facts, turn) {
        take(
            facts,
            turn,
            id,
            How::Found,
            Step::InstanceAdoptedByPointer,
            None,
        );
        record::write(facts, turn, None);
    }
}

/// Ends the adoption, without a change of the cloud. The caller has the record written.
pub(super) fn release(facts: &mut Facts, turn: &mut Turn<'_>) {
    route::withdraw(facts, turn);
    facts.change().leave_adopted();
    facts.change().draining = None;
}

/// Gives the adopted instance up, because it is not the worker's by its tags. The instance is left
/// as it is, and the worker gets another one when it is asked for.
pub(crate) fn release_outside(facts: &mut Facts, turn: &mut Turn<'_>, why: &str) {
    let Some(adopted) = facts.adopted.clone() else {
        return;
    };
    release(facts, turn);
    let id = adopted.id.as_str();
    let text = format!(
        "{id} is given up: {why}; it is left as it is, and the worker gets another instance when it is asked for"
    );
    let fields = [("instance_id", id), ("reason", why)];
    turn.notice(facts, Step::TagLost, text, &fields);
    record::write(facts, turn, None);
}

/// Has the pointer written if it disagrees with the record and nothing is under way.
pub(crate) fn repair_pointer(facts: &mut Facts, turn: &mut Turn<'_>) {
    let agrees = match (&facts.adopted, &facts.pointer) {
        (Some(adopted), Some(Some(named))) => &adopted.id == named,
        // A pointer that could not be read is not repaired: the cloud has trouble already.
        (Some(_), Some(None)) => false,
        (None, _) | (_, None) => true,
    };
    let is_held = facts.backs_off(Act::WritePointer, turn.now).is_some()
        || facts.may_follow_pointer(turn.now);
    if agrees || is_held || facts.is_changing() || !record::may_act(facts, turn) {
        return;
    }
    let decision = facts.latest_decision();
    write_pointer(facts, turn, decision);
}

/// Has the pointer written to name the adopted instance, if that instance may be live and the guard
/// agrees. Returns whether the write is announced.
pub(crate) fn write_pointer(facts: &mut Facts, turn: &mut Turn<'_>, decision: DecisionId) -> bool {
    if !facts.adopted_is_live(turn.now) {
        return false;
    }
    let permit = turn.permit(facts, decision, &Proposal::RepairPointer);
    let Ok(permit) = permit else {
        return false;
    };
    send(facts, turn, permit);
    true
}

/// Takes in the end of a pointer write.
pub(crate) fn pointer_written(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    error: Option<CloudError>,
) {
    let name = facts.spec.pointer.clone();
    let refusal = facts.backs_off(Act::WritePointer, turn.now);
    let pause = refusal.map(|refusal| refusal.until.since(turn.now));
    match error {
        None => {
            if facts.is_adopted(id) {
                facts.change().note_pointer_agrees(turn.now);
            }
            turn.notice(
                facts,
                Step::PointerWritten,
                format!("{name} names {id}"),
                &[("pointer", name.as_str()), ("instance_id", id.as_str())],
            );
        }
        Some(error) => {
            facts.change().pointer = None;
            let next = pause.map_or_else(
                || "the next pass tries again".to_owned(),
                |pause| format!("a pass tries again after {pause}"),
            );
            turn.notice(
                facts,
                Step::PointerWriteFailed,
                format!("{name} could not be made to name {id}: {error}; {next}"),
                &[("pointer", name.as_str()), ("instance_id", id.as_str())],
            );
        }
    }
}
