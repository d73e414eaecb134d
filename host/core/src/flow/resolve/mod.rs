//! Where is the worker? One pass reads the pointer and the instance that it names, scans by tag if
//! that instance cannot serve, asks `resolve`, and carries out the verdict. Parts: [`callers`]
//! (pending requests), [`adopt`] (which running instance), [`address`] (the search for an address),
//! [`not_yet`] (the code for a caller that is not served).

mod address;
mod adopt;
mod callers;
mod not_yet;
mod pass;

use std::collections::BTreeMap;

use super::{Flow, Progress, Proposed, safe_default};
use crate::event::WorkerTimer;
use crate::facts::{Asking, Declined, Facts, WorkerFacts, inputs};
use crate::guard::{Permit, Proposal};
use crate::happened::{Happened, WriteEnd};
use crate::model::cloud::{CloudError, Query};
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, Digest, InstanceId, RequestId};
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::point::resolve::{Action, Adoption, Target, Verdict};
use crate::model::point::{self, Input};
use crate::model::request::Request;
use crate::model::response::{NotYet, NotYetCode, Route};
use crate::model::store::StoreError;
use crate::model::time::{Instant, Millis};
use crate::model::veto::Veto;
use crate::turn::Turn;
use crate::{act, record};
use address::AddressWatch;
use callers::Caller;
use not_yet::{COME_BACK, address_pending};
use pass::{Pass, PassStep};

/// The limit of `resolve` decisions in one pass. A scan, an adoption and what follows need four;
/// more than twice that is a policy in a loop.
const DECISIONS_MAX: u8 = 8;
/// The longest a `serve` is repeated without asking again.
const VALID_MAX: Millis = Millis::from_secs(600);

/// The pending requests, and the pass that looks for their answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolve {
    pass: Option<Pass>,
    callers: BTreeMap<RequestId, Caller>,
    /// Candidates that `adopt` was shown and did not take.
    declined: Option<Declined>,
    /// The search for an address under way.
    address_watch: Option<AddressWatch>,
    /// The state that the policy returned last time.
    memo: String,
    /// Why the last caller was turned away.
    last_not_yet: Option<NotYet>,
    /// When the next look without a request is due.
    follow_at: Option<Instant>,
    /// When the store was last told that the worker's address was handed out.
    handed_out_told: Option<Instant>,
    heard: Vec<Heard>,
    proposed: Option<Wanted>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A caller asks where the worker is.
    Asked(RequestId, Option<Millis>),
    /// The shell answered callers with the published route.
    HandedOut(InstanceId),
    /// This caller's wait ends.
    Deadline(RequestId),
    /// It is time to look again without a request.
    Follow,
    /// It is time to look for the address again.
    LookForAddress,
    /// The pointer was read, or could not be.
    PointerRead(Option<CloudError>),
    /// This instance was read, or could not be.
    InstanceRead(InstanceId, Option<CloudError>),
    /// The tag scan came back, or failed.
    Scanned(Option<CloudError>),
    /// A policy has answered.
    Decided(DecisionId, Decision),
    /// The record was read, or the reading failed and the record as last known is used.
    RecordRead,
    /// A write of the record has ended.
    RecordWritten,
    /// The store did not answer; it is asked again after the pause.
    StoreFailed(StoreError, Millis),
    /// A mutation has ended.
    MutationEnded,
    /// The step that the pass prepared is obsolete.
    LookAgain,
    /// A pass is wanted, if there is none.
    LookWanted,
    /// The worker's state was cleared: the pass under way begins again.
    Forgotten,
}

/// A proposal of this flow.
#[derive(Clone, Debug)]
enum Wanted {
    /// To start or launch.
    Change(DecisionId),
    /// To adopt this instance.
    Adopt(InstanceId),
}

/// The next action in a pass.
#[derive(Debug)]
enum Next {
    /// None: the pass waits for an answer, or is over.
    Waits,
    /// Ask `resolve` again.
    AsksResolve,
    /// Ask `resolve` again, after the write of the record that is under way.
    AsksResolveAfterWrite,
    /// Hand this address out.
    Serves(Route),
    /// Make this proposal.
    Proposes(DecisionId, Proposal),
}

