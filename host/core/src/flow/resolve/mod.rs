//! Where is the worker? One pass reads the pointer, reads the instance it leads to, scans by tag if that does not serve,
//! asks `resolve`, and says what is to be done. Parts: [`callers`] (who waits and is answered), [`adopt`] (which running
//! instance), [`address`] (the look for an address), [`not_yet`] (which code a caller gets, and why).

mod address;
mod adopt;
mod callers;
mod next;
mod not_yet;

use super::safe_default;
use crate::effect::Effect;
use crate::event::Asker;
use crate::guard::Proposal;
use crate::model::cloud::{CloudError, Query};
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, Digest, InstanceId};
use crate::model::notice::Step;
use crate::model::point::resolve::{Action, Adoption, Target, Verdict};
use crate::model::point::{self, Input};
use crate::model::response::{NotYetCode, Route};
use crate::model::store::StoreError;
use crate::model::time::Millis;
use crate::model::veto::Veto;
use crate::turn::Turn;
use crate::worker::{Pass, Stage, Worker, inputs};
use crate::{act, record};

pub(super) use callers::{ask, deadline, follow, handed_out, served};
pub(super) use next::Next;
use not_yet::{COME_BACK, address_pending};

/// Decisions of `resolve` in one pass: look, adopt, and what follows need four; twice that ends a policy
/// that goes round in circles.
const DECISIONS_MAX: u8 = 8;
/// The longest a `serve` is repeated without asking again.
const VALID_MAX: Millis = Millis::from_secs(600);

/// Begins a pass. The pointer is read live each time: nobody serves from a value read at start (docs/incidents.md#stale-pointer).
pub(super) fn begin(worker: &mut Worker, turn: &mut Turn<'_>) {
    worker.pass = Some(Pass {
        started: turn.now,
        stage: Stage::RecordRead,
        decisions: 0,
        adoption: Adoption::NotAsked,
        looked_at: Vec::new(),
        scan_failed: false,
        trouble: None,
    });
    // Where other hosts write too, what they have written comes first.
    let in_doubt = worker.record.stored.is_none() || worker.record.in_doubt;
    if turn.shared.store_is_shared || in_doubt {
        turn.effects.push(Effect::ReadRecord(worker.id.clone()));
    } else {
        read_pointer(worker, turn);
    }
}

/// Begins the pass under way once more: what it was about to do is no longer so.
pub(super) fn look_again(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(pass) = &worker.pass else {
        return;
    };
    if !matches!(pass.stage, Stage::RecordWritten | Stage::Mutation) {
        return;
    }
    let (started, decisions) = (pass.started, pass.decisions);
    begin(worker, turn);
    if let Some(pass) = worker.pass.as_mut() {
        pass.started = started;
        pass.decisions = decisions;
    }
}

/// Asks `resolve`, after the write of the record that is under way.
pub(super) fn go_on(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.record.writing.is_some() {
        worker.set_stage(Stage::RecordWritten);
    } else {
        ask_resolve(worker, turn);
    }
}

/// Reads the pointer.
fn read_pointer(worker: &mut Worker, turn: &mut Turn<'_>) {
    worker.set_stage(Stage::Pointer);
    turn.effects.push(Effect::Query {
        asker: Asker::Worker(worker.id.clone()),
        query: Query::Pointer {
            region: worker.pool.region.clone(),
            name: worker.spec.pointer.clone(),
        },
    });
}

/// The pointer was read, or could not be.
pub(super) fn pointer_read(worker: &mut Worker, turn: &mut Turn<'_>, error: Option<CloudError>) {
    if !worker.awaits(&Stage::Pointer) {
        return;
    }
    note_trouble(worker, error);
    match worker.subject().cloned() {
        Some(id) => read_instance(worker, turn, id),
        None => scan(worker, turn),
    }
}

