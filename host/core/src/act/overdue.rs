//! Gives up what does not come up or go down: an overdue instance, a start that keeps failing, a
//! stop without an end.

use super::adoption::release;
use super::failure::{Tried, count_failed_start, fail};
use super::send::announce_and_commit;
use crate::facts::{Facts, OverdueCheck, Transit};
use crate::guard::Permit;
use crate::model::cloud::MutationKind;
use crate::model::id::InstanceId;
use crate::model::point::resolve::{self, FailureKind};
use crate::record;
use crate::turn::Turn;

/// Has the end of the overdue adopted instance sent. The boot counts as failed. Use that this host
/// does not know of refuses the end (G5).
pub(crate) fn end_overdue(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    permit: Permit,
    check: &OverdueCheck,
) {
    let id = &check.adopted.id;
    let Some(overdue) = facts.overdue(id) else {
        return;
    };
    let bound = facts.bound_of(overdue.transit);
    let last = facts.failures.latest();
    // An end that was not answered is sent again, and is the same failure.
    let is_counted = last.is_some_and(|failure| failure.at >= overdue.since + bound);
    let age = turn.now.since(overdue.since);
    let why = format!("{id} was {} for {age}", overdue.transit.as_str());
    facts.change().draining = None;
    if !is_counted {
        let act = match overdue.transit {
            Transit::NoAddress => resolve::Act::Address,
            Transit::Pending | Transit::Stopping => resolve::Act::Boot,
        };
        let kind = FailureKind::TimedOut;
        fail(facts, turn, Tried::of(act), kind, why.clone(), 1);
        if permit.mutation().kind() == MutationKind::Stop {
            count_failed_start(facts, turn, id, &why);
        }
    }
    let worked_at = facts.worked_since(overdue.since);
    announce_and_commit(facts, turn, permit, worked_at.unwrap_or(overdue.since));
}

/// Counts the start of the adopted instance as failed if it [fell back] and the record may be
/// marked. Returns whether it was counted.
///
/// [fell back]: crate::facts::WorkerFacts::fallen_back
pub(crate) fn count_fallen_back(facts: &mut Facts, turn: &mut Turn<'_>) -> bool {
    let fallen_back = facts.fallen_back();
    let Some((id, started)) = fallen_back.filter(|_| record::may_mark(facts, turn)) else {
        return false;
    };
    let id = &id;
    let reason = facts.reason_down(id);
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let why = format!("the start of {id} was accepted, and the instance is stopped again{reason}");
    // An accepted start ends the row of failures, so the count in a row is the instance's.
    let before = facts.failed_starts.get(id).map_or(0, |starts| starts.count);
    let tried = Tried::of(resolve::Act::Start);
    let count = before.saturating_add(1);
    fail(facts, turn, tried, FailureKind::Other, why.clone(), count);
    count_failed_start(facts, turn, id, &why);
    if let Some(starts) = facts.change().failed_starts.get_mut(id) {
        starts.fell_back = Some(started);
    }
    record::write(facts, turn, None);
    true
}

/// Notes that the instance has come up, so that its failed starts count no more.
pub(crate) fn note_came_up(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) {
    if facts.change().failed_starts.remove(id).is_some() {
        record::write(facts, turn, None);
    }
}

/// Ends the adoption of an instance whose stop has no end, so that another is launched.
pub(crate) fn release_stopping(facts: &mut Facts, turn: &mut Turn<'_>) {
    release(facts, turn);
    record::write(facts, turn, None);
}
