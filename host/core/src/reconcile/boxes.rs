//! Registers and reports: in which order things are read, judged, written and answered.
//!
//! A *register* waits for a reading of its instance that was asked for after it came, then for the write that
//! makes its token known; only then is the box answered. A *report* of a box is judged by what is known here, and
//! by the record read anew before it is refused: another host may have registered the box. What is reported is
//! refreshed in the store, and answered when that has come to an end, whatever the end.

use super::{Turn, reaping, record, restart};
use crate::boxes::{
    Claim, Noted, NotedOutcome, Refusal, RefusalCode, RefusalKind, Registered, Reply, Report,
    Reporter,
};
use crate::cloud::{CloudError, Query};
use crate::effect::Effect;
use crate::event::Asker;
use crate::guard::Shown;
use crate::id::{DecisionId, InstanceId, RequestId};
use crate::notice::Step;
use crate::store::{Credential, LastError, Offered, Replaced, StoreError, Touch, Touched};
use crate::time::{Instant, Millis};
use crate::token::{Secret, SecretHash, Token};
use crate::worker::{Lease, Said, Visitor, WaitsFor, Worker};

/// Registers and reports of one worker that may wait at once. A box registers once and heartbeats twice a
/// minute; more than this is somebody gone wild, who is told to come back.
const VISITORS_MAX: usize = 256;
/// When they come back.
const SOON: Millis = Millis::from_secs(2);
/// How long a token is good after its successor was first shown: longer than any request of the box is on its
/// way.
const OVERLAP: Millis = Millis::from_secs(60);

/// A box registers, or somebody reports.
pub(super) fn came(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    said: Said,
    fresh: Secret,
) {
    if let Said::Unproven { text } = &said {
        let refusal = Refusal::stands(RefusalCode::ProofWrong, text.clone());
        return refuse(worker, turn, request, &said, refusal);
    }
    if worker.visitors.len() >= VISITORS_MAX {
        let text = format!("{VISITORS_MAX} registers and reports of this worker wait already");
        let refusal = Refusal::come_back(RefusalCode::TooManyAtOnce, SOON, text);
        return refuse(worker, turn, request, &said, refusal);
    }
    let is_register = matches!(said, Said::Register { .. });
    let visitor = Visitor {
        said,
        came_at: turn.now,
        waits_for: WaitsFor::Record,
        fresh: Some(fresh),
    };
    worker.visitors.insert(request, visitor);
    if is_register && (turn.shared.store_is_shared || worker.record.stored.is_none()) {
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
        return;
    }
    listen(worker, turn, request, false);
}

/// The record was read: those who waited for it go on.
pub(super) fn record_read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    asked_at: Instant,
    error: Option<&StoreError>,
) {
    let for_it =
        |visitor: &Visitor| visitor.waits_for == WaitsFor::Record && visitor.came_at <= asked_at;
    for request in waiting(worker, for_it) {
        match error {
            None => listen(worker, turn, request, true),
            Some(error) => {
                let text = error.to_string();
                let refusal = Refusal::come_back(RefusalCode::StoreUnreachable, SOON, text);
                turn_away(worker, turn, request, refusal);
            }
        }
    }
}

/// The instance was read: the gate decides.
pub(super) fn instance_read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    asked_at: Instant,
    error: Option<&CloudError>,
) {
    let for_it = |visitor: &Visitor| {
        matches!(&visitor.waits_for, WaitsFor::Instance(it) if it == id)
            && visitor.came_at <= asked_at
    };
    for request in waiting(worker, for_it) {
        match error {
            None => gate(worker, turn, request),
            Some(error) => {
                let text = error.to_string();
                let refusal = Refusal::come_back(RefusalCode::CloudUnreachable, SOON, text);
                turn_away(worker, turn, request, refusal);
            }
        }
    }
}