impl Flow for Resolve {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        let heard = match happened {
            Happened::Asked {
                request,
                what: Request::Resolve { wait },
            } => Heard::Asked(*request, *wait),
            Happened::Gone(request) => {
                self.callers.remove(request);
                return;
            }
            Happened::HandedOut(instance) => Heard::HandedOut(instance.clone()),
            Happened::TimerFired(WorkerTimer::Deadline(request)) => Heard::Deadline(*request),
            Happened::TimerFired(WorkerTimer::Follow) => Heard::Follow,
            Happened::TimerFired(WorkerTimer::LookForAddress) => Heard::LookForAddress,
            Happened::Queried { query, result, .. } => {
                let error = result.as_ref().err().cloned();
                match query {
                    Query::Pointer { .. } => Heard::PointerRead(error),
                    Query::Instance { id, .. } => Heard::InstanceRead(id.clone(), error),
                    Query::Scan { .. } | Query::Demand { .. } | Query::StatusChecks { .. } => {
                        return;
                    }
                }
            }
            Happened::Scanned { error, .. } => Heard::Scanned(error.clone()),
            Happened::Decided { decision, made } if self.awaited() == Some(*decision) => {
                Heard::Decided(*decision, made.clone())
            }
            Happened::RecordRead { result: Ok(_), .. } => Heard::RecordRead,
            Happened::RecordRead {
                result: Err(error),
                pause,
                ..
            } => match self.awaits_record() && facts.record.stored.is_some() {
                true => Heard::RecordRead,
                false => Heard::StoreFailed(error.clone(), *pause),
            },
            Happened::Written(WriteEnd::Written) => Heard::RecordWritten,
            Happened::Written(WriteEnd::Lost | WriteEnd::InUse) | Happened::LeftBehindEnded => {
                Heard::LookAgain
            }
            Happened::Written(WriteEnd::InDoubt { error, pause }) => {
                Heard::StoreFailed(error.clone(), *pause)
            }
            Happened::Concluded(_) | Happened::LaunchSettled => Heard::MutationEnded,
            Happened::LookWanted => Heard::LookWanted,
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.address_watch = None;
                self.declined = None;
                self.memo.clear();
                self.last_not_yet = None;
                Heard::Forgotten
            }
            Happened::CommandDone(CommandOutcome::Resumed) if !self.callers.is_empty() => {
                Heard::LookWanted
            }
            _ => return,
        };
        self.heard.push(heard);
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Progress {
        while !self.heard.is_empty() {
            self.drop_stale_watch(facts);
            let heard = self.heard.remove(0);
            let next = self.take_in(facts, turn, heard);
            if let Some(proposed) = self.follow_up(facts, turn, next) {
                return Progress::Proposes(proposed);
            }
        }
        self.progress()
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        match (self.proposed.take(), judged) {
            (Some(Wanted::Change(_)), Ok(_)) => self.set_step(PassStep::Mutation),
            (Some(Wanted::Change(decision)), Err(veto)) => {
                self.refused(facts, turn, decision, veto);
            }
            (Some(Wanted::Adopt(id)), Ok(_)) => self.taken(facts, turn, &id),
            (Some(Wanted::Adopt(_)), Err(_)) => {
                self.not_taken();
                self.ask_resolve(facts, turn);
            }
            (None, _) => {}
        }
    }
}

impl Resolve {
    /// The pending requests and the pass, for the guard and other flows.
    pub(super) fn asking(&self) -> Asking {
        let mut looks_at = Vec::new();
        if let Some(pass) = &self.pass {
            looks_at.clone_from(&pass.looked_at);
            if let PassStep::Instance(id) = &pass.step {
                looks_at.push(id.clone());
            }
        }
        Asking {
            has_callers: !self.callers.is_empty(),
            is_looking: self.pass.is_some(),
            awaits_scan: self.is_at(&PassStep::Scan),
            awaits_record: self.awaits_record(),
            awaits: self.awaited(),
            looks_at,
            declined: self.declined.clone(),
        }
    }

    /// Why the last caller was turned away.
    pub(super) fn last_not_yet(&self) -> Option<&NotYet> {
        self.last_not_yet.as_ref()
    }

