//! The worker's record in the store: written before anything is changed, by the lease's holder alone,
//! and recovered after a crash.
//!
//! One write at a time for a worker. It carries the state as it is meant to be; if it is lost or fails,
//! what it announced is not done and the worker goes back to what the store says. So nothing is ever
//! done that other hosts, or the next life, could not know of.

use super::{Turn, adoption, boxes, callers, mutation, operator, pass, reaping, restart};
use crate::answer::{NotYet, NotYetCode};
use crate::cloud::{Mutation, MutationKind};
use crate::effect::Effect;
use crate::event::Timer;
use crate::guard::{Permit, Rule, Veto};
use crate::id::{DecisionId, Epoch, InstanceId};
use crate::notice::Step;
use crate::store::{
    Activity, Committed, IdleTest, Intent, StoreError, Stored, WorkerRecord, Write,
};
use crate::time::{Instant, Millis};
use crate::worker::{Lease, Stage, Worker, Writing};

/// A lease is renewed this often within its length.
const RENEWALS: u64 = 10;

/// Writes the record as it now stands, then does what is permitted. Without a permit it waits for the
/// write under way, and is left out where nothing may be written.
pub(super) fn write(worker: &mut Worker, turn: &mut Turn<'_>, then: Option<Permit>) {
    write_if(worker, turn, then, None);
}

/// The same, unless the worker was in use after `idle_since` (G5).
pub(super) fn write_if(
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
pub(super) fn write_forgotten(worker: &mut Worker, turn: &mut Turn<'_>) {
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
pub(super) fn may_write(worker: &Worker, turn: &Turn<'_>) -> bool {
    turn.scene(worker, DecisionId::default(), |scene| {
        scene.may_write_record().is_ok()
    })
}

/// Whether the record may be written now, or right after the write that is under way.
pub(super) fn may_write_soon(worker: &Worker, turn: &Turn<'_>) -> bool {
    let lease = turn.scene(worker, DecisionId::default(), |scene| scene.lease());
    !turn.shared.dry_run && matches!(lease, Lease::Free | Lease::Ours)
}

/// Whether something may be changed for the worker now: the same, and no operator has paused it.
pub(super) fn may_act(worker: &Worker, turn: &Turn<'_>) -> bool {
    worker.paused.is_none() && may_write(worker, turn)
}

/// A write came to an end. A command of an operator may have waited for it.
pub(super) fn written(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    result: Result<Committed, StoreError>,
) {
    let error = result.as_ref().err().cloned();
    write_ended(worker, turn, result);
    boxes::record_written(worker, turn, error.as_ref());
}

fn write_ended(worker: &mut Worker, turn: &mut Turn<'_>, result: Result<Committed, StoreError>) {
    let Some(writing) = worker.record.writing.take() else {
        return;
    };
    ended(worker, turn, writing, result);
    operator::go_on(worker, turn);
}

fn ended(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    writing: Writing,
    result: Result<Committed, StoreError>,
) {
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
            operator::written(worker, turn);
            after_write(worker, turn);
        }
        Ok(Committed::Lost(current)) => {
            let text = "another host has written the worker's record in between; looking again";
            turn.notice(worker, Step::RecordLost, text.to_owned(), &[]);
            not_sent(worker, turn, writing.waiting, Rule::LeaseHeld, text);
            take_over(worker, turn, current.unwrap_or_default(), writing.since);
            operator::lost(worker, turn);
            operator::go_on(worker, turn);
            pass::look_again(worker, turn);
            recover_or_look(worker, turn);
        }
        Ok(Committed::InUse(activity)) => {
            take_activity(worker, turn, activity, writing.since);
            let was_marked = worker.draining.clone();
            let text = "it came into use before it could be ended; it is kept";
            not_sent(worker, turn, writing.waiting, Rule::InUse, text);
            go_back(worker, turn);
            // Told also where the mark itself was refused, and nothing has to be taken back.
            worker.draining = worker.draining.take().or(was_marked);
            reaping::revive(worker, turn, "it came into use");
            pass::look_again(worker, turn);
        }
        // A renewal that failed takes nothing back: what was sent is under way all the same.
        Err(error) if is_renewal(worker, &writing) => {
            tell(worker, turn, &error);
            renew_later(worker, turn);
        }
        Err(error) => {
            // Whether it was written is not known; it is read again.
            worker.record.in_doubt = true;
            let text = error.to_string();
            not_sent(worker, turn, writing.waiting, Rule::RecordUnknown, &text);
            go_back(worker, turn);
            operator::failed(worker, turn, &error);
            failed(worker, turn, &error);
        }
    }
}

