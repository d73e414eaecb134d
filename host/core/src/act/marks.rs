//! Changes of the facts that flows ask for without a change of the cloud: marks in the record, and
//! the activity of callers and boxes.

use crate::facts::{Asking, Condition, Facts, LastDecision};
use crate::happened::Happened;
use crate::model::boxes::ReportOutcome;
use crate::model::cloud::Query;
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::journal::Content;
use crate::model::notice::Step;
use crate::model::restart::{Deferred, Restart};
use crate::model::store::{
    Credential, Draining, LastError, Paused, Refresh, Refreshed, StoreError,
};
use crate::model::time::Instant;
use crate::turn::Turn;
use crate::{record, route};

use super::adoption::release;
use super::send::idle_since;

/// Journals a policy's decision and notes it in the facts.
pub(crate) fn note_decision(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    made: &Decision,
) {
    turn.journal(facts, decision, Content::Decided(Box::new(made.clone())));
    if let Err(failure) = &made.result {
        turn.policy_failed(facts, made, failure);
    }
    facts.change().last_decision = Some(LastDecision::of(decision, turn.now, made));
}

/// Notes the pending requests and the pass of the resolve flow.
pub(crate) fn note_asking(facts: &mut Facts, asking: Asking) {
    if facts.asking != asking {
        facts.change().asking = asking;
    }
}

/// Notes the condition of the adopted instance, as the health flow knows it.
pub(crate) fn note_condition(facts: &mut Facts, condition: Condition) {
    if facts.condition != condition {
        facts.change().condition = condition;
    }
}

/// Notes that a policy gives this stopped instance up: for a while it is not started again, and not
/// shown to policies.
pub(crate) fn give_up_stopped(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) {
    facts.change().give_up_start(id, turn.now);
    if facts.is_adopted(id) {
        release(facts, turn);
    }
    record::write(facts, turn, None);
}

/// Notes that `retry-ip` gives up waiting for the address of the adopted instance.
pub(crate) fn abandon_address(facts: &mut Facts) {
    let adopted = facts.adopted.as_ref();
    let abandoned = adopted.map(|adopted| (adopted.id.clone(), adopted.since));
    facts.change().abandoned = abandoned;
}

/// Notes that a caller asks for the worker.
pub(crate) fn note_asked(facts: &mut Facts, now: Instant) {
    facts.change().asked_at = Some(now);
}

/// Notes that a caller does not reach the instance, and withdraws the route.
pub(crate) fn doubt(facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) {
    route::withdraw(facts, turn);
    facts.change().doubt(id, turn.now);
}

/// Notes that callers got the address of this instance.
pub(crate) fn note_handed_out(facts: &mut Facts, now: Instant, id: &InstanceId) {
    let facts = facts.change();
    facts.unserved_in_row = 0;
    if let Some(known) = facts.instances.get_mut(id) {
        known.handed_out = known.handed_out.max(Some(now));
    }
}

/// Sets or ends an operator's pause, and has it written.
pub(crate) fn set_pause(facts: &mut Facts, turn: &mut Turn<'_>, paused: Option<Paused>) {
    facts.change().paused = paused;
    record::write(facts, turn, None);
}

/// Clears the worker's state; the record that says so is durable.
pub(crate) fn forget(facts: &mut Facts, turn: &mut Turn<'_>) {
    route::withdraw(facts, turn);
    facts.change().forget();
    facts.change().record.dirty = false;
}

/// Notes the begin of a restart: withdraws the route and ends the drain. The caller has it written.
pub(crate) fn begin_restart(facts: &mut Facts, turn: &mut Turn<'_>, restart: Restart) {
    route::withdraw(facts, turn);
    facts.change().draining = None;
    facts.change().restart = Some(restart);
    // It covers the one that was put off.
    facts.change().deferred = None;
}

/// Notes the restart that is put off. The caller has it written.
pub(crate) fn defer_restart(facts: &mut Facts, deferred: Option<Deferred>) {
    facts.change().deferred = deferred;
}

/// Notes a change of the latest restart. The caller has it written.
pub(crate) fn note_restart(facts: &mut Facts, change: impl FnOnce(&mut Restart)) {
    if let Some(restart) = facts.change().restart.as_mut() {
        change(restart);
    }
}

/// Marks the adopted instance as draining and withdraws the route. The same write tests whether the
/// worker is idle (G5).
pub(crate) fn drain(facts: &mut Facts, turn: &mut Turn<'_>, draining: Draining) {
    route::withdraw(facts, turn);
    facts.change().draining = Some(draining);
    let idle_since = idle_since(facts, turn.now);
    record::write_if(facts, turn, None, Some(idle_since));
}

/// Clears the drain and returns it. The caller has the record written, unless the instance is ended
/// at once.
pub(crate) fn take_draining(facts: &mut Facts) -> Option<Draining> {
    facts.change().draining.take()
}

/// Replaces the credential by the one of a box that has just registered, and returns the old one.
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

/// Changes the credential and has it written.
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

/// Notes the refusal of a register. The caller has it written.
pub(crate) fn note_register_error(facts: &mut Facts, error: LastError) {
    facts.change().register_error = Some(error);
}

/// Notes that a refresh of the activity is on its way to the store.
pub(crate) fn refresh_sent(facts: &mut Facts, request: RequestId, refresh: Refresh) {
    facts.change().refreshes.insert(request, refresh);
}

/// Notes that the refresh has ended. Returns whether it was on its way.
pub(crate) fn refresh_ended(facts: &mut Facts, request: RequestId) -> bool {
    facts.change().refreshes.remove(&request).is_some()
}

/// Takes in the end of a refresh. The report counts even if the store did not answer, because its
/// event happened.
pub(crate) fn on_refreshed(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    refresh: Refresh,
    result: Result<Refreshed, StoreError>,
) -> ReportOutcome {
    facts.change().refreshed_at = Some(turn.now);
    let outcome = match result {
        Ok(Refreshed::Written) => ReportOutcome::Stored,
        Ok(Refreshed::NotRunning) => ReportOutcome::NotRunning,
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

/// Notes that a query was not sent, because the provider limits the rate: it counts as a failed
/// one.
pub(crate) fn note_unasked(facts: &mut Facts, happened: &Happened) {
    let Happened::Queried {
        query,
        asked_at,
        result: Err(error),
    } = happened
    else {
        return;
    };
    match query {
        Query::Pointer { .. } => facts.observe_pointer(*asked_at, Err(error)),
        Query::Instance { id, .. } => facts.miss_instance(id, *asked_at, error),
        Query::Scan { .. }
        | Query::TemplateVersion { .. }
        | Query::Demand { .. }
        | Query::StatusChecks { .. } => {}
    }
}
