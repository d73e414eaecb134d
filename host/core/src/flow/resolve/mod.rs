//! Where is the worker? One pass reads the pointer and the instance that it names, scans by tag if
//! that instance cannot serve, asks `resolve`, and carries out the verdict. Parts: [`callers`]
//! (pending requests), [`adopt`] (which running instance), [`address`] (the search for an address),
//! [`not_yet`] (the code for a caller that is not served).

mod address;
mod adopt;
mod callers;
mod look;
mod not_yet;
mod pass;
mod verdict;

use std::collections::BTreeMap;

use super::{Flow, Progress, Proposed};
use crate::event::WorkerTimer;
use crate::facts::{Asking, Declined, Facts, WorkerFacts};
use crate::guard::{Permit, Proposal};
use crate::happened::{Happened, WriteEnd};
use crate::model::cloud::{CloudError, Query};
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::operator::CommandOutcome;
use crate::model::point::{self, Input};
use crate::model::request::Request;
use crate::model::response::{NotYet, NotYetCode, Route};
use crate::model::store::StoreError;
use crate::model::time::{Instant, Millis};
use crate::model::veto::Veto;
use crate::turn::Turn;
use address::AddressWatch;
use callers::Caller;
use not_yet::COME_BACK;
use pass::{Pass, PassStep};

/// The limit of `resolve` decisions in one pass. A scan, an adoption and what follows need four;
/// more than twice that is a policy in a loop.
const DECISIONS_MAX: u8 = 8;

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
    /// The next look without a request is due.
    Follow,
    /// The next look for the address is due.
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
}
