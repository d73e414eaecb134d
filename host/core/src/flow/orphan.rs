//! Ending orphans by the host's own rule, whatever the policies say and whether or not the pool reaps (G2).
//!
//! ```text
//! a scan shows one after its grace ──▶ read the record ──▶ read pointer, orphan and adopted one by id
//!                                                                      │
//!              pointer names the orphan ──▶ repair the pointer ◀───────┤
//!                                                   guard ◀────────────┘
//! ```
//!
//! Whatever does not answer, or disagrees, ends the look and not the orphan: the next scan begins another.

use crate::effect::Effect;
use crate::event::Asker;
use crate::guard::{LOOK_AGE_MAX, Permit, Proposal};
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::compute::Ending;
use crate::model::decision::Ruling;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::point::Reason;
use crate::model::time::Instant;
use crate::model::veto::Veto;
use crate::turn::Turn;
use crate::worker::{Origin, Orphan, OrphanLook, Worker};
use crate::{act, record};

/// The reason's code, the one that `reap` policies use.
const ORPHAN: &str = "orphan";

/// Tells of new orphans, and begins to look at the one that is due.
pub(super) fn after_scan(worker: &mut Worker, turn: &mut Turn<'_>) {
    tell_new(worker, turn);
    let look = worker.orphan_look.as_ref();
    let is_looking = look.is_some_and(|look| turn.now.since(look.begun) <= LOOK_AGE_MAX);
    // Who holds the lease is seen by reading the record. A pause would only have it refused.
    if is_looking || worker.record.writing.is_some() || worker.paused.is_some() {
        return;
    }
    worker.orphan_look = None;
    let Some(id) = worker.due_orphan() else {
        return;
    };
    if let Some(orphan) = orphan_mut(worker, &id) {
        orphan.looked_at = Some(turn.now);
    }
    worker.orphan_look = Some(OrphanLook::new(id, turn.now));
    turn.effects.push(Effect::ReadRecord(worker.id.clone()));
}

/// The record was read, or could not be. What it says has been taken in.
pub(super) fn record_read(worker: &mut Worker, turn: &mut Turn<'_>, asked_at: Instant) {
    let Some(mut look) = worker.orphan_look.take() else {
        return;
    };
    if look.cloud_asked.is_some() || asked_at < look.begun {
        worker.orphan_look = Some(look);
        return;
    }
    let was_read = worker.record.read_at >= look.begun;
    if !was_read || !is_quiet(worker, turn) || !worker.orphan_is_due(&look.id) {
        return;
    }
    let Some(adopted) = &worker.adopted else {
        return;
    };
    let instance = |id: &InstanceId| worker.query_of(id.clone());
    let pointer = Query::Pointer {
        region: worker.pool.region.clone(),
        name: worker.spec.pointer.clone(),
    };
    for query in [pointer, instance(&adopted.id), instance(&look.id)] {
        turn.effects.push(Effect::Query {
            asker: Asker::Worker(worker.id.clone()),
            query,
        });
    }
    look.cloud_asked = Some(turn.now);
    worker.orphan_look = Some(look);
}

/// Notes what the cloud says, if a look asked for it. No answer ends the look.
pub(super) fn note(
    worker: &mut Worker,
    query: &Query,
    asked_at: Instant,
    result: &Result<Reading, CloudError>,
) {
    let Some(look) = &mut worker.orphan_look else {
        return;
    };
    match result {
        Ok(answer) => look.note(query, asked_at, answer, worker.adopted.as_ref()),
        // Whoever asked: the cloud has trouble, and the next scan is soon enough.
        Err(_) => worker.orphan_look = None,
    }
}

/// Ends the orphan, once everything is read and if the guard agrees.
pub(super) fn conclude(worker: &mut Worker, turn: &mut Turn<'_>) {
    let complete = worker.orphan_look.as_ref().filter(|it| it.is_complete());
    let Some(id) = complete.map(|look| look.id.clone()) else {
        return;
    };
    let is_pointed = worker.pointer.as_ref().and_then(Option::as_ref) == Some(&id);
    if is_pointed && !turn.shared.dry_run {
        act::repair_pointer(worker, turn);
    } else if is_quiet(worker, turn) {
        decide(worker, turn, &id);
    }
    worker.orphan_look = None;
}

/// Whether nothing else is under way for the worker: then a look can lead somewhere.
fn is_quiet(worker: &Worker, turn: &Turn<'_>) -> bool {
    !worker.is_changing() && record::may_write(worker, turn)
}

