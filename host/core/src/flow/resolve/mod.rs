//! Where is the worker? One pass reads the pointer and the instance that it names, scans by tag if
//! that instance cannot serve, asks `resolve`, and carries out the verdict. Parts: [`callers`]
//! (pending requests), [`adopt`] (which running instance), [`address`] (the search for an address),
//! [`not_yet`] (the code for a caller that is not served).

mod address;
mod adopt;
mod callers;
mod not_yet;
mod pass;
mod readings;
mod state;
mod template;
mod verdict;

use crate::event::WorkerTimer;
use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::{Permit, Proposal};
use crate::happened::{Happened, WriteEnd};
use crate::model::cloud::Query;
use crate::model::decision::Decision;
use crate::model::id::DecisionId;
use crate::model::operator::CommandOutcome;
use crate::model::point::{self, Input};
use crate::model::request::Request;
use crate::model::response::NotYetCode;
use crate::model::store::StoreError;
use crate::model::time::Millis;
use crate::model::veto::Veto;
use crate::turn::Turn;
use not_yet::COME_BACK;
use pass::PassStep;
use state::{Heard, Next, Wanted};

pub(super) use state::Resolve;

/// The limit of `resolve` decisions in one pass. A scan, an adoption and what follows need four;
/// more than twice that is a policy in a loop.
const DECISIONS_MAX: u8 = 8;

impl Flow for Resolve {
    fn hear(&mut self, facts: &WorkerFacts, turn: &Turn<'_>, happened: &Happened) {
        let heard = match happened {
            Happened::Asked {
                request,
                what: Request::Resolve { wait },
            } => Heard::Asked(*request, *wait),
            Happened::Gone(request) => {
                self.callers.remove(request);
                return;
            }
            Happened::HandedOut { instance, count } => Heard::HandedOut(instance.clone(), *count),
            Happened::TimerFired(WorkerTimer::HandOuts) => Heard::HandOutsDue,
            Happened::TimerFired(WorkerTimer::Deadline(request)) => Heard::Deadline(*request),
            Happened::TimerFired(WorkerTimer::Follow) => Heard::Follow,
            Happened::TimerFired(WorkerTimer::LookForAddress) => Heard::LookForAddress,
            Happened::Queried { query, result, .. } => {
                let error = result.as_ref().err().cloned();
                match query {
                    Query::Pointer { .. } => Heard::PointerRead(error),
                    Query::Instance { id, .. } => Heard::InstanceRead(id.clone(), error),
                    Query::TemplateVersion { .. } => Heard::TemplateRead(error),
                    Query::Scan { .. } | Query::Demand { .. } | Query::StatusChecks { .. } => {
                        return;
                    }
                }
            }
            Happened::Scanned { error, .. } if self.is_at(&PassStep::Scan) => {
                Heard::Scanned(error.clone())
            }
            Happened::Started | Happened::Scanned { error: None, .. }
                if self.follow_at.is_none()
                    && facts.is_wanted_running()
                    && self.is_wanted(facts, turn.now)
                    && !facts.adopted_is_live(turn.now) =>
            {
                Heard::PassWanted
            }
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
                Heard::StepObsolete
            }
            Happened::Written(WriteEnd::InDoubt { error, pause }) => {
                Heard::StoreFailed(error.clone(), *pause)
            }
            Happened::Concluded(_) | Happened::LaunchSettled => Heard::MutationEnded,
            Happened::PassWanted => Heard::PassWanted,
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.address_watch = None;
                self.declined = None;
                self.memo.clear();
                self.last_not_yet = None;
                self.wanted_until = None;
                // Before the write that made it durable, which would have the pass go on.
                self.heard.push_front(Heard::Forgotten);
                return;
            }
            Happened::CommandDone(CommandOutcome::Resumed)
                if !self.callers.is_empty() || self.is_wanted(facts, turn.now) =>
            {
                Heard::PassWanted
            }
            _ => return,
        };
        self.heard.push_back(heard);
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let heard = self.heard.pop_front()?;
        self.drop_stale_watch(facts);
        let next = self.take_in(facts, turn, heard);
        self.follow_up(facts, turn, next)
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        self.pass_waits_for()
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
    fn take_in(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, heard: Heard) -> Next {
        match heard {
            Heard::Asked(request, wait) => {
                if self.ask(facts, turn, request, wait) {
                    self.begin(facts, turn);
                }
            }
            Heard::HandedOut(id, count) => self.handed_out(facts, turn, &id, count),
            Heard::HandOutsDue => self.journal_hand_outs(facts, turn),
            Heard::Deadline(request) => self.deadline(facts, turn, request),
            Heard::Follow => {
                if self.is_time_to_follow(turn) {
                    self.begin(facts, turn);
                }
            }
            Heard::LookForAddress => return self.look_for_address(facts, turn),
            Heard::PointerRead(error) => self.pointer_read(facts, turn, error),
            Heard::InstanceRead(id, error) => return self.instance_read(facts, turn, &id, error),
            Heard::Scanned(error) => self.scanned(facts, turn, error),
            Heard::TemplateRead(error) => return self.template_read(facts, turn, error),
            Heard::Decided(decision, made) => return self.decided(facts, turn, decision, *made),
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
            Heard::StepObsolete => self.begin_again(facts, turn),
            Heard::PassWanted if self.pass.is_none() => self.begin(facts, turn),
            Heard::Forgotten if self.pass.is_some() => self.begin(facts, turn),
            Heard::PassWanted | Heard::Forgotten => {}
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
        self.tell_unread_pointer(facts, turn);
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
