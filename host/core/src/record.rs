//! The worker's record in the store: written before anything is changed, by the lease's holder alone. Nothing here calls
//! a flow: what a write or a reading came to is returned.
//!
//! One write at a time for a worker. It carries the state as it is meant to be. If it is lost or fails, what it announced
//! is not done, and the worker goes back to what the store says. So nothing is ever done that other hosts, or the next
//! life, could not know of.

use crate::effect::Effect;
use crate::event::WorkerTimer;
use crate::guard::Permit;
use crate::model::backoff::backoff;
use crate::model::id::{DecisionId, Epoch};
use crate::model::notice::Step;
use crate::model::operator::{Refused, RefusedCode};
use crate::model::store::{Activity, Committed, IdleTest, StoreError, Stored, WorkerRecord, Write};
use crate::model::time::{Instant, Millis};
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::worker::{Lease, Worker, Writing};

/// A lease is renewed this often within its length.
const RENEWALS: u64 = 10;

/// Writes the record as it now stands, then does what is permitted. Without a permit it waits for the
/// write under way, and is left out where nothing may be written.
pub(crate) fn write(worker: &mut Worker, turn: &mut Turn<'_>, then: Option<Permit>) {
    write_if(worker, turn, then, None);
}

/// The same, unless the worker was in use after `idle_since` (G5).
pub(crate) fn write_if(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    then: Option<Permit>,
    idle_since: Option<Instant>,
) {
    if let Some(writing) = &worker.record.writing {
        debug_assert!(then.is_none(), "the guard gives no leave meanwhile");
        let wanted = worker.to_record(&turn.shared.us, writing.record.epoch);
        worker.record.dirty = wanted != writing.record;
        return;
    }
    if turn.shared.dry_run {
        return;
    }
    let epoch = match &then {
        Some(permit) => permit.epoch(),
        None => epoch(worker, turn),
    };
    let record = worker.to_record(&turn.shared.us, epoch);
    begin(worker, turn, record, then, idle_since);
}

/// Writes the record of a worker that is to be learned anew. Until that is durable, the worker stays as it is;
/// nothing may be under way for it.
pub(crate) fn write_forgotten(worker: &mut Worker, turn: &mut Turn<'_>) {
    let record = worker.to_forgotten(&turn.shared.us, epoch(worker, turn));
    begin(worker, turn, record, None, None);
}

/// The epoch of a write that no mutation waits for.
fn epoch(worker: &Worker, turn: &Turn<'_>) -> Epoch {
    turn.scene(worker, DecisionId::default(), |scene| scene.epoch())
}

