//! Announces a permitted mutation in the journal and in the record, and has it sent.

use super::spend::{spend, spend_reap};
use crate::facts::{Facts, InFlight, LaunchAttempt, WorkerFacts};
use crate::guard::Permit;
use crate::model::cloud::Mutation;
use crate::model::journal::Content;
use crate::model::notice::Step;
use crate::model::store::Intent;
use crate::model::time::Instant;
use crate::record;
use crate::turn::Turn;

/// Announces a permitted mutation and has it sent. A worker has one mutation in flight at a time,
/// pointer writes included: a slow pointer write could name an instance that a later mutation has
/// ended (G3).
pub(crate) fn send(facts: &mut Facts, turn: &mut Turn<'_>, permit: Permit) {
    announce(facts, turn, &permit);
    let mutation = permit.mutation();
    let decision = permit.decision();
    match mutation {
        Mutation::Launch { .. } => {
            tell_of_refused_registers(facts, turn);
            facts.change().generation = permit.generation();
            facts.change().attempt = Some(LaunchAttempt {
                mutation: mutation.clone(),
                generation: permit.generation(),
                decision,
                sent: 1,
                in_doubt: false,
                since: turn.now,
                proved_at: None,
            });
        }
        Mutation::Start { id, .. } => {
            facts.change().generation = permit.generation();
            let text =
                format!("{id} is stopped and nothing else runs; starting it for next request");
            turn.notice(
                facts,
                Step::InstanceStarting,
                text,
                &[("instance_id", id.as_str())],
            );
        }
        // The activity in the store belongs to the adopted instance, so it does not keep an orphan.
        Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }
            if facts.is_adopted(id) && !facts.is_ended_by_restart(id) =>
        {
            // Use between this decision and the write keeps the instance (G5).
            let idle_since = idle_since(facts, turn.now);
            return commit_if(facts, turn, permit, Some(idle_since));
        }
        // The facts show the new value from now on; a failure clears it.
        Mutation::WritePointer { id, .. } => facts.change().pointer = Some(Some(id.clone())),
        Mutation::Stop { .. } | Mutation::Terminate { .. } | Mutation::Reboot { .. } => {}
    }
    commit(facts, turn, permit);
}

/// Announces a permitted end and has it sent, unless the worker was in use after `idle_since`.
pub(super) fn announce_and_commit(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    permit: Permit,
    idle_since: Instant,
) {
    announce(facts, turn, &permit);
    commit_if(facts, turn, permit, Some(idle_since));
}

/// Enters the mutation into the facts as the one in flight, and into the ledgers.
fn announce(facts: &mut Facts, turn: &mut Turn<'_>, permit: &Permit) {
    let mutation = permit.mutation();
    facts.change().in_flight = Some(InFlight {
        kind: mutation.kind(),
        instance: mutation.instance().cloned(),
        decision: permit.decision(),
        since: turn.now,
        is_ours: true,
    });
    facts.change().intent = Some(intent(permit, turn.now));
    spend(facts, turn, mutation.kind());
    if permit.is_reap() {
        spend_reap(facts, turn);
    }
}

/// The instant after which any use keeps an instance.
pub(crate) fn idle_since(facts: &WorkerFacts, now: Instant) -> Instant {
    let idle_min = facts.pool.limits.idle_min.get();
    Instant::from_ms(now.as_ms().saturating_sub(idle_min))
}

/// Warns that a launch follows refused registers: the box of the new instance may be refused as
/// well (docs/incidents.md#double-provision).
fn tell_of_refused_registers(facts: &WorkerFacts, turn: &mut Turn<'_>) {
    if let Some(error) = &facts.register_error {
        let count = error.count.to_string();
        let text = format!(
            "the box before could not register ({count} times, last: {}: {}); launching another",
            error.code, error.text
        );
        let fields = [("code", error.code.as_str()), ("count", &count)];
        turn.notice(facts, Step::LaunchAfterRefusedRegister, text, &fields);
    }
}

/// Journals the intent, has the record written, and has the mutation sent, always in this order.
pub(crate) fn commit(facts: &mut Facts, turn: &mut Turn<'_>, permit: Permit) {
    commit_if(facts, turn, permit, None);
}

fn commit_if(facts: &mut Facts, turn: &mut Turn<'_>, permit: Permit, idle_since: Option<Instant>) {
    let intent = Content::Intent {
        generation: permit.generation(),
        epoch: permit.epoch(),
        mutation: permit.mutation().clone(),
    };
    turn.journal(facts, permit.decision(), intent);
    record::write_if(facts, turn, Some(permit), idle_since);
}

/// The intent that the record announces.
pub(crate) fn intent(permit: &Permit, now: Instant) -> Intent {
    Intent {
        mutation: permit.mutation().clone(),
        generation: permit.generation(),
        epoch: permit.epoch(),
        decision: permit.decision(),
        since: now,
        unknown: Default::default(),
    }
}