    fn take_in(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, heard: Heard) -> Next {
        match heard {
            Heard::Asked(request, wait) => {
                if self.ask(facts, turn, request, wait) {
                    self.begin(facts, turn);
                }
            }
            Heard::HandedOut(id) => self.handed_out(facts, turn, &id),
            Heard::Deadline(request) => self.deadline(facts, turn, request),
            Heard::Follow => {
                if self.is_time_to_follow(turn) {
                    self.begin(facts, turn);
                }
            }
            Heard::LookForAddress => return self.look_for_address(facts, turn),
            Heard::PointerRead(error) => self.pointer_read(facts, turn, error),
            Heard::InstanceRead(id, error) => self.instance_read(facts, turn, &id, error),
            Heard::Scanned(error) => self.scanned(facts, turn, error),
            Heard::Decided(decision, made) => return self.decided(facts, turn, decision, made),
            Heard::RecordRead if self.awaits_record() => self.read_pointer(facts, turn),
            // The rest of the record is written first.
            Heard::RecordWritten if facts.record.dirty => {}
            Heard::RecordWritten if self.is_at(&PassStep::RecordWritten) => {
                return Next::AsksResolve;
            }
            Heard::MutationEnded if self.is_at(&PassStep::Mutation) => {
                return Next::AsksResolveAfterWrite;
            }
            Heard::RecordRead | Heard::RecordWritten | Heard::MutationEnded => {}
            Heard::StoreFailed(error, pause) => self.store_failed(facts, turn, &error, pause),
            Heard::LookAgain => self.look_again(facts, turn),
            Heard::LookWanted if self.pass.is_none() => self.begin(facts, turn),
            Heard::Forgotten if self.pass.is_some() => self.begin(facts, turn),
            Heard::LookWanted | Heard::Forgotten => {}
        }
        Next::Waits
    }

    /// Carries out the next action; `Some` is a proposal for the guard.
    fn follow_up(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        next: Next,
    ) -> Option<Proposed> {
        match next {
            Next::Waits => {}
            Next::AsksResolve => self.ask_resolve(facts, turn),
            Next::AsksResolveAfterWrite if facts.record.writing.is_some() => {
                self.set_step(PassStep::RecordWritten);
            }
            Next::AsksResolveAfterWrite => self.ask_resolve(facts, turn),
            Next::Serves(route) => self.served(facts, turn, route),
            Next::Proposes(decision, proposal) => {
                self.proposed = Some(match &proposal {
                    Proposal::Adopt(id) => Wanted::Adopt(id.clone()),
                    _ => Wanted::Change(decision),
                });
                return Some(Proposed::new(decision, proposal));
            }
        }
        None
    }

    fn progress(&self) -> Progress {
        let Some(pass) = &self.pass else {
            return match self.follow_at {
                Some(at) => Progress::until("the next look at an instance on its way", at),
                None => Progress::Quiet,
            };
        };
        match &pass.step {
            PassStep::RecordRead => Progress::answered("the reading of the record"),
            PassStep::RecordWritten => Progress::answered("the write of the record"),
            PassStep::Pointer => Progress::answered("the reading of the pointer"),
            PassStep::Instance(_) => Progress::answered("the reading of the instance"),
            PassStep::Scan => Progress::answered("the tag scan"),
            PassStep::Resolve(_) => Progress::answered("the answer of `resolve`"),
            PassStep::Adopt(_) => Progress::answered("the answer of `adopt`"),
            PassStep::RetryIp(_) => Progress::answered("the answer of `retry-ip`"),
            PassStep::AddressPause(at) => Progress::until("the next look for the address", *at),
            PassStep::Mutation => Progress::unbounded(
                "the outcome of the launch or start",
                "a launch is replayed until its token expires; callers have deadlines of their own",
            ),
        }
    }

    /// The decision that the pass waits for.
    fn awaited(&self) -> Option<DecisionId> {
        match self.pass.as_ref()?.step {
            PassStep::Resolve(id) | PassStep::Adopt(id) | PassStep::RetryIp(id) => Some(id),
            _ => None,
        }
    }

