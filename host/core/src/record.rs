//! The worker's record in the store. The record is written before anything is changed, and only by
//! the holder of the lease. No function here calls a flow: the end of a write or of a reading is
//! returned.
//!
//! A worker has one write under way at a time. The write carries the state that the host wants. If
//! the write is lost or fails, the announced mutation is not sent, and the facts go back to the
//! record in the store. So the host never does anything that other hosts or its next life could not
//! know.

use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::facts::{Facts, Lease, WorkerFacts, Writing};
use crate::guard::Permit;
use crate::happened::{ReadEnd, WriteEnd};
use crate::model::backoff::backoff;
use crate::model::id::{DecisionId, Epoch};
use crate::model::notice::Step;
use crate::model::operator::{Refused, RefusedCode};
use crate::model::store::{Activity, Committed, IdleTest, StoreError, Stored, WorkerRecord, Write};
use crate::model::time::{Instant, Millis};
use crate::model::veto::{Rule, Veto};
use crate::route;
use crate::turn::Turn;

/// How many times a lease is renewed within its length.
const RENEWALS: u64 = 10;

/// Has the record written as the facts say, and then the permitted mutation sent. Without a permit,
/// the write waits for the write under way.
pub(crate) fn write(facts: &mut Facts, turn: &mut Turn<'_>, then: Option<Permit>) {
    write_if(facts, turn, then, None);
}

/// As [`write`], but the store refuses the write if the worker was in use after `idle_since` (G5).
pub(crate) fn write_if(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    then: Option<Permit>,
    idle_since: Option<Instant>,
) {
    if let Some(writing) = &facts.record.writing {
        debug_assert!(then.is_none(), "the guard permits nothing during a write");
        let wanted = facts.to_record(&turn.shared.us, writing.record.epoch);
        facts.change().record.dirty = wanted != writing.record;
        return;
    }
    let epoch = match &then {
        Some(permit) => permit.epoch(),
        None => epoch(facts, turn),
    };
    let record = facts.to_record(&turn.shared.us, epoch);
    begin(facts, turn, record, then, idle_since);
}

/// Has the record of a worker written whose state an operator clears. Until that record is durable,
/// the facts stay. No mutation may be under way.
pub(crate) fn write_forgotten(facts: &mut Facts, turn: &mut Turn<'_>) {
    let record = facts.to_forgotten(&turn.shared.us, epoch(facts, turn));
    begin(facts, turn, record, None, None);
}

/// The epoch of a write that no mutation waits for.
fn epoch(facts: &WorkerFacts, turn: &Turn<'_>) -> Epoch {
    turn.scene(facts, DecisionId::default(), |scene| scene.epoch())
}

fn begin(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    record: WorkerRecord,
    then: Option<Permit>,
    idle_since: Option<Instant>,
) {
    facts.change().record.dirty = false;
    facts.change().record.writing = Some(Writing {
        record: record.clone(),
        waiting: then.as_ref().map(Permit::decision),
        since: turn.now,
    });
    let write = Write {
        worker: facts.id.clone(),
        expected: facts.record.version(),
        record,
        if_idle: idle_since.map(|since| IdleTest {
            since,
            now: turn.now,
        }),
    };
    turn.effects.push(Effect::Commit {
        write: Box::new(write),
        then,
    });
}

/// Whether the record may be written at once, by the rules that hold for every mutation.
pub(crate) fn may_write(facts: &WorkerFacts, turn: &Turn<'_>) -> bool {
    turn.scene(facts, DecisionId::default(), |scene| {
        scene.may_write_record().is_ok()
    })
}

/// Whether the record may be written at once, or after the write under way.
pub(crate) fn may_write_soon(facts: &WorkerFacts, turn: &Turn<'_>) -> bool {
    let lease = turn.scene(facts, DecisionId::default(), |scene| scene.lease());
    matches!(lease, Lease::Free | Lease::Ours)
}

/// Whether the record may be marked, at once or after the write under way. A pause forbids it.
pub(crate) fn may_mark(facts: &WorkerFacts, turn: &Turn<'_>) -> bool {
    !facts.is_changing() && facts.paused.is_none() && may_write_soon(facts, turn)
}