fn decide(worker: &mut Worker, turn: &mut Turn<'_>, id: &InstanceId) {
    let known = worker.instances.get(id);
    let Some(orphan) = known.and_then(|known| worker.orphan(known)).cloned() else {
        return;
    };
    let decision = turn.shared.decisions.next();
    let proposal = Proposal::EndOrphan(id.clone());
    match turn.scene(worker, decision, |scene| scene.permit(&proposal)) {
        Ok(permit) => {
            rule(worker, turn, decision, id, &orphan);
            announce(worker, turn, id, &orphan, &permit);
            act::send(worker, turn, permit);
        }
        Err(veto) => refused(worker, turn, decision, id, &orphan, &veto),
    }
}

/// A refusal stands until something changes; it is written down and told once, not with every scan.
fn refused(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    id: &InstanceId,
    orphan: &Orphan,
    veto: &Veto,
) {
    if orphan.refused_by == Some(veto.rule) {
        return;
    }
    rule(worker, turn, decision, id, orphan);
    turn.vetoed(worker, decision, veto);
    if let Some(orphan) = orphan_mut(worker, id) {
        orphan.refused_by = Some(veto.rule);
    }
}

/// Writes down, under a decision of its own, that a rule of the host's decided and no policy.
fn rule(
    worker: &Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    id: &InstanceId,
    orphan: &Orphan,
) {
    turn.shared.decisions = decision;
    let ruling = Ruling {
        action: action(worker, orphan.origin).into(),
        instance: id.clone(),
        generation: orphan.origin.generation(),
        since: orphan.since,
        adopted: orphan.beside.clone(),
        reason: Reason::new(ORPHAN, describe(orphan, turn.now)),
    };
    turn.journal(worker, decision, Entry::Ruled(Box::new(ruling)));
}

/// Every kill is announced with its reason and the last activity (docs/incidents.md#frozen-activity).
fn announce(
    worker: &Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    orphan: &Orphan,
    permit: &Permit,
) {
    let handed_out = worker.handed_out_at(id);
    let last = match handed_out {
        None => "never handed out".to_owned(),
        Some(at) => format!("last handed out {} ago", turn.now.since(at)),
    };
    let action = permit.mutation().kind().to_string();
    let why = describe(orphan, turn.now);
    turn.notice(
        worker,
        Step::InstanceEnding,
        format!("{action} {id}: {why} ({last})"),
        &[
            ("instance_id", id.as_str()),
            ("reason", ORPHAN),
            ("action", &action),
            ("generation", &generation(orphan.origin)),
            ("orphan_since", &orphan.since.as_ms().to_string()),
            ("adopted_instance_id", orphan.beside.id.as_str()),
            ("last_activity", &last),
        ],
    );
}

/// Whoever launched one by hand has its grace to say so: with another tag, or by stopping the other one.
fn tell_new(worker: &Worker, turn: &mut Turn<'_>) {
    let grace = worker.pool.limits.orphan_grace;
    for (id, known) in &worker.instances {
        let orphan = worker.orphan(known);
        let Some(orphan) = orphan.filter(|it| Some(it.since) == worker.scanned_at) else {
            continue;
        };
        let action = action(worker, orphan.origin);
        turn.notice(
            worker,
            Step::OrphanSeen,
            format!(
                "{id}, of generation {}, lives beside the adopted {} of generation {}; {action} follows if \
                 it still does in {grace}",
                generation(orphan.origin),
                orphan.beside.id,
                orphan.beside.generation
            ),
            &[
                ("instance_id", id.as_str()),
                ("generation", &generation(orphan.origin)),
                ("adopted_instance_id", orphan.beside.id.as_str()),
            ],
        );
    }
}

fn action(worker: &Worker, origin: Origin) -> Ending {
    worker.pool.compute.ending(origin.ending())
}

fn generation(origin: Origin) -> String {
    let generation = origin.generation();
    generation.map_or_else(|| "unknown".to_owned(), |it| it.to_string())
}

fn describe(orphan: &Orphan, now: Instant) -> String {
    format!(
        "of generation {}, it has lived for {} beside the adopted {} of generation {}",
        generation(orphan.origin),
        now.since(orphan.since),
        orphan.beside.id,
        orphan.beside.generation
    )
}

fn orphan_mut<'a>(worker: &'a mut Worker, id: &InstanceId) -> Option<&'a mut Orphan> {
    worker.instances.get_mut(id)?.orphan.as_mut()
}
