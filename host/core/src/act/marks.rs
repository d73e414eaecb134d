//! What flows have written into the facts without changing the cloud: marks in the record, and what callers and boxes did.

use crate::facts::{Asking, Facts, LastDecision};
use crate::model::boxes::ReportOutcome;
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::restart::Restart;
use crate::model::store::{Credential, Draining, LastError, Paused, StoreError, Touch, Touched};
use crate::model::time::Instant;
use crate::turn::Turn;
use crate::{record, route};

use super::send::idle_since;

/// Notes what a policy has decided.
pub(crate) fn note_decision(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    made: &Decision,
) {
    turn.journal(facts, decision, Entry::Decided(Box::new(made.clone())));
    if let Err(failure) = &made.result {
        turn.policy_failed(facts, made, failure);
    }
    facts.change().last_decision = Some(LastDecision::of(decision, turn.now, made));
}

/// Notes who asks for the worker.
pub(crate) fn note_asking(facts: &mut Facts, asking: Asking) {
    if facts.asking != asking {
        facts.change().asking = asking;
    }
}

/// Notes that a caller asks for the worker.
pub(crate) fn note_asked(facts: &mut Facts, now: Instant) {
    facts.change().asked_at = Some(now);
}

/// Notes that callers got the address of this instance.
pub(crate) fn note_handed_out(facts: &mut Facts, now: Instant, id: &InstanceId) {
    let facts = facts.change();
    facts.unserved_in_row = 0;
    if let Some(known) = facts.instances.get_mut(id) {
        known.handed_out = known.handed_out.max(Some(now));
    }
}

/// Pauses the worker, or takes the pause back.
pub(crate) fn set_pause(facts: &mut Facts, turn: &mut Turn<'_>, paused: Option<Paused>) {
    facts.change().paused = paused;
    record::write(facts, turn, None);
}

/// The record of a worker that is to be learned anew is durable: what was believed is given up.
pub(crate) fn forget(facts: &mut Facts, turn: &mut Turn<'_>) {
    route::withdraw(facts, turn);
    facts.change().forget();
    facts.change().record.dirty = false;
}

/// A restart begins: the route is withdrawn, and what was being drained is ended for the restart or stays.
pub(crate) fn begin_restart(facts: &mut Facts, turn: &mut Turn<'_>, restart: Restart) {
    route::withdraw(facts, turn);
    facts.change().draining = None;
    facts.change().restart = Some(restart);
}

/// Notes how far the latest restart has come, and what follows it. The caller has it written.
pub(crate) fn note_restart(facts: &mut Facts, change: impl FnOnce(&mut Restart)) {
    if let Some(restart) = facts.change().restart.as_mut() {
        change(restart);
    }
}

/// Marks the adopted instance in the store as about to be reaped, in the same write that tests whether it is idle, and hands
/// it out no more (G5).
pub(crate) fn drain(facts: &mut Facts, turn: &mut Turn<'_>, draining: Draining) {
    route::withdraw(facts, turn);
    facts.change().draining = Some(draining);
    let idle_since = idle_since(facts, turn.now);
    record::write_if(facts, turn, None, Some(idle_since));
}

/// Takes the mark away, and gives it. The caller has the record written, unless the instance is ended right away.
pub(crate) fn take_draining(facts: &mut Facts) -> Option<Draining> {
    facts.change().draining.take()
}

/// A token is minted for the box that has proved to be the worker's instance, in the place of the one before, which is
/// returned.
pub(crate) fn mint(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    credential: Credential,
) -> Option<Credential> {
    let before = facts.change().credential.replace(credential);
    facts.change().register_error = None;
    record::write(facts, turn, None);
    before
}

/// Changes the token in force, or the one that is offered in its place.
pub(crate) fn change_credential(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    change: impl FnOnce(&mut Credential),
) {
    if let Some(credential) = facts.change().credential.as_mut() {
        change(credential);
        record::write(facts, turn, None);
    }
}

/// Notes a register that was refused.
pub(crate) fn note_register_error(facts: &mut Facts, error: LastError) {
    facts.change().register_error = Some(error);
}

/// A refresh of the activity is on its way to the store.
pub(crate) fn refresh_sent(facts: &mut Facts, request: RequestId, refresh: Touch) {
    facts.change().touches.insert(request, refresh);
}

/// It is no longer. Returns whether it was.
pub(crate) fn refresh_ended(facts: &mut Facts, request: RequestId) -> bool {
    facts.change().touches.remove(&request).is_some()
}

/// Takes in the end of a refresh: what was reported happened, whatever the store says of it.
pub(crate) fn on_refreshed(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    refresh: Touch,
    result: Result<Touched, StoreError>,
) -> ReportOutcome {
    facts.change().touched_at = Some(turn.now);
    let outcome = match result {
        Ok(Touched::Refreshed) => ReportOutcome::Stored,
        Ok(Touched::NotRunning) => ReportOutcome::NotRunning,
        Err(error) => {
            let adopted = facts.adopted.as_ref();
            let instance = adopted.map(|adopted| adopted.id.to_string());
            let text = format!("the worker's activity was not refreshed: {error}");
            let fields = [("instance_id", instance.as_deref().unwrap_or("none"))];
            turn.notice(facts, Step::ActivityRefreshFailed, text, &fields);
            ReportOutcome::NotStored
        }
    };
    if outcome != ReportOutcome::NotRunning {
        let mut activity = facts.record.activity();
        activity.refresh(refresh);
        facts.change().take_activity(activity, turn.now);
    }
    outcome
}
