//! Recovery of mutations that an earlier life or another host began, or whose reply was lost.

use super::adoption::write_pointer;
use super::failure::{Tried, fail};
use super::outcome::{settle, started, take_launched};
use super::reboot::count_as_sent;
use super::send::{commit, intent};
use crate::facts::{Facts, InFlight, Lease, WorkerFacts};
use crate::guard::Permit;
use crate::model::cloud::{Mutation, MutationKind, Outcome};
use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::model::journal::Content;
use crate::model::notice::Step;
use crate::model::point::resolve::FailureKind;
use crate::model::store::Intent;
use crate::model::time::Instant;
use crate::record;
use crate::turn::Turn;

/// Ends an intent that no host works on, and returns how. A pointer is written again if its
/// instance is still the worker's. A start or a reboot that may have been carried out counts as
/// done: readings may show the state before a start for a while, and never show a reboot. Any other
/// intent is dropped: the next readings show what the provider did.
pub(crate) fn end_left_behind(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    left: &InFlight,
    lease: &Lease,
) -> &'static str {
    let intent = facts.change().intent.take();
    facts.change().in_flight = None;
    // The mutation may have cleared the pointer.
    facts.change().pointer = None;
    let is_finished = left.kind == MutationKind::WritePointer
        && facts.paused.is_none()
        && write_pointer(facts, turn, left.decision);
    if is_finished {
        return "sending it again";
    }
    let may_have_rebooted = intent
        .as_ref()
        .is_some_and(|intent| count_as_sent(facts, turn.now, intent, lease));
    let may_have_started =
        intent.and_then(|intent| perhaps_started(facts, turn.now, &intent, lease));
    if let Some(id) = &may_have_started {
        started(facts, turn, id, Step::LaunchUnanswered);
    }
    record::write(facts, turn, None);
    match may_have_started {
        _ if may_have_rebooted => "assuming that it ran; the worker is waited for",
        Some(_) => "assuming that it ran until readings show otherwise",
        None => "the next readings show what the provider did",
    }
}

/// The instance that an unfinished intent may have started; a host knows which of its own starts it
/// sent. An instance that would have come up next to a live adopted one is not adopted (G2).
fn perhaps_started(
    facts: &WorkerFacts,
    now: Instant,
    intent: &Intent,
    lease: &Lease,
) -> Option<InstanceId> {
    let Mutation::Start { id, .. } = &intent.mutation else {
        return None;
    };
    let known = facts.instances.get(id);
    let accepted = known.and_then(|known| known.start_accepted);
    let may_be_started =
        *lease != Lease::Ours || accepted.is_some_and(|accepted| accepted >= intent.since);
    let is_another = !facts.is_adopted(id) && facts.adopted_is_live(now);
    (may_be_started && !is_another).then(|| id.clone())
}

/// Sends the unanswered launch again with the same token.
pub(crate) fn replay(facts: &mut Facts, turn: &mut Turn<'_>, permit: Permit) {
    let Some(attempt) = facts.change().attempt.as_mut() else {
        return;
    };
    attempt.sent = attempt.sent.saturating_add(1);
    let since = attempt.since;
    facts.change().in_flight = Some(InFlight {
        kind: MutationKind::Launch,
        instance: None,
        decision: permit.decision(),
        since,
        is_ours: true,
    });
    let left = facts.change().intent.take();
    facts.change().intent = Some(Intent {
        unknown: left.map(|left| left.unknown).unwrap_or_default(),
        ..intent(&permit, since)
    });
    commit(facts, turn, permit);
}

/// Counts a search for the instance of the launch under way, and returns the count.
pub(crate) fn count_search(facts: &mut Facts) -> Option<u32> {
    let attempt = facts.change().attempt.as_mut()?;
    attempt.sent = attempt.sent.saturating_add(1);
    Some(attempt.sent)
}

/// Ends the launch under way with the instance that a scan shows.
pub(crate) fn found_launched(facts: &mut Facts, turn: &mut Turn<'_>, instance: &Instance) {
    let attempt = facts.attempt.as_ref();
    let decision = attempt.map(|attempt| attempt.decision).unwrap_or_default();
    facts.change().intent = None;
    let outcome = Content::Outcome(Ok(Outcome::Launched(instance.clone())));
    turn.journal(facts, decision, outcome);
    take_launched(facts, turn, &instance.id, instance.state);
    settle(facts, turn);
}

/// Gives up the launch under way, whose outcome will never be known. If it created an instance, the
/// scan before the next launch shows it.
pub(crate) fn give_up(facts: &mut Facts, turn: &mut Turn<'_>, why: String) {
    let tried = Tried::launch(facts.capacity_option_tried());
    facts.change().attempt = None;
    facts.change().in_flight = None;
    facts.change().intent = None;
    fail(facts, turn, tried, FailureKind::Other, why, 1);
    settle(facts, turn);
}