    fn awaits_record(&self) -> bool {
        self.is_at(&PassStep::RecordRead)
    }

    fn is_at(&self, step: &PassStep) -> bool {
        self.pass.as_ref().is_some_and(|pass| &pass.step == step)
    }

    fn set_step(&mut self, step: PassStep) {
        if let Some(pass) = &mut self.pass {
            pass.step = step;
        }
    }

    /// Begins a pass. The pointer is read live each time: no caller is served from a value read at start
    /// (docs/incidents.md#stale-pointer).
    fn begin(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.pass = Some(Pass::new(turn.now));
        // In a shared store, the record is read first.
        let in_doubt = facts.record.stored.is_none() || facts.record.in_doubt;
        if turn.shared.store_is_shared || in_doubt {
            turn.read_record(facts);
        } else {
            self.read_pointer(facts, turn);
        }
    }

    /// Begins the pass under way again, because the step that it prepared is obsolete.
    fn look_again(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let Some(pass) = &self.pass else {
            return;
        };
        if !matches!(pass.step, PassStep::RecordWritten | PassStep::Mutation) {
            return;
        }
        let (started, decisions) = (pass.started, pass.decisions);
        self.begin(facts, turn);
        if let Some(pass) = self.pass.as_mut() {
            pass.started = started;
            pass.decisions = decisions;
        }
    }

    fn read_pointer(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.set_step(PassStep::Pointer);
        let pointer = Query::Pointer {
            region: facts.pool.region.clone(),
            name: facts.spec.pointer.clone(),
        };
        turn.query(facts, pointer);
    }

    fn pointer_read(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        error: Option<CloudError>,
    ) {
        if !self.is_at(&PassStep::Pointer) {
            return;
        }
        self.note_trouble(error);
        match facts.subject().cloned() {
            Some(id) => self.read_instance(facts, turn, id),
            None => self.scan(facts, turn),
        }
    }

    fn instance_read(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        error: Option<CloudError>,
    ) {
        if !self.is_at(&PassStep::Instance(id.clone())) {
            return;
        }
        self.note_trouble(error);
        let named_here = facts.pointer.clone().flatten();
        if !facts.adopted_is_live(turn.now) && named_here.as_ref() == Some(id) {
            act::take_from_pointer(facts, turn, id);
            if facts.record.writing.is_some() {
                return self.set_step(PassStep::RecordWritten);
            }
        }
        if facts.adopted_is_live(turn.now) {
            act::repair_pointer(facts, turn);
            self.drop_stale_watch(facts);
            if self.is_still_pending(facts, turn) {
                return;
            }
            return self.ask_resolve(facts, turn);
        }
        let was_looked_at = |named| {
            let pass = self.pass.as_ref();
            pass.is_some_and(|pass| pass.looked_at.contains(named))
        };
        if let Some(named) = named_here
            && !was_looked_at(&named)
        {
            return self.read_instance(facts, turn, named);
        }
        let state = facts.instances.get(id).map(|known| known.instance.state);
        let state = state.unwrap_or_default();
        let text = state.as_str();
        let trouble = if state.is_live() {
            format!("{id}, which the pointer names, is {text} and cannot be adopted now")
        } else {
            format!("the worker's instance {id} is {text}")
        };
        turn.notice(
            facts,
            Step::InstanceUnusable,
            format!("{trouble}; looking for running ones by tag"),
            &[("instance_id", id.as_str()), ("state", text)],
        );
        self.scan(facts, turn);
    }

    fn scanned(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, error: Option<CloudError>) {
        if !self.is_at(&PassStep::Scan) {
            return;
        }
        if let Some(pass) = self.pass.as_mut() {
            pass.scan_failed = error.is_some();
        }
        self.note_trouble(error);
        self.ask_resolve(facts, turn);
    }

    fn ask_resolve(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let Some(pass) = self.pass.as_mut() else {
            return;
        };
        pass.decisions += 1;
        if pass.decisions > DECISIONS_MAX {
            let detail =
                format!("no result after {DECISIONS_MAX} decisions of `resolve` in one pass");
            let not_yet = not_yet::not_yet(facts, NotYetCode::Waiting, detail, COME_BACK);
            return self.turned_away(facts, turn, not_yet);
        }
        let input = facts.resolve_input(turn.now, pass.adoption, self.memo.clone());
        let decision = turn.decide(facts, Input::Resolve(input));
        self.set_step(PassStep::Resolve(decision));
    }

