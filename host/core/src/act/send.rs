//! Announcing what the guard permitted, in the journal and in the record, and sending it.

use crate::facts::{Facts, InFlight, LaunchAttempt, WorkerFacts};
use crate::guard::Permit;
use crate::model::budget::Spending;
use crate::model::cloud::{Mutation, MutationKind};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::store::Intent;
use crate::model::time::Instant;
use crate::record;
use crate::turn::Turn;

/// Sends what was permitted: one mutation at a time for a worker. A pointer is no exception: a slow write of it
/// could name what another mutation has ended since (G3).
pub(crate) fn send(facts: &mut Facts, turn: &mut Turn<'_>, permit: Permit) {
    let mutation = permit.mutation();
    let decision = permit.decision();
    facts.change().in_flight = Some(InFlight {
        kind: mutation.kind(),
        instance: mutation.instance().cloned(),
        decision,
        since: turn.now,
        is_ours: true,
    });
    facts.change().intent = Some(intent(&permit, turn.now));
    spend(facts, turn, mutation.kind());
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
        // The activity that the store keeps is of the adopted instance: an orphan is not in use by it.
        Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }
            if facts.is_adopted(id) && !facts.is_ended_by_restart(id) =>
        {
            // Whoever uses it between this decision and the write keeps it (G5).
            let idle_since = idle_since(facts, turn.now);
            return commit_if(facts, turn, permit, Some(idle_since));
        }
        // What it will say is believed from now on; a failure takes that back.
        Mutation::WritePointer { id, .. } => facts.change().pointer = Some(Some(id.clone())),
        Mutation::Stop { .. } | Mutation::Terminate { .. } => {}
    }
    commit(facts, turn, permit);
}

/// What is used after this instant is not idle.
pub(crate) fn idle_since(facts: &WorkerFacts, now: Instant) -> Instant {
    let idle_min = facts.pool.limits.idle_min.get();
    Instant::from_ms(now.as_ms().saturating_sub(idle_min))
}

/// A new instance in the place of one whose box could not register may meet the same refusal (docs/incidents.md#double-provision).
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

/// Journals the intent, writes the record, then acts: always in this order.
pub(crate) fn commit(facts: &mut Facts, turn: &mut Turn<'_>, permit: Permit) {
    commit_if(facts, turn, permit, None);
}

fn commit_if(facts: &mut Facts, turn: &mut Turn<'_>, permit: Permit, idle_since: Option<Instant>) {
    let intent = Entry::Intent {
        generation: permit.generation(),
        epoch: permit.epoch(),
        mutation: permit.mutation().clone(),
    };
    turn.journal(facts, permit.decision(), intent);
    record::write_if(facts, turn, Some(permit), idle_since);
}

/// What the record announces.
pub(crate) fn intent(permit: &Permit, now: Instant) -> Intent {
    Intent {
        mutation: permit.mutation().clone(),
        generation: permit.generation(),
        epoch: permit.epoch(),
        decision: permit.decision(),
        since: now,
    }
}

/// Enters the mutation into the budgets of worker, pool and host (G10).
fn spend(facts: &mut Facts, turn: &mut Turn<'_>, kind: MutationKind) {
    let Some(spending) = Spending::of(kind) else {
        return;
    };
    let now = turn.now;
    let budget = facts.pool.limits.worker_budget;
    facts.change().ledger.enter(now, spending, budget);
    turn.shared.ledger.enter(now, spending, turn.shared.budget);
    if let Some(pool) = turn.shared.pools.get_mut(&facts.spec.pool) {
        pool.ledger
            .enter(now, spending, pool.spec.limits.pool_budget);
    }
}
