//! Taking up what an earlier life, another host or a lost reply left behind.

use super::adoption::write_pointer;
use super::outcome::{fail_launch, settle, started, take_launched};
use super::send::{commit, intent};
use crate::facts::{Facts, InFlight, Lease, WorkerFacts};
use crate::guard::Permit;
use crate::model::cloud::{Mutation, MutationKind, Outcome};
use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::store::Intent;
use crate::model::time::Instant;
use crate::record;
use crate::turn::Turn;

/// Ends an intent that no host works on, and says how: a pointer is written again if its instance still is the worker's; a
/// start that may have been carried out is taken for carried out, because readings of before it would say otherwise for a
/// while; anything else is given up, because the next look shows what the provider did.
pub(crate) fn end_left_behind(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    left: &InFlight,
    lease: &Lease,
) -> &'static str {
    let intent = facts.change().intent.take();
    facts.change().in_flight = None;
    // The mutation may have cleared the pointer, or not.
    facts.change().pointer = None;
    let is_finished = left.kind == MutationKind::WritePointer
        && facts.paused.is_none()
        && write_pointer(facts, turn, left.decision);
    if is_finished {
        return "taken up again";
    }
    let may_have_started =
        intent.and_then(|intent| perhaps_started(facts, turn.now, &intent, lease));
    if let Some(id) = &may_have_started {
        started(facts, turn, id, Step::LaunchUnanswered);
    }
    record::write(facts, turn, None);
    match may_have_started {
        Some(_) => "taken for carried out until readings of after it say otherwise",
        None => "left to what the cloud shows",
    }
}

/// The instance that an intent left behind has started, or may have: a host knows which of its own it sent. An instance that
/// would have come up next to a live adopted one is not taken in its place (G2).
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

/// Sends the unanswered launch again, with the token that it had.
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
    facts.change().intent = Some(intent(&permit, since));
    commit(facts, turn, permit);
}

/// Counts a look for the instance of the launch under way, and gives their number.
pub(crate) fn count_look(facts: &mut Facts) -> Option<u32> {
    let attempt = facts.change().attempt.as_mut()?;
    attempt.sent = attempt.sent.saturating_add(1);
    Some(attempt.sent)
}

/// A scan shows the instance of the launch under way: the launch has ended with it.
pub(crate) fn found_launched(facts: &mut Facts, turn: &mut Turn<'_>, instance: &Instance) {
    let attempt = facts.attempt.as_ref();
    let decision = attempt.map(|attempt| attempt.decision).unwrap_or_default();
    facts.change().intent = None;
    let outcome = Entry::Outcome(Ok(Outcome::Launched(instance.clone())));
    turn.journal(facts, decision, outcome);
    take_launched(facts, turn, &instance.id, instance.state);
    settle(facts, turn);
}

/// Gives the launch under way up: what came of it will never be known. If there is an instance of it, the scan that the
/// next launch waits for shows it.
pub(crate) fn give_up(facts: &mut Facts, turn: &mut Turn<'_>, why: String) {
    facts.change().attempt = None;
    facts.change().in_flight = None;
    facts.change().intent = None;
    fail_launch(facts, turn, why);
    settle(facts, turn);
}