/// Whether a command may be written into the record at once, by the same rules.
///
/// # Errors
/// The refusal for the sender of the command.
pub(crate) fn may_follow_command(facts: &WorkerFacts, turn: &Turn<'_>) -> Result<(), Refused> {
    let may = turn.scene(facts, DecisionId::default(), |scene| {
        scene.may_write_record()
    });
    may.map_err(|veto| match veto.rule {
        Rule::LeaseHeld => Refused::new(
            RefusedCode::LeaseHeld,
            format!("{}; ask that host, or ask again then", veto.text),
        ),
        _ => Refused::new(RefusedCode::StoreUnreachable, veto.text),
    })
}

/// Whether the worker may be changed at once: its record may be written, and no operator has paused
/// it.
pub(crate) fn may_act(facts: &WorkerFacts, turn: &Turn<'_>) -> bool {
    facts.paused.is_none() && may_write(facts, turn)
}

/// Takes in the end of a write.
pub(crate) fn on_written(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    result: Result<Committed, StoreError>,
) -> WriteEnd {
    let Some(writing) = facts.change().record.writing.take() else {
        return WriteEnd::Unknown;
    };
    match result {
        Ok(Committed::Written(version)) => {
            let activity = facts.record.activity();
            facts.change().record.failures = 0;
            facts.change().record.in_doubt = false;
            facts.change().record.seen_at = turn.now;
            facts.change().record.read_at = turn.now;
            facts.change().record.stored = Some(Stored {
                version,
                record: writing.record,
                activity,
            });
            WriteEnd::Written
        }
        Ok(Committed::Lost(current)) => {
            let text = "another host wrote the worker's record first; reading it again";
            turn.notice(facts, Step::RecordLost, text.to_owned(), &[]);
            not_sent(facts, turn, writing.waiting, Rule::LeaseHeld, text);
            take_over(facts, turn, current.unwrap_or_default(), writing.since);
            WriteEnd::Lost
        }
        Ok(Committed::InUse(activity)) => {
            take_activity(facts, turn, activity, writing.since);
            let was_marked = facts.draining.clone();
            let text = "the instance was used before it could be ended; it is kept";
            not_sent(facts, turn, writing.waiting, Rule::InUse, text);
            go_back(facts);
            // The drain is kept even if its own write was refused, so that the flow hears of it and
            // can announce that the instance stays.
            let marked = facts.change().draining.take();
            facts.change().draining = marked.or(was_marked);
            WriteEnd::InUse
        }
        Err(error) if is_renewal(facts, &writing) => {
            tell(facts, turn, &error);
            renew_later(facts, turn);
            WriteEnd::NotRenewed(error)
        }
        Err(error) => {
            facts.change().record.in_doubt = true;
            let text = error.to_string();
            not_sent(facts, turn, writing.waiting, Rule::RecordUnknown, &text);
            go_back(facts);
            let pause = try_again(facts, turn, &error);
            WriteEnd::InDoubt { error, pause }
        }
    }
}

/// Has the changes written that were made during the write that has ended.
pub(crate) fn write_the_rest(facts: &mut Facts, turn: &mut Turn<'_>) {
    if std::mem::take(&mut facts.change().record.dirty) {
        write(facts, turn, None);
    } else {
        renew_later(facts, turn);
    }
}

/// Whether the write only renewed the lease: it changed nothing, and nothing has changed since.
fn is_renewal(facts: &WorkerFacts, writing: &Writing) -> bool {
    let stored = facts.record.stored.as_ref();
    writing.waiting.is_none()
        && !facts.record.dirty
        && stored.is_some_and(|stored| stored.record == writing.record)
}

/// Drops the changes that were to be written, and goes back to the record in the store.
fn go_back(facts: &mut Facts) {
    facts.change().record.dirty = false;
    if let Some(stored) = facts.record.stored.clone() {
        facts.change().fold(stored);
    }
}

/// Notes that a permitted, journaled mutation was not sent.
fn not_sent(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    waiting: Option<DecisionId>,
    rule: Rule,
    text: &str,
) {
    if let Some(decision) = waiting {
        // The mutation was not sent, so no answer arrives.
        if let Some(in_flight) = &mut facts.change().in_flight {
            in_flight.is_ours = false;
        }
        turn.vetoed(facts, decision, &Veto::new(rule, text));
    }
}