/// Whether the write said nothing new, and there is nothing new to say since.
fn is_renewal(worker: &Worker, writing: &Writing) -> bool {
    let stored = worker.record.stored.as_ref();
    writing.waiting.is_none()
        && !worker.record.dirty
        && stored.is_some_and(|stored| stored.record == writing.record)
}

/// Gives up what was to be written. A restart whose end was not written is in flight again, and is followed.
fn go_back(worker: &mut Worker, turn: &mut Turn<'_>) {
    if let Some(stored) = worker.record.stored.clone() {
        worker.fold(stored);
        restart::found(worker, turn);
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

fn after_write(worker: &mut Worker, turn: &mut Turn<'_>) {
    if std::mem::take(&mut worker.record.dirty) {
        write(worker, turn, None);
        return;
    }
    renew_later(worker, turn);
    if pass::awaits(worker, &Stage::RecordWritten) {
        pass::ask_resolve(worker, turn);
    }
    // What was left behind may have had to wait for this write.
    recover(worker, turn);
}

/// The record was read.
pub(super) fn read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    result: Result<Option<Stored>, StoreError>,
) {
    let error = result.as_ref().err().cloned();
    take_reading(worker, turn, asked_at, result);
    if !worker.waiters.is_empty() {
        reaping::revive(worker, turn, "somebody asks another host for it");
    }
    reaping::record_read(worker, turn, asked_at);
    boxes::record_read(worker, turn, asked_at, error.as_ref());
}

fn take_reading(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    result: Result<Option<Stored>, StoreError>,
) {
    match result {
        // The answer to the write under way will say more, and later.
        Ok(_) if worker.record.writing.is_some() => operator::record_read(worker, turn, None),
        Ok(found) => {
            worker.record.failures = 0;
            worker.record.in_doubt = false;
            let found = found.unwrap_or_default();
            let is_news = worker
                .record
                .stored
                .as_ref()
                .is_none_or(|known| known.version < found.version);
            if is_news {
                take_over(worker, turn, found, asked_at);
            } else {
                take_activity(worker, turn, found.activity, asked_at);
            }
            worker.record.read_at = asked_at;
            // A pause comes before what somebody left undone is taken up again.
            operator::record_read(worker, turn, None);
            recover(worker, turn);
        }
        Err(error) => {
            operator::record_read(worker, turn, Some(&error));
            let is_known = worker.record.stored.is_some();
            if !is_known || !pass::awaits(worker, &Stage::RecordRead) {
                return failed(worker, turn, &error);
            }
            // What is known goes on being served; whoever wants to change something finds out.
            tell(worker, turn, &error);
        }
    }
    if pass::awaits(worker, &Stage::RecordRead) {
        pass::read_pointer(worker, turn);
    }
}

/// Takes in the activity that the store has shown, as of some moment after `asked_at`.
fn take_activity(worker: &mut Worker, turn: &Turn<'_>, found: Activity, asked_at: Instant) {
    let activity = worker.activity_as_read(found, asked_at, turn.shared.store_is_shared);
    worker.take_activity(activity, turn.now);
}

/// Goes by what another host has written, as it stood at some moment after `asked_at`.
fn take_over(worker: &mut Worker, turn: &mut Turn<'_>, stored: Stored, asked_at: Instant) {
    // Also whom it adopted and gave up again while nobody here looked.
    let embodied = |worker: &Worker| {
        let since = worker.adopted.as_ref().map(|adopted| adopted.since);
        (worker.embodied_last(), since)
    };
    let before = embodied(worker);
    let found = stored.activity;
    worker.fold(stored);
    take_activity(worker, turn, found, asked_at);
    restart::found(worker, turn);
    worker.record.seen_at = turn.now;
    worker.record.read_at = turn.now;
    if worker.adopted_is_being_ended() {
        turn.withdraw(worker);
    }
    if embodied(worker) != before {
        worker.address_watch = None;
        worker.unlearn_end_of_adopted();
        // Whoever adopts or ends an instance writes the pointer as well.
        worker.pointer = None;
        turn.withdraw(worker);
    }
}

/// The store did not answer: callers are told, and it is tried again.
fn failed(worker: &mut Worker, turn: &mut Turn<'_>, error: &StoreError) {
    tell(worker, turn, error);
    worker.record.failures = worker.record.failures.saturating_add(1);
    let pause = mutation::backoff(worker.record.failures);
    turn.timer(turn.now + pause, Timer::Recover(worker.id.clone()));
    let stage = worker.pass.as_ref().map(|pass| pass.stage.clone());
    if let Some(Stage::RecordRead | Stage::RecordWritten | Stage::Mutation) = stage {
        let not_yet = NotYet {
            code: NotYetCode::StoreUnreachable,
            detail: error.to_string(),
            retry_after: pause,
            decision: worker.last_decision.as_ref().map(|last| last.id),
        };
        callers::turned_away(worker, turn, not_yet);
    }
}

fn tell(worker: &Worker, turn: &mut Turn<'_>, error: &StoreError) {
    turn.notice(worker, Step::StoreCallFailed, error.to_string(), &[]);
}

/// Works on an intent that nobody works on, or reads the record to see whether its lease has become void.
pub(super) fn recover_or_look(worker: &mut Worker, turn: &mut Turn<'_>) {
    let unknown = worker.record.stored.is_none() || worker.record.in_doubt;
    let is_left = worker.in_flight.as_ref().is_some_and(|it| !it.is_ours);
    if unknown || (is_left && turn.shared.store_is_shared) {
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
    } else {
        recover(worker, turn);
    }
}

/// Finishes or gives up what another host, or an earlier life, intended and did not end: a launch is sent
/// again with its token, which finds the instance or makes it; a pointer is written again if its instance still
/// is the worker's; a start that may have been carried out is taken for carried out, because readings of before it
/// would say otherwise for a while; anything else is given up, because the next look shows what came of it.
fn recover(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(left) = worker.in_flight.clone().filter(|it| !it.is_ours) else {
        return;
    };
    let lease = turn.scene(worker, left.decision, |scene| scene.lease());
    if let Lease::Theirs { stale_at, .. } = lease {
        return turn.timer(stale_at, Timer::Recover(worker.id.clone()));
    }
    if worker.record.writing.is_some() || turn.shared.dry_run {
        return;
    }
    let text = format!("the {} of an earlier lease is taken up again", left.kind);
    if worker.attempt.is_some() {
        if worker.paused.is_some() {
            return;
        }
        turn.notice(worker, Step::IntentRecovered, text, &[]);
        return mutation::replay_launch(worker, turn);
    }
    let intent = worker.intent.take();
    worker.in_flight = None;
    // It may have cleared the pointer, or not.
    worker.pointer = None;
    let finishes = left.kind == MutationKind::WritePointer
        && worker.paused.is_none()
        && adoption::write_pointer(worker, turn, left.decision);
    let what_becomes_of_it = if finishes {
        "taken up again"
    } else {
        let started = intent.and_then(|intent| perhaps_started(worker, turn.now, &intent, &lease));
        if let Some(id) = &started {
            mutation::started(worker, turn, id, Step::ProvisionUnanswered);
        }
        write(worker, turn, None);
        match started {
            Some(_) => "taken for carried out until readings of after it say otherwise",
            None => "left to what the cloud shows",
        }
    };
    let text = format!(
        "the {} of an earlier lease is {what_becomes_of_it}",
        left.kind
    );
    turn.notice(worker, Step::IntentRecovered, text, &[]);
    // It may be this host's own, which it did not send because the write that announces it was heard as an error.
    pass::look_again(worker, turn);
}

/// The instance that an intent left behind has started, or may have: of its own ones a host knows. One that would have
/// come up beside an adopted instance is not taken in its place (G2).
fn perhaps_started(
    worker: &Worker,
    now: Instant,
    intent: &Intent,
    lease: &Lease,
) -> Option<InstanceId> {
    let Mutation::Start { id, .. } = &intent.mutation else {
        return None;
    };
    let known = worker.instances.get(id);
    let accepted = known.and_then(|known| known.start_accepted);
    let may_be_started =
        *lease != Lease::Ours || accepted.is_some_and(|accepted| accepted >= intent.since);
    let is_beside = !worker.is_adopted(id) && worker.adopted_is_live(now);
    (may_be_started && !is_beside).then(|| id.clone())
}

/// Shows that this host is alive, as long as it holds the lease for something. A timer that a later one
/// has overtaken is without effect.
pub(super) fn renew(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.record.renew_at.is_none_or(|at| turn.now < at) {
        return;
    }
    worker.record.renew_at = None;
    let lease = turn.scene(worker, DecisionId::default(), |scene| scene.lease());
    if lease == Lease::Ours && worker.intent.is_some() {
        write(worker, turn, None);
    }
}

fn renew_later(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.intent.is_none() || !turn.shared.store_is_shared {
        return;
    }
    let at = turn.now + Millis::new(turn.shared.lease.get() / RENEWALS);
    worker.record.renew_at = Some(at);
    turn.timer(at, Timer::RenewLease(worker.id.clone()));
}