/// A write of the record has come to an end: tokens that are in the store now are handed out.
pub(super) fn record_written(worker: &mut Worker, turn: &mut Turn<'_>, error: Option<&StoreError>) {
    let for_it = |visitor: &Visitor| matches!(visitor.waits_for, WaitsFor::Write { .. });
    for request in waiting(worker, for_it) {
        let Some(Visitor {
            waits_for: WaitsFor::Write { token, noted },
            ..
        }) = worker.visitors.get(&request)
        else {
            continue;
        };
        let (token, noted) = (token.clone(), *noted);
        let stored = worker.record.stored.as_ref();
        let stored = stored.and_then(|stored| stored.record.credential.as_ref());
        if stored.is_some_and(|credential| is_of(credential, &token)) {
            hand_out(worker, turn, request, token, noted);
        } else if worker
            .credential
            .as_ref()
            .is_some_and(|it| is_of(it, &token))
        {
            // The write that holds it has yet to end.
        } else if let Some(outcome) = noted {
            // The token in force goes on being good.
            note(worker, turn, request, outcome, None);
        } else {
            let text = match error {
                Some(error) => error.to_string(),
                None => "the worker's record says something else by now; register again".to_owned(),
            };
            let refusal = Refusal::come_back(RefusalCode::StoreUnreachable, SOON, text);
            turn_away(worker, turn, request, refusal);
        }
    }
}

/// A refresh has come to an end. It happened, whatever the store says of it.
pub(super) fn touched(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    touch: Touch,
    result: Result<Touched, StoreError>,
) {
    let outcome = match result {
        Ok(Touched::Refreshed) => NotedOutcome::Stored,
        Ok(Touched::NotRunning) => NotedOutcome::NotRunning,
        Err(error) => {
            let instance = worker
                .adopted
                .as_ref()
                .map(|adopted| adopted.id.to_string());
            let text = format!("the worker's activity was not refreshed: {error}");
            let fields = [("instance_id", instance.as_deref().unwrap_or("none"))];
            turn.notice(worker, Step::ActivityRefreshFailed, text, &fields);
            NotedOutcome::NotStored
        }
    };
    if outcome != NotedOutcome::NotRunning {
        let mut activity = worker.record.activity();
        activity.refresh(touch);
        worker.take_activity(activity, turn.now);
        restart::finish_if_there(worker, turn);
        let is_use = matches!(
            touch,
            Touch::Delivered { .. } | Touch::Processed { .. } | Touch::Busy { .. }
        );
        if is_use {
            reaping::revive(worker, turn, "it was used");
        }
    }
    let waits = |visitor: &Visitor| visitor.waits_for == WaitsFor::Touch;
    if worker.visitors.get(&request).is_some_and(waits) {
        rotate_or_note(worker, turn, request, outcome);
    }
}

/// Says once that a worker takes deliveries and finishes none.
pub(super) fn after_sweep(worker: &mut Worker, turn: &mut Turn<'_>) {
    let stuck_for = worker.unresponsive_for(turn.now);
    if let (Some(stuck_for), false) = (stuck_for, worker.unresponsive_told) {
        let in_flight = worker.work_in_flight().to_string();
        let text = format!(
            "{in_flight} deliveries are not processed, and none was for {stuck_for}, whatever the heartbeat says"
        );
        turn.notice(
            worker,
            Step::WorkerUnresponsive,
            text,
            &[("work_in_flight", &in_flight)],
        );
    }
    worker.unresponsive_told = stuck_for.is_some();
}

/// Begins with a visitor: a register has its instance read, a report is judged.
fn listen(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, record_is_fresh: bool) {
    let Some(visitor) = worker.visitors.get_mut(&request) else {
        return;
    };
    match visitor.said.clone() {
        Said::Unproven { .. } => {}
        Said::Register { claim, .. } => {
            let id = claim.instance;
            visitor.waits_for = WaitsFor::Instance(id.clone());
            turn.effects.push(Effect::Query {
                asker: Asker::Worker(worker.id.clone()),
                query: Query::Instance {
                    region: worker.pool.region.clone(),
                    id,
                },
            });
        }
        Said::Report { by, report } => {
            if let Reporter::Box(token) = &by {
                let shown = turn.scene(worker, DecisionId::default(), |scene| {
                    scene.recognise(token)
                });
                match shown {
                    Ok(shown) => shown_now(worker, turn, shown),
                    Err(refusal) => {
                        let may_be_news = refusal.code == RefusalCode::TokenUnknown
                            && (turn.shared.store_is_shared || worker.record.stored.is_none());
                        if may_be_news && !record_is_fresh {
                            turn.effects.push(Effect::ReadRecord(worker.id.clone()));
                            return;
                        }
                        return turn_away(worker, turn, request, refusal);
                    }
                }
            }
            refresh(worker, turn, request, &by, report);
        }
    }
}