    /// Carries out a decision that the pass waits for.
    fn decided(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        made: Decision,
    ) -> Next {
        if self.awaited() != Some(decision) {
            // The pass has begun again since.
            return Next::Waits;
        }
        match self.pass.as_ref().map(|pass| &pass.step) {
            Some(PassStep::Resolve(_)) => match made.result {
                Ok(point::Verdict::Resolve(verdict)) => {
                    self.resolved(facts, turn, decision, made.digest, verdict)
                }
                _ => self.resolve_failed(facts, turn, decision),
            },
            Some(PassStep::Adopt(_)) => {
                let verdict = match made.result {
                    Ok(point::Verdict::Adopt(verdict)) => Some(verdict),
                    _ => None,
                };
                self.adopt_decided(facts, turn, decision, verdict)
            }
            Some(PassStep::RetryIp(_)) => {
                let verdict = match &made.result {
                    Ok(point::Verdict::RetryIp(verdict)) => Some(verdict),
                    _ => None,
                };
                self.retry_ip_decided(facts, turn, verdict);
                Next::Waits
            }
            _ => Next::Waits,
        }
    }

    /// Carries out the verdict of `resolve`.
    fn resolved(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        digest: Option<Digest>,
        verdict: Verdict,
    ) -> Next {
        self.memo.clone_from(&verdict.memo);
        let why = verdict.reason.text;
        match verdict.action {
            Action::Serve(_) if facts.is_restarting() => {
                let detail = "the worker restarts and is not up yet";
                self.come_back(facts, turn, decision, NotYetCode::Restarting, detail)
            }
            Action::Serve(_) if facts.adopted_is_being_ended() => {
                let detail = "the worker's instance is being ended";
                self.come_back(facts, turn, decision, NotYetCode::Stopping, detail)
            }
            Action::Serve(target) => {
                let valid_for = Millis::from(verdict.valid_for_ms).min(VALID_MAX);
                serve(facts, turn, decision, digest, &target, valid_for).unwrap_or_else(|veto| {
                    turn.vetoed(facts, decision, &veto);
                    self.refused(facts, turn, decision, &veto);
                    Next::Waits
                })
            }
            // The guard would refuse the mutation, so no scan and no call of `adopt` is spent on
            // it.
            Action::Adopt | Action::Start(_) | Action::Launch if facts.paused.is_some() => {
                if let Err(veto) = turn.scene(facts, decision, |scene| scene.not_paused()) {
                    turn.vetoed(facts, decision, &veto);
                    self.refused(facts, turn, decision, &veto);
                }
                Next::Waits
            }
            Action::Adopt if self.adoption_was_asked() => {
                let detail = "`resolve` asks for adoption again, after `adopt` has answered";
                self.come_back(facts, turn, decision, NotYetCode::Waiting, detail)
            }
            Action::Adopt | Action::Start(_) | Action::Launch if self.needs_scan(facts) => {
                self.scan(facts, turn);
                Next::Waits
            }
            Action::Adopt => self.ask_adopt(facts, turn),
            Action::Start(id) => self.change(facts, decision, Proposal::Start(id)),
            Action::Launch => self.change(facts, decision, Proposal::Launch),
            Action::Wait(ms) => self.wait(facts, turn, decision, &why, Millis::from(ms)),
            Action::Unavailable(ms) => {
                let code = not_yet::unavailable_code(facts);
                let not_yet = not_yet::resting_on(Some(decision), code, why, Millis::from(ms));
                self.turned_away(facts, turn, not_yet);
                Next::Waits
            }
        }
    }

    /// Applies the safe default after a failure of `resolve`.
    fn resolve_failed(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
    ) -> Next {
        for target in safe_default::resolve(facts) {
            let valid_for = safe_default::SERVE_VALID;
            if let Ok(next) = serve(facts, turn, decision, None, &target, valid_for) {
                return next;
            }
        }
        let detail = "the policy gave no usable answer; the safe default is to wait";
        self.wait(facts, turn, decision, detail, COME_BACK)
    }