/// The instance was read, or could not be.
pub(super) fn instance_read(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    id: &InstanceId,
    error: Option<CloudError>,
) {
    if !worker.awaits(&Stage::Instance(id.clone())) {
        return;
    }
    note_trouble(worker, error);
    let named_here = worker.pointer.clone().flatten();
    if !worker.adopted_is_live(turn.now) && named_here.as_ref() == Some(id) {
        adopt::take_from_pointer(worker, turn, id);
        if worker.record.writing.is_some() {
            return worker.set_stage(Stage::RecordWritten);
        }
    }
    if worker.adopted_is_live(turn.now) {
        act::repair_pointer(worker, turn);
        if address::still_pending(worker, turn) {
            return;
        }
        return ask_resolve(worker, turn);
    }
    if let Some(named) = named_here
        && !worker
            .pass
            .as_ref()
            .is_some_and(|pass| pass.looked_at.contains(&named))
    {
        return read_instance(worker, turn, named);
    }
    let state = worker.instances.get(id).map(|known| known.instance.state);
    let state = state.unwrap_or_default();
    let text = state.as_str();
    let trouble = if state.is_live() {
        format!("{id}, which the pointer names, is {text} and cannot be adopted now")
    } else {
        format!("the worker's instance {id} is {text}")
    };
    turn.notice(
        worker,
        Step::InstanceUnusable,
        format!("{trouble}; looking for running ones by tag"),
        &[("instance_id", id.as_str()), ("state", text)],
    );
    scan(worker, turn);
}

/// The tag scan came back, or failed.
pub(super) fn scanned(worker: &mut Worker, turn: &mut Turn<'_>, error: Option<CloudError>) {
    if let Some(pass) = worker.pass.as_mut() {
        pass.scan_failed = error.is_some();
    }
    note_trouble(worker, error);
    ask_resolve(worker, turn);
}

/// Puts the question to `resolve`.
pub(super) fn ask_resolve(worker: &mut Worker, turn: &mut Turn<'_>) {
    let Some(pass) = worker.pass.as_mut() else {
        return;
    };
    pass.decisions += 1;
    if pass.decisions > DECISIONS_MAX {
        let detail = format!("no result after {DECISIONS_MAX} decisions of `resolve` in one pass");
        let not_yet = not_yet::not_yet(worker, NotYetCode::Waiting, detail, COME_BACK);
        return callers::turned_away(worker, turn, not_yet);
    }
    let input = Input::Resolve(worker.resolve_input(turn.now));
    let decision = turn.decide(worker, input);
    worker.set_stage(Stage::Resolve(decision));
}

/// Follows the verdict of `resolve`; `None`: it gave no usable answer.
fn resolved(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    digest: Option<Digest>,
    verdict: Option<Verdict>,
) -> Next {
    let Some(verdict) = verdict else {
        return resolve_failed(worker, turn, decision);
    };
    worker.memo.clone_from(&verdict.memo);
    let why = verdict.reason.text;
    match verdict.action {
        Action::Serve(_) if worker.is_restarting() => {
            let detail = "the worker restarts; it is not really there yet";
            come_back(worker, turn, decision, NotYetCode::Restarting, detail)
        }
        Action::Serve(_) if worker.adopted_is_being_ended() => {
            let detail = "the worker's instance is being ended";
            come_back(worker, turn, decision, NotYetCode::Stopping, detail)
        }
        Action::Serve(target) => {
            let valid_for = Millis::from(verdict.valid_for_ms).min(VALID_MAX);
            serve(worker, turn, decision, digest, &target, valid_for).unwrap_or_else(|veto| {
                turn.vetoed(worker, decision, &veto);
                refused(worker, turn, decision, &veto)
            })
        }
        // The guard would refuse whatever came of it: no scan and no question to `adopt` is spent on it.
        Action::Adopt | Action::Start(_) | Action::Launch if worker.paused.is_some() => {
            match turn.scene(worker, decision, |scene| scene.not_paused()) {
                Ok(()) => Next::Waits,
                Err(veto) => {
                    turn.vetoed(worker, decision, &veto);
                    refused(worker, turn, decision, &veto)
                }
            }
        }
        Action::Adopt if adoption_was_asked(worker) => {
            let detail = "`resolve` asks for adoption again, after `adopt` has answered";
            come_back(worker, turn, decision, NotYetCode::Waiting, detail)
        }
        Action::Adopt | Action::Start(_) | Action::Launch if needs_scan(worker) => {
            scan(worker, turn);
            Next::Waits
        }
        Action::Adopt => adopt::ask(worker, turn),
        Action::Start(id) => change(worker, decision, Proposal::Start(id)),
        Action::Launch => change(worker, decision, Proposal::Launch),
        Action::Wait(ms) => wait(worker, turn, decision, &why, Millis::from(ms)),
        Action::Unavailable(ms) => {
            let code = not_yet::unavailable_code(worker);
            let not_yet = not_yet::resting_on(Some(decision), code, why, Millis::from(ms));
            callers::turned_away(worker, turn, not_yet);
            Next::Waits
        }
    }
}