/// Takes in a reading of the record that was asked for at `asked_at`.
pub(crate) fn on_read(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    found: Option<Stored>,
) -> ReadEnd {
    if facts.record.writing.is_some() {
        return ReadEnd::Overtaken;
    }
    facts.change().record.failures = 0;
    facts.change().record.in_doubt = false;
    let found = found.unwrap_or_default();
    let known = facts.record.stored.as_ref();
    let is_news = known.is_none_or(|known| known.version < found.version);
    let end = if is_news {
        take_over(facts, turn, found, asked_at);
        ReadEnd::News
    } else {
        take_activity(facts, turn, found.activity, asked_at);
        ReadEnd::Unchanged
    };
    facts.change().record.read_at = asked_at;
    end
}

/// Takes in a reading of the activity that was asked for at `asked_at`.
fn take_activity(facts: &mut Facts, turn: &Turn<'_>, found: Activity, asked_at: Instant) {
    let activity = facts.activity_as_read(found, asked_at, turn.shared.store_is_shared);
    facts.change().take_activity(activity, turn.now);
}

/// Takes over a record that another host wrote; it was read after `asked_at`.
fn take_over(facts: &mut Facts, turn: &mut Turn<'_>, stored: Stored, asked_at: Instant) {
    // This also finds an instance that the other host adopted and ended between two readings.
    let adopted = |facts: &WorkerFacts| {
        let since = facts.adopted.as_ref().map(|adopted| adopted.since);
        (facts.adopted_last(), since)
    };
    let before = adopted(facts);
    let found = stored.activity;
    facts.change().record.dirty = false;
    facts.change().fold(stored);
    take_activity(facts, turn, found, asked_at);
    facts.change().record.seen_at = turn.now;
    facts.change().record.read_at = turn.now;
    if facts.adopted_is_being_ended() || facts.is_restarting() {
        route::withdraw(facts, turn);
    }
    if adopted(facts) != before {
        facts.change().unlearn_end_of_adopted();
        // A host that adopts or ends an instance writes the pointer as well.
        facts.change().pointer = None;
        route::withdraw(facts, turn);
    }
}

/// Schedules another try after a failed call to the store, unless one is due, and returns the pause
/// before it. Each try that fails schedules the next one, so a second series would never end.
pub(crate) fn try_again(facts: &mut Facts, turn: &mut Turn<'_>, error: &StoreError) -> Millis {
    tell(facts, turn, error);
    if turn.now < facts.record.again_at {
        return facts.record.again_at.since(turn.now);
    }
    facts.change().record.failures = facts.record.failures.saturating_add(1);
    let pause = backoff(facts.record.failures);
    facts.change().record.again_at = turn.now + pause;
    turn.timer(facts, turn.now + pause, WorkerTimer::Recover);
    pause
}

pub(crate) fn tell(facts: &WorkerFacts, turn: &mut Turn<'_>, error: &StoreError) {
    turn.notice(facts, Step::StoreCallFailed, error.to_string(), &[]);
}

fn renew_later(facts: &mut Facts, turn: &mut Turn<'_>) {
    if facts.intent.is_none() || !turn.shared.store_is_shared {
        return;
    }
    let at = turn.now + Millis::new(turn.shared.lease.get() / RENEWALS);
    facts.change().record.renew_at = Some(at);
    turn.timer(facts, at, WorkerTimer::RenewLease);
}

/// Notes the start of the host: the record counts as read at this instant.
pub(crate) fn on_started(facts: &mut Facts, turn: &Turn<'_>) {
    let facts = facts.change();
    facts.record.seen_at = turn.now;
    facts.record.read_at = turn.now;
    facts.take_activity(facts.record.activity(), turn.now);
}

/// Renews the lease if this host holds it for an intent. The timer has no effect if a later one
/// replaced it.
pub(crate) fn renew(facts: &mut Facts, turn: &mut Turn<'_>) {
    if facts.record.renew_at.is_none_or(|at| turn.now < at) {
        return;
    }
    facts.change().record.renew_at = None;
    let lease = turn.scene(facts, DecisionId::default(), |scene| scene.lease());
    if lease == Lease::Ours && facts.intent.is_some() {
        write(facts, turn, None);
    }
}