    /// Proposes a start or launch when no write of the record is under way.
    fn change(&mut self, facts: &WorkerFacts, decision: DecisionId, proposal: Proposal) -> Next {
        if facts.record.writing.is_some() {
            self.set_step(PassStep::RecordWritten);
            return Next::Waits;
        }
        Next::Proposes(decision, proposal)
    }

    /// Handles a veto: the facts decide the caller's code, and the search for a pending address
    /// continues.
    fn refused(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        veto: &Veto,
    ) {
        if address_pending(facts) {
            return self.watch_address(facts, turn);
        }
        let not_yet = not_yet::vetoed(facts, turn, decision, veto);
        self.turned_away(facts, turn, not_yet);
    }

    fn wait(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        why: &str,
        retry_after: Millis,
    ) -> Next {
        if address_pending(facts) {
            self.watch_address(facts, turn);
            return Next::Waits;
        }
        let trouble = self.pass.as_ref().and_then(|pass| pass.trouble.clone());
        let not_yet = not_yet::waits(facts, turn, decision, why, trouble, retry_after);
        self.turned_away(facts, turn, not_yet);
        Next::Waits
    }

    fn come_back(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        code: NotYetCode,
        detail: &str,
    ) -> Next {
        let not_yet = not_yet::resting_on(Some(decision), code, detail, COME_BACK);
        self.turned_away(facts, turn, not_yet);
        Next::Waits
    }

    /// Ends a pass that needs the store, which did not answer.
    fn store_failed(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        error: &StoreError,
        pause: Millis,
    ) {
        let step = self.pass.as_ref().map(|pass| &pass.step);
        if let Some(PassStep::RecordRead | PassStep::RecordWritten | PassStep::Mutation) = step {
            let not_yet = not_yet::store_unreachable(facts, error, pause);
            self.turned_away(facts, turn, not_yet);
        }
    }

    /// Whether this pass must scan the tags before an adoption, start or launch. A scan that was
    /// asked for before the pass does not count: it misses instances launched since.
    fn needs_scan(&self, facts: &WorkerFacts) -> bool {
        let Some(pass) = &self.pass else {
            return true;
        };
        // After a failed scan the guard decides: it refuses without a fresh one.
        !pass.scan_failed
            && facts
                .scanned_at
                .is_none_or(|scanned_at| scanned_at < pass.started)
    }

    fn adoption_was_asked(&self) -> bool {
        let adoption = self.pass.as_ref().map(|pass| pass.adoption);
        adoption.is_none_or(|adoption| adoption != Adoption::NotAsked)
    }

    fn read_instance(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, id: InstanceId) {
        if let Some(pass) = self.pass.as_mut() {
            pass.looked_at.push(id.clone());
        }
        self.set_step(PassStep::Instance(id.clone()));
        turn.query(facts, facts.query_of(id));
    }

    fn scan(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.set_step(PassStep::Scan);
        turn.scan(&facts.spec.pool);
    }

    fn note_trouble(&mut self, error: Option<CloudError>) {
        if let (Some(pass), Some(error)) = (self.pass.as_mut(), error) {
            pass.trouble = Some(error.to_string());
        }
    }
}

/// Hands out the target's address, if the guard agrees.
fn serve(
    facts: &mut Facts,
    turn: &mut Turn<'_>,
    decision: DecisionId,
    digest: Option<Digest>,
    target: &Target,
    valid_for: Millis,
) -> Result<Next, Veto> {
    let ip = turn.scene(facts, decision, |scene| scene.check_serve(target))?;
    let route = Route {
        worker: facts.id.clone(),
        url: inputs::url(ip, facts.pool.port),
        instance: target.id.clone(),
        generation: facts.generation_of(&target.id),
        decision,
        digest,
        valid_until: turn.now + valid_for,
    };
    // The record was written while the instance was down; use from now on must count.
    if !facts.is_recorded_running() && record::may_write(facts, turn) {
        record::write(facts, turn, None);
    }
    Ok(Next::Serves(route))
}