fn resolve_failed(worker: &mut Worker, turn: &mut Turn<'_>, decision: DecisionId) -> Next {
    for target in safe_default::resolve(worker) {
        let valid_for = safe_default::SERVE_VALID;
        if let Ok(next) = serve(worker, turn, decision, None, &target, valid_for) {
            return next;
        }
    }
    let detail = "the policy gave no usable answer; the safe default is to wait";
    wait(worker, turn, decision, detail, COME_BACK)
}

/// Hands out the target's address, if the guard agrees.
fn serve(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    digest: Option<Digest>,
    target: &Target,
    valid_for: Millis,
) -> Result<Next, Veto> {
    let ip = turn.scene(worker, decision, |scene| scene.check_serve(target))?;
    let route = Route {
        worker: worker.id.clone(),
        url: inputs::url(ip, worker.pool.port),
        instance: target.id.clone(),
        generation: worker.generation_of(&target.id),
        decision,
        digest,
        valid_until: turn.now + valid_for,
    };
    // It was written while the instance was down, and whoever uses it now must count.
    if !worker.is_recorded_running() && record::may_write(worker, turn) {
        record::write(worker, turn, None);
    }
    Ok(Next::Serves(route))
}

/// Starts or launches, once no write of the record is under way.
fn change(worker: &mut Worker, decision: DecisionId, proposal: Proposal) -> Next {
    if worker.record.writing.is_some() {
        worker.set_stage(Stage::RecordWritten);
        return Next::Waits;
    }
    Next::Changes { decision, proposal }
}

/// What was proposed is permitted, and about to be sent.
pub(super) fn permitted(worker: &mut Worker) {
    worker.set_stage(Stage::Mutation);
}

/// What follows a veto: the facts decide what the caller is told, and an address that is only pending is
/// looked for all the same.
pub(super) fn refused(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    veto: &Veto,
) -> Next {
    if address_pending(worker) {
        address::watch(worker, turn);
        return Next::Waits;
    }
    let not_yet = not_yet::vetoed(worker, turn, decision, veto);
    callers::turned_away(worker, turn, not_yet);
    Next::Waits
}

fn wait(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    why: &str,
    retry_after: Millis,
) -> Next {
    if address_pending(worker) {
        address::watch(worker, turn);
        return Next::Waits;
    }
    let not_yet = not_yet::waits(worker, turn, decision, why, retry_after);
    callers::turned_away(worker, turn, not_yet);
    Next::Waits
}

fn come_back(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    code: NotYetCode,
    detail: &str,
) -> Next {
    let not_yet = not_yet::resting_on(Some(decision), code, detail, COME_BACK);
    callers::turned_away(worker, turn, not_yet);
    Next::Waits
}

/// Whether the pass under way waits for this decision, and the policy says "serve".
pub(super) fn would_serve(worker: &Worker, decision: DecisionId, made: &Decision) -> bool {
    let serves = |verdict: &Verdict| matches!(verdict.action, Action::Serve(_));
    worker.awaits(&Stage::Resolve(decision))
        && matches!(&made.result, Ok(point::Verdict::Resolve(verdict)) if serves(verdict))
}