/// Has a report refreshed in the store.
fn refresh(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    by: &Reporter,
    report: Report,
) {
    if let Reporter::Application(Some(instance)) = by
        && worker
            .adopted
            .as_ref()
            .is_none_or(|adopted| &adopted.id != instance)
    {
        return note(worker, turn, request, NotedOutcome::NotRunning, None);
    }
    if turn.shared.dry_run {
        return note(worker, turn, request, NotedOutcome::NotStored, None);
    }
    let at = turn.now;
    let touch = match report {
        Report::Heartbeat => Touch::Heartbeat { at },
        Report::Delivered(count) => Touch::Delivered { at, count },
        Report::Processed(count) => Touch::Processed { at, count },
        Report::Busy(lasting) => Touch::Busy {
            until: at + lasting,
        },
    };
    if let Some(visitor) = worker.visitors.get_mut(&request) {
        visitor.waits_for = WaitsFor::Touch;
    }
    turn.effects.push(Effect::Touch {
        worker: worker.id.clone(),
        request,
        touch,
    });
}

/// A successor that is shown comes into force.
fn shown_now(worker: &mut Worker, turn: &mut Turn<'_>, shown: Shown) {
    if shown != Shown::Offered || !may_write(worker, turn) {
        return;
    }
    let Some(credential) = worker.credential.as_mut() else {
        return;
    };
    if let Some(offered) = credential.offered.take() {
        credential.replaced = Some(Replaced {
            token: credential.token,
            until: turn.now + OVERLAP,
        });
        credential.token = offered.token;
        credential.minted_at = offered.at;
        record::write(worker, turn, None);
    }
}

/// Gives a heartbeat's answer a successor for a token that has grown old, once the store knows it.
fn rotate_or_note(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    outcome: NotedOutcome,
) {
    match successor(worker, turn, request) {
        None => note(worker, turn, request, outcome, None),
        Some(token) => {
            if let Some(visitor) = worker.visitors.get_mut(&request) {
                visitor.waits_for = WaitsFor::Write {
                    token,
                    noted: Some(outcome),
                };
            }
            record::write(worker, turn, None);
        }
    }
}

fn successor(worker: &mut Worker, turn: &Turn<'_>, request: RequestId) -> Option<Token> {
    let boxes = worker.pool.boxes?;
    let may_write = may_write(worker, turn);
    let visitor = worker.visitors.get_mut(&request)?;
    let is_heartbeat = matches!(
        visitor.said,
        Said::Report {
            by: Reporter::Box(_),
            report: Report::Heartbeat
        }
    );
    let credential = worker.credential.as_mut()?;
    let is_old = turn.now.since(credential.minted_at) >= boxes.rotation;
    // One on its way gets the time of a heartbeat to arrive before it is given up for another.
    let on_its_way = credential
        .offered
        .is_some_and(|offered| turn.now.since(offered.at) < boxes.heartbeat);
    if !is_heartbeat || !is_old || on_its_way || !may_write {
        return None;
    }
    let token = Token::new(worker.id.clone(), visitor.fresh.take()?);
    credential.offered = Some(Offered {
        token: token.hash(credential.generation, &credential.instance),
        at: turn.now,
    });
    Some(token)
}

/// The gate: a token is minted and written, or the box is told what to do.
fn gate(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId) {
    let Some(Visitor {
        said: Said::Register { claim, nonce },
        ..
    }) = worker.visitors.get(&request)
    else {
        return;
    };
    let (claim, nonce) = (claim.clone(), *nonce);
    let opened = turn.scene(worker, DecisionId::default(), |scene| {
        scene.may_register(&claim, nonce)
    });
    match opened {
        Err(refusal) => turn_away(worker, turn, request, refusal),
        Ok(()) => mint(worker, turn, request, &claim, nonce),
    }
}

fn mint(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    claim: &Claim,
    nonce: SecretHash,
) {
    let Some(generation) = worker.adopted.as_ref().map(|adopted| adopted.generation) else {
        return;
    };
    let id = worker.id.clone();
    let Some(visitor) = worker.visitors.get_mut(&request) else {
        return;
    };
    let Some(fresh) = visitor.fresh.take() else {
        return;
    };
    let token = Token::new(id, fresh);
    let before = worker.credential.replace(Credential {
        instance: claim.instance.clone(),
        generation,
        nonce,
        token: token.hash(generation, &claim.instance),
        minted_at: turn.now,
        offered: None,
        replaced: None,
    });
    visitor.waits_for = WaitsFor::Write { token, noted: None };
    worker.register_error = None;
    let again = before.is_some_and(|before| before.instance == claim.instance);
    let text = match again {
        true => format!(
            "{} registers again; its earlier token is void",
            claim.instance
        ),
        false => format!("{} registers", claim.instance),
    };
    let fields = [
        ("instance_id", claim.instance.as_str()),
        ("proof", claim.proof.kind().as_str()),
    ];
    turn.notice(worker, Step::BoxRegistered, text, &fields);
    record::write(worker, turn, None);
}

