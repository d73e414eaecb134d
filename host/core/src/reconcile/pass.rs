//! One pass: read the pointer, read the instance it leads to, scan by tag if that does not serve, ask
//! `resolve`, and do what it says as far as the guard allows.

use super::{Turn, address, adoption, callers, mutation, record, restart};
use crate::answer::{NotYet, NotYetCode, Route};
use crate::cloud::{CloudError, Query};
use crate::effect::Effect;
use crate::event::Asker;
use crate::guard::{Proposal, Rule, Veto};
use crate::id::{DecisionId, Digest, InstanceId};
use crate::notice::Step;
use crate::point::resolve::{Action, Adoption, FailureKind, Target, Verdict};
use crate::point::{AddressKind, Input};
use crate::time::Millis;
use crate::worker::{Pass, Stage, Worker, inputs};

/// Decisions of `resolve` in one pass: look, adopt, and what follows need four; twice that ends a policy
/// that goes round in circles.
const DECISIONS_MAX: u8 = 8;
/// The longest a `serve` is repeated without asking again.
const VALID_MAX: Millis = Millis::from_secs(600);
/// How long a safe default is repeated: short, because no policy stands behind it.
const SAFE_DEFAULT_VALID: Millis = Millis::from_secs(5);
/// When callers come back after a veto or a failed policy.
const COME_BACK: Millis = Millis::from_secs(2);

/// Begins a pass. The pointer is read live each time: nobody serves from a value read at start (I1).
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
        set_stage(worker, Stage::RecordWritten);
    } else {
        ask_resolve(worker, turn);
    }
}

/// Reads the pointer.
pub(super) fn read_pointer(worker: &mut Worker, turn: &mut Turn<'_>) {
    set_stage(worker, Stage::Pointer);
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
    if !awaits(worker, &Stage::Pointer) {
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
    if !awaits(worker, &Stage::Instance(id.clone())) {
        return;
    }
    note_trouble(worker, error);
    let named_here = worker.pointer.clone().flatten();
    if !worker.adopted_is_live(turn.now) && named_here.as_ref() == Some(id) {
        adoption::take_from_pointer(worker, turn, id);
        if worker.record.writing.is_some() {
            return set_stage(worker, Stage::RecordWritten);
        }
    }
    if worker.adopted_is_live(turn.now) {
        adoption::repair_pointer(worker, turn);
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
        Step::GpuInstanceStateIssue,
        format!("{trouble}; looking for running ones by tag"),
        &[("instance_id", id.as_str()), ("state", text)],
    );
    scan(worker, turn);
}

/// The tag scan came back, or failed.
pub(super) fn swept(worker: &mut Worker, turn: &mut Turn<'_>, error: Option<CloudError>) {
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
        let not_yet = NotYet {
            code: NotYetCode::Waiting,
            detail: format!("no result after {DECISIONS_MAX} decisions of `resolve` in one pass"),
            retry_after: COME_BACK,
            decision: worker.last_decision.as_ref().map(|last| last.id),
        };
        return callers::turned_away(worker, turn, not_yet);
    }
    let input = Input::Resolve(worker.resolve_input(turn.now));
    let decision = turn.decide(worker, input);
    set_stage(worker, Stage::Resolve(decision));
}

/// Follows the verdict of `resolve`.
pub(super) fn resolved(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    digest: Option<Digest>,
    verdict: Verdict,
) {
    worker.memo.clone_from(&verdict.memo);
    match verdict.action {
        Action::Serve(_) if restart::holds(worker, turn) => {
            let detail = "the worker restarts; it is not really there yet".to_owned();
            come_back(
                worker,
                turn,
                decision,
                NotYetCode::Restarting,
                detail,
                COME_BACK,
            );
        }
        Action::Serve(_) if worker.adopted_is_being_ended() => {
            let detail = "the worker's instance is being ended".to_owned();
            come_back(
                worker,
                turn,
                decision,
                NotYetCode::Stopping,
                detail,
                COME_BACK,
            );
        }
        Action::Serve(target) => {
            let valid_for = Millis::from(verdict.valid_for_ms).min(VALID_MAX);
            if let Err(veto) = serve(worker, turn, decision, digest, &target, valid_for) {
                turn.vetoed(worker, decision, &veto);
                refused(worker, turn, decision, &veto);
            }
        }
        // The guard would refuse whatever came of it: no scan and no question to `adopt` is spent on it.
        Action::Adopt | Action::Start(_) | Action::Launch if worker.paused.is_some() => {
            if let Err(veto) = turn.scene(worker, decision, |scene| scene.not_paused()) {
                turn.vetoed(worker, decision, &veto);
                refused(worker, turn, decision, &veto);
            }
        }
        Action::Adopt if adoption_was_asked(worker) => {
            let detail = "`resolve` asks for adoption again, after `adopt` has answered".to_owned();
            come_back(
                worker,
                turn,
                decision,
                NotYetCode::Waiting,
                detail,
                COME_BACK,
            );
        }
        Action::Adopt if needs_scan(worker) => scan(worker, turn),
        Action::Adopt => adoption::ask(worker, turn),
        Action::Start(_) | Action::Launch if needs_scan(worker) => scan(worker, turn),
        Action::Start(id) => change(worker, turn, decision, &Proposal::Start(id)),
        Action::Launch => change(worker, turn, decision, &Proposal::Launch),
        Action::Wait(ms) => wait(
            worker,
            turn,
            decision,
            &verdict.reason.text,
            Millis::from(ms),
        ),
        Action::Unavailable(ms) => {
            let code = unavailable_code(worker);
            come_back(
                worker,
                turn,
                decision,
                code,
                verdict.reason.text,
                Millis::from(ms),
            );
        }
    }
}