/// Follows a decision that the pass under way waits for.
pub(super) fn decided(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    made: Decision,
) -> Next {
    let stage = worker.pass.as_ref().map(|pass| pass.stage.clone());
    match stage {
        Some(Stage::Resolve(id)) if id == decision => {
            let verdict = match made.result {
                Ok(point::Verdict::Resolve(verdict)) => Some(verdict),
                _ => None,
            };
            resolved(worker, turn, decision, made.digest, verdict)
        }
        Some(Stage::Adopt(id)) if id == decision => {
            let verdict = match made.result {
                Ok(point::Verdict::Adopt(verdict)) => Some(verdict),
                _ => None,
            };
            adopt::decided(worker, turn, decision, verdict)
        }
        Some(Stage::RetryIp(id)) if id == decision => {
            let verdict = match &made.result {
                Ok(point::Verdict::RetryIp(verdict)) => Some(verdict),
                _ => None,
            };
            address::decided(worker, turn, verdict);
            Next::Waits
        }
        // The answer to a question that no longer stands.
        _ => Next::Waits,
    }
}

/// The guard has answered whether the instance is taken over.
pub(super) fn adoption_judged(worker: &mut Worker, is_taken: bool) -> Next {
    match is_taken {
        true => adopt::taken(worker),
        false => adopt::not_taken(worker),
    }
}

/// The time to look for the address again has come.
pub(super) fn look_for_address(worker: &mut Worker, turn: &mut Turn<'_>) -> Next {
    address::look(worker, turn)
}

/// The record was read, or the store did not answer although what it said before is known.
pub(super) fn record_read(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.awaits(&Stage::RecordRead) {
        read_pointer(worker, turn);
    }
}

/// A write of the record has ended, and nothing more is to be written.
pub(super) fn record_written(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.awaits(&Stage::RecordWritten) {
        ask_resolve(worker, turn);
    }
}

/// A mutation has come to its end.
pub(super) fn mutation_ended(worker: &mut Worker, turn: &mut Turn<'_>) {
    if worker.awaits(&Stage::Mutation) {
        go_on(worker, turn);
    }
}

/// The store did not answer, and the pass cannot go on without it.
pub(super) fn store_failed(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    error: &StoreError,
    pause: Millis,
) {
    let stage = worker.pass.as_ref().map(|pass| &pass.stage);
    if let Some(Stage::RecordRead | Stage::RecordWritten | Stage::Mutation) = stage {
        let not_yet = not_yet::store_unreachable(worker, error, pause);
        callers::turned_away(worker, turn, not_yet);
    }
}

/// Whether the tags must be scanned in this pass before anything is adopted, started or launched. A scan
/// asked for before the pass began does not count: what was launched since is not in it.
fn needs_scan(worker: &Worker) -> bool {
    let Some(pass) = &worker.pass else {
        return true;
    };
    // After a failed scan the guard has the word: it refuses without one.
    !pass.scan_failed
        && worker
            .scanned_at
            .is_none_or(|scanned_at| scanned_at < pass.started)
}

fn adoption_was_asked(worker: &Worker) -> bool {
    let adoption = worker.pass.as_ref().map(|pass| pass.adoption);
    adoption.is_none_or(|adoption| adoption != Adoption::NotAsked)
}

fn read_instance(worker: &mut Worker, turn: &mut Turn<'_>, id: InstanceId) {
    if let Some(pass) = worker.pass.as_mut() {
        pass.looked_at.push(id.clone());
    }
    worker.set_stage(Stage::Instance(id.clone()));
    turn.effects.push(Effect::Query {
        asker: Asker::Worker(worker.id.clone()),
        query: worker.query_of(id),
    });
}

fn scan(worker: &mut Worker, turn: &mut Turn<'_>) {
    worker.set_stage(Stage::Scan);
    turn.scan(&worker.spec.pool);
}

fn note_trouble(worker: &mut Worker, error: Option<CloudError>) {
    if let (Some(pass), Some(error)) = (worker.pass.as_mut(), error) {
        pass.trouble = Some(error.to_string());
    }
}