fn hand_out(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    token: Token,
    noted: Option<NotedOutcome>,
) {
    if let Some(outcome) = noted {
        return note(worker, turn, request, outcome, Some(token));
    }
    let generation = worker.credential.as_ref().map(|it| it.generation);
    let registered = Registered {
        token,
        generation: generation.unwrap_or(worker.generation),
        heartbeat: worker
            .pool
            .boxes
            .map(|boxes| boxes.heartbeat)
            .unwrap_or_default(),
    };
    answer(worker, turn, request, Reply::Registered(registered));
}

fn note(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    outcome: NotedOutcome,
    token: Option<Token>,
) {
    let is_box = worker.visitors.get(&request).is_some_and(|visitor| {
        matches!(
            visitor.said,
            Said::Report {
                by: Reporter::Box(_),
                ..
            }
        )
    });
    let heartbeat = worker
        .pool
        .boxes
        .filter(|_| is_box)
        .map(|boxes| boxes.heartbeat);
    let noted = Noted {
        outcome,
        token,
        heartbeat,
    };
    answer(worker, turn, request, Reply::Noted(noted));
}

fn turn_away(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, refusal: Refusal) {
    if let Some(visitor) = worker.visitors.get(&request) {
        let said = visitor.said.clone();
        refuse(worker, turn, request, &said, refusal);
    }
}

/// Refuses, and tells people: a refused register stands on the worker (I3), and an alarm is loud.
fn refuse(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    said: &Said,
    refusal: Refusal,
) {
    let step = match refusal.code.kind() {
        RefusalKind::Alarm => Step::BoxAlarm,
        RefusalKind::Superseded => Step::BoxSuperseded,
        RefusalKind::Retry | RefusalKind::Trouble | RefusalKind::NotOffered => Step::BoxRefused,
    };
    let instance = match said {
        Said::Register { claim, .. } => claim.instance.as_str(),
        Said::Report { .. } | Said::Unproven { .. } => "unknown",
    };
    let fields = [("code", refusal.code.as_str()), ("instance_id", instance)];
    turn.notice(worker, step, refusal.detail.clone(), &fields);
    let concerns_the_worker =
        matches!(refusal.code.kind(), RefusalKind::Retry | RefusalKind::Alarm);
    if matches!(said, Said::Register { .. }) && concerns_the_worker {
        remember(worker, turn, &refusal);
    }
    answer(worker, turn, request, Reply::Refused(refusal));
}

fn remember(worker: &mut Worker, turn: &mut Turn<'_>, refusal: &Refusal) {
    let before = worker
        .register_error
        .as_ref()
        .map_or(0, |error| error.count);
    let count = before.saturating_add(1);
    worker.register_error = Some(LastError {
        code: refusal.code.as_str().to_owned(),
        text: refusal.detail.clone(),
        at: turn.now,
        count,
    });
    // Twice as many before it is written again: a box that tries for days costs a handful of writes.
    if count.is_power_of_two() && may_write(worker, turn) {
        record::write(worker, turn, None);
    }
}

fn answer(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId, reply: Reply) {
    worker.visitors.remove(&request);
    turn.effects.push(Effect::Reply {
        worker: worker.id.clone(),
        request,
        reply,
    });
}

/// Whether the record may be written, now or right after the write that is under way.
fn may_write(worker: &Worker, turn: &Turn<'_>) -> bool {
    let lease = turn.scene(worker, DecisionId::default(), |scene| scene.lease());
    !turn.shared.dry_run && matches!(lease, Lease::Free | Lease::Ours)
}

fn waiting(worker: &Worker, for_it: impl Fn(&Visitor) -> bool) -> Vec<RequestId> {
    let visitors = worker.visitors.iter();
    visitors
        .filter(|(_, visitor)| for_it(visitor))
        .map(|(request, _)| *request)
        .collect()
}

/// Whether the token is one of these, in force or offered.
fn is_of(credential: &Credential, token: &Token) -> bool {
    let hash = token.hash(credential.generation, &credential.instance);
    credential.token == hash || credential.offered.is_some_and(|it| it.token == hash)
}