/// The safe default of `resolve`: the last known good address if its instance still runs, else wait.
pub(super) fn resolve_failed(worker: &mut Worker, turn: &mut Turn<'_>, decision: DecisionId) {
    if let Some(adopted) = worker.adopted.clone() {
        for address in [AddressKind::Private, AddressKind::Public] {
            let target = Target {
                id: adopted.id.clone(),
                address,
            };
            if serve(worker, turn, decision, None, &target, SAFE_DEFAULT_VALID).is_ok() {
                return;
            }
        }
    }
    let detail = "the policy gave no usable answer; the safe default is to wait".to_owned();
    wait(worker, turn, decision, &detail, COME_BACK);
}

/// Hands out the target's address, if the guard agrees.
fn serve(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    digest: Option<Digest>,
    target: &Target,
    valid_for: Millis,
) -> Result<(), Veto> {
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
    callers::served(worker, turn, route);
    Ok(())
}

/// Starts or launches, if the guard agrees.
fn change(worker: &mut Worker, turn: &mut Turn<'_>, decision: DecisionId, proposal: &Proposal) {
    if worker.record.writing.is_some() {
        return set_stage(worker, Stage::RecordWritten);
    }
    match turn.permit(worker, decision, proposal) {
        Ok(permit) => {
            set_stage(worker, Stage::Mutation);
            mutation::send(worker, turn, permit);
        }
        Err(veto) => refused(worker, turn, decision, &veto),
    }
}

/// What follows a veto: the facts decide what the caller is told, and an address that is only pending is
/// looked for all the same.
fn refused(worker: &mut Worker, turn: &mut Turn<'_>, decision: DecisionId, veto: &Veto) {
    if callers::address_pending(worker) {
        return address::watch(worker, turn);
    }
    let code = callers::standing(worker, turn).unwrap_or(match veto.rule {
        Rule::Paused => NotYetCode::Paused,
        _ => NotYetCode::Vetoed,
    });
    come_back(worker, turn, decision, code, veto.to_string(), COME_BACK);
}

fn wait(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    why: &str,
    retry_after: Millis,
) {
    if callers::address_pending(worker) {
        return address::watch(worker, turn);
    }
    let trouble = worker.pass.as_ref().and_then(|pass| pass.trouble.clone());
    let (code, detail) = match (callers::standing(worker, turn), trouble) {
        (Some(code), _) => (code, why.to_owned()),
        (None, Some(trouble)) => (NotYetCode::CloudUnreachable, trouble),
        (None, None) => (NotYetCode::Waiting, why.to_owned()),
    };
    come_back(worker, turn, decision, code, detail, retry_after);
}

fn come_back(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    code: NotYetCode,
    detail: String,
    retry_after: Millis,
) {
    let not_yet = NotYet {
        code,
        detail,
        retry_after,
        decision: Some(decision),
    };
    callers::turned_away(worker, turn, not_yet);
}

fn unavailable_code(worker: &Worker) -> NotYetCode {
    match worker.last_failure.as_ref().map(|failure| failure.kind) {
        Some(FailureKind::NoCapacity) => NotYetCode::NoCapacity,
        Some(FailureKind::Throttled) => NotYetCode::Throttled,
        Some(FailureKind::Denied) => NotYetCode::Denied,
        Some(FailureKind::Other) | None => NotYetCode::Unavailable,
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
            .swept_at
            .is_none_or(|swept_at| swept_at < pass.started)
}

fn adoption_was_asked(worker: &Worker) -> bool {
    let adoption = worker.pass.as_ref().map(|pass| pass.adoption);
    adoption.is_none_or(|adoption| adoption != Adoption::NotAsked)
}

fn read_instance(worker: &mut Worker, turn: &mut Turn<'_>, id: InstanceId) {
    if let Some(pass) = worker.pass.as_mut() {
        pass.looked_at.push(id.clone());
    }
    set_stage(worker, Stage::Instance(id.clone()));
    turn.effects.push(Effect::Query {
        asker: Asker::Worker(worker.id.clone()),
        query: worker.query_of(id),
    });
}

fn scan(worker: &mut Worker, turn: &mut Turn<'_>) {
    set_stage(worker, Stage::Sweep);
    turn.sweep(&worker.spec.pool);
}

pub(super) fn set_stage(worker: &mut Worker, stage: Stage) {
    if let Some(pass) = worker.pass.as_mut() {
        pass.stage = stage;
    }
}

pub(super) fn awaits(worker: &Worker, stage: &Stage) -> bool {
    worker
        .pass
        .as_ref()
        .is_some_and(|pass| &pass.stage == stage)
}

fn note_trouble(worker: &mut Worker, error: Option<CloudError>) {
    if let (Some(pass), Some(error)) = (worker.pass.as_mut(), error) {
        pass.trouble = Some(error.to_string());
    }
}
