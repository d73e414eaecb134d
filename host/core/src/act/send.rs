//! Announcing what the guard permitted, in the journal and in the record, and sending it.

use crate::guard::Permit;
use crate::model::budget::Spending;
use crate::model::cloud::{Mutation, MutationKind};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::store::Intent;
use crate::model::time::Instant;
use crate::record;
use crate::turn::Turn;
use crate::worker::{InFlight, LaunchAttempt, Worker};

/// Sends what was permitted: one mutation at a time for a worker. A pointer is no exception: a slow write of it
/// could name what another mutation has ended since (G3).
pub(crate) fn send(worker: &mut Worker, turn: &mut Turn<'_>, permit: Permit) {
    let mutation = permit.mutation();
    let decision = permit.decision();
    worker.in_flight = Some(InFlight {
        kind: mutation.kind(),
        instance: mutation.instance().cloned(),
        decision,
        since: turn.now,
        is_ours: true,
    });
    worker.intent = Some(intent(&permit, turn.now));
    spend(worker, turn, mutation.kind());
    match mutation {
        Mutation::Launch { .. } => {
            tell_of_refused_registers(worker, turn);
            worker.generation = permit.generation();
            worker.attempt = Some(LaunchAttempt {
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
            worker.generation = permit.generation();
            let text =
                format!("{id} is stopped and nothing else runs; starting it for next request");
            turn.notice(
                worker,
                Step::InstanceStarting,
                text,
                &[("instance_id", id.as_str())],
            );
        }
        // The activity that the store keeps is of the adopted instance: an orphan is not in use by it.
        Mutation::Stop { id, .. } | Mutation::Terminate { id, .. }
            if worker.is_adopted(id) && !worker.is_ended_by_restart(id) =>
        {
            // Whoever uses it between this decision and the write keeps it (G5).
            let idle_since = idle_since(worker, turn.now);
            return commit_if(worker, turn, permit, Some(idle_since));
        }
        // What it will say is believed from now on; a failure takes that back.
        Mutation::WritePointer { id, .. } => worker.pointer = Some(Some(id.clone())),
        Mutation::Stop { .. } | Mutation::Terminate { .. } => {}
    }
    commit(worker, turn, permit);
}

/// What is used after this instant is not idle.
pub(crate) fn idle_since(worker: &Worker, now: Instant) -> Instant {
    let idle_min = worker.pool.limits.idle_min.get();
    Instant::from_ms(now.as_ms().saturating_sub(idle_min))
}

/// A new instance in the place of one whose box could not register may meet the same refusal (docs/incidents.md#double-provision).
fn tell_of_refused_registers(worker: &Worker, turn: &mut Turn<'_>) {
    if let Some(error) = &worker.register_error {
        let count = error.count.to_string();
        let text = format!(
            "the box before could not register ({count} times, last: {}: {}); launching another",
            error.code, error.text
        );
        let fields = [("code", error.code.as_str()), ("count", &count)];
        turn.notice(worker, Step::LaunchAfterRefusedRegister, text, &fields);
    }
}

/// Journals the intent, writes the record, then acts: always in this order.
pub(crate) fn commit(worker: &mut Worker, turn: &mut Turn<'_>, permit: Permit) {
    commit_if(worker, turn, permit, None);
}

fn commit_if(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    permit: Permit,
    idle_since: Option<Instant>,
) {
    let intent = Entry::Intent {
        generation: permit.generation(),
        epoch: permit.epoch(),
        mutation: permit.mutation().clone(),
    };
    turn.journal(worker, permit.decision(), intent);
    record::write_if(worker, turn, Some(permit), idle_since);
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
fn spend(worker: &mut Worker, turn: &mut Turn<'_>, kind: MutationKind) {
    let Some(spending) = Spending::of(kind) else {
        return;
    };
    let now = turn.now;
    worker
        .ledger
        .enter(now, spending, worker.pool.limits.worker_budget);
    turn.shared.ledger.enter(now, spending, turn.shared.budget);
    if let Some(pool) = turn.shared.pools.get_mut(&worker.spec.pool) {
        pool.ledger
            .enter(now, spending, pool.spec.limits.pool_budget);
    }
}