fn begin(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    record: WorkerRecord,
    then: Option<Permit>,
    idle_since: Option<Instant>,
) {
    worker.record.dirty = false;
    worker.record.writing = Some(Writing {
        record: record.clone(),
        waiting: then.as_ref().map(Permit::decision),
        since: turn.now,
    });
    let write = Write {
        worker: worker.id.clone(),
        expected: worker.record.version(),
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

/// Whether the record may be written now: by the same rules that hold for every mutation.
pub(crate) fn may_write(worker: &Worker, turn: &Turn<'_>) -> bool {
    turn.scene(worker, DecisionId::default(), |scene| {
        scene.may_write_record().is_ok()
    })
}

/// Whether the record may be written now, or right after the write that is under way.
pub(crate) fn may_write_soon(worker: &Worker, turn: &Turn<'_>) -> bool {
    let lease = turn.scene(worker, DecisionId::default(), |scene| scene.lease());
    !turn.shared.dry_run && matches!(lease, Lease::Free | Lease::Ours)
}

/// Whether a command may be written into the record now, by the same rules.
///
/// # Errors
/// The refusal that its giver is told.
pub(crate) fn may_follow_command(worker: &Worker, turn: &Turn<'_>) -> Result<(), Refused> {
    let may = turn.scene(worker, DecisionId::default(), |scene| {
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

/// Whether something may be changed for the worker now: the same, and no operator has paused it.
pub(crate) fn may_act(worker: &Worker, turn: &Turn<'_>) -> bool {
    worker.paused.is_none() && may_write(worker, turn)
}

/// What a write of the record came to.
#[derive(Debug)]
pub(crate) enum WriteEnd {
    /// No write was under way.
    Unknown,
    /// It is in the store.
    Written,
    /// Another host has written the record in between; the worker is as that host left it.
    Lost {
        /// Whether another instance embodies the worker than this host knew of.
        is_embodied_anew: bool,
    },
    /// The worker came into use: what was to be written is given up, and so is the end of the instance.
    InUse,
    /// A renewal was not answered. What was sent is under way all the same.
    NotRenewed,
    /// Whether it was written is not known: what was to be written is given up, and the record is read again.
    InDoubt(StoreError),
}

/// A write came to an end.
pub(crate) fn on_written(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    result: Result<Committed, StoreError>,
) -> WriteEnd {
    let Some(writing) = worker.record.writing.take() else {
        return WriteEnd::Unknown;
    };
    match result {
        Ok(Committed::Written(version)) => {
            let activity = worker.record.activity();
            worker.record.failures = 0;
            worker.record.in_doubt = false;
            worker.record.seen_at = turn.now;
            worker.record.read_at = turn.now;
            worker.record.stored = Some(Stored {
                version,
                record: writing.record,
                activity,
            });
            WriteEnd::Written
        }
        Ok(Committed::Lost(current)) => {
            let text = "another host has written the worker's record in between; looking again";
            turn.notice(worker, Step::RecordLost, text.to_owned(), &[]);
            not_sent(worker, turn, writing.waiting, Rule::LeaseHeld, text);
            let is_embodied_anew =
                take_over(worker, turn, current.unwrap_or_default(), writing.since);
            WriteEnd::Lost { is_embodied_anew }
        }
        Ok(Committed::InUse(activity)) => {
            take_activity(worker, turn, activity, writing.since);
            let was_marked = worker.draining.clone();
            let text = "it came into use before it could be ended; it is kept";
            not_sent(worker, turn, writing.waiting, Rule::InUse, text);
            go_back(worker);
            // Told also where the mark itself was refused, and nothing has to be taken back.
            worker.draining = worker.draining.take().or(was_marked);
            WriteEnd::InUse
        }
        Err(error) if is_renewal(worker, &writing) => {
            tell(worker, turn, &error);
            renew_later(worker, turn);
            WriteEnd::NotRenewed
        }
        Err(error) => {
            worker.record.in_doubt = true;
            let text = error.to_string();
            not_sent(worker, turn, writing.waiting, Rule::RecordUnknown, &text);
            go_back(worker);
            WriteEnd::InDoubt(error)
        }
    }
}

/// Writes what has changed since the write that has ended. Returns whether there was something.
pub(crate) fn write_the_rest(worker: &mut Worker, turn: &mut Turn<'_>) -> bool {
    let is_dirty = std::mem::take(&mut worker.record.dirty);
    if is_dirty {
        write(worker, turn, None);
    } else {
        renew_later(worker, turn);
    }
    is_dirty
}

/// Whether the write said nothing new, and there is nothing new to say since.
fn is_renewal(worker: &Worker, writing: &Writing) -> bool {
    let stored = worker.record.stored.as_ref();
    writing.waiting.is_none()
        && !worker.record.dirty
        && stored.is_some_and(|stored| stored.record == writing.record)
}

/// Gives up what was to be written.
fn go_back(worker: &mut Worker) {
    if let Some(stored) = worker.record.stored.clone() {
        worker.fold(stored);
    }
}

/// What was permitted and journaled, and then not sent after all.
fn not_sent(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    waiting: Option<DecisionId>,
    rule: Rule,
    text: &str,
) {
    if let Some(decision) = waiting {
        // No answer will come.
        if let Some(in_flight) = &mut worker.in_flight {
            in_flight.is_ours = false;
        }
        turn.vetoed(worker, decision, &Veto::new(rule, text));
    }
}

/// What a reading of the record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// A write is under way, whose answer will say more, and later.
    Overtaken,
    /// It says what this host knew.
    Known,
    /// Another host has written it.
    News {
        /// Whether another instance embodies the worker than this host knew of.
        is_embodied_anew: bool,
    },
}

/// Takes in a reading of the record that was asked for at `asked_at`.
pub(crate) fn on_read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    found: Option<Stored>,
) -> ReadEnd {
    if worker.record.writing.is_some() {
        return ReadEnd::Overtaken;
    }
    worker.record.failures = 0;
    worker.record.in_doubt = false;
    let found = found.unwrap_or_default();
    let known = worker.record.stored.as_ref();
    let is_news = known.is_none_or(|known| known.version < found.version);
    let end = if is_news {
        let is_embodied_anew = take_over(worker, turn, found, asked_at);
        ReadEnd::News { is_embodied_anew }
    } else {
        take_activity(worker, turn, found.activity, asked_at);
        ReadEnd::Known
    };
    worker.record.read_at = asked_at;
    end
}

/// Takes in the activity that the store has shown, as of some moment after `asked_at`.
fn take_activity(worker: &mut Worker, turn: &Turn<'_>, found: Activity, asked_at: Instant) {
    let activity = worker.activity_as_read(found, asked_at, turn.shared.store_is_shared);
    worker.take_activity(activity, turn.now);
}

/// Goes by what another host has written, as it stood at some moment after `asked_at`. Returns whether another instance
/// embodies the worker than this host knew of.
fn take_over(worker: &mut Worker, turn: &mut Turn<'_>, stored: Stored, asked_at: Instant) -> bool {
    // Also whom it adopted and gave up again while nobody here looked.
    let embodied = |worker: &Worker| {
        let since = worker.adopted.as_ref().map(|adopted| adopted.since);
        (worker.embodied_last(), since)
    };
    let before = embodied(worker);
    let found = stored.activity;
    worker.fold(stored);
    take_activity(worker, turn, found, asked_at);
    worker.record.seen_at = turn.now;
    worker.record.read_at = turn.now;
    if worker.adopted_is_being_ended() {
        turn.withdraw(worker);
    }
    let is_embodied_anew = embodied(worker) != before;
    if is_embodied_anew {
        worker.unlearn_end_of_adopted();
        // Whoever adopts or ends an instance writes the pointer as well.
        worker.pointer = None;
        turn.withdraw(worker);
    }
    is_embodied_anew
}

/// The store did not answer: it is tried again after the pause that is returned.
pub(crate) fn try_again(worker: &mut Worker, turn: &mut Turn<'_>, error: &StoreError) -> Millis {
    tell(worker, turn, error);
    worker.record.failures = worker.record.failures.saturating_add(1);
    let pause = backoff(worker.record.failures);
    turn.timer(worker, turn.now + pause, WorkerTimer::Recover);
    pause
}

pub(crate) fn tell(worker: &Worker, turn: &mut Turn<'_>, error: &StoreError) {
    turn.notice(worker, Step::StoreCallFailed, error.to_string(), &[]);
}

fn renew_later(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.intent.is_none() || !turn.shared.store_is_shared {
        return;
    }
    let at = turn.now + Millis::new(turn.shared.lease.get() / RENEWALS);
    worker.record.renew_at = Some(at);
    turn.timer(worker, at, WorkerTimer::RenewLease);
}
