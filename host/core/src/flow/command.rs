//! Commands of people and programs, one at a time for a worker. In a shared store the record is
//! read first. Then the command is written by compare-and-set, and its sender gets the response
//! when the write is durable. The sender of a restart that ends an instance also waits for the
//! cloud's answer, which may be a refusal; other commands do not wait for it. A write that is lost
//! to another host is tried once more on that host's record.

mod adopt;
mod effect;

use std::collections::VecDeque;

use effect::{forget, pause, resume, take_effect};

use crate::facts::{Facts, WorkerFacts};
use crate::flow::safe_default;
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::Permit;
use crate::happened::{Concluded, EndOutcome, Happened, Taken, WriteEnd};
use crate::model::cloud::Query;
use crate::model::id::{DecisionId, InstanceId, RequestId, Sender};
use crate::model::journal::Content;
use crate::model::operator::{Command, CommandOutcome, Refused, RefusedCode};
use crate::model::point::debounce::Choice;
use crate::model::point::{Point, Verdict};
use crate::model::request::Request;
use crate::model::response::Response;
use crate::model::spec::RestartBy;
use crate::model::store::StoreError;
use crate::model::time::Instant;
use crate::model::veto::Veto;
use crate::turn::Turn;

/// The commands that have no response yet, in order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands {
    pending: VecDeque<Pending>,
    /// A durable restart that waits for the cloud's answer to the end of its instance.
    ending: Option<Pending>,
    /// Whether something has happened since the commands were last advanced.
    has_heard: bool,
}

/// A command that has no response yet.
#[derive(Clone, Debug)]
struct Pending {
    request: RequestId,
    /// The decision under which the command is journaled.
    decision: DecisionId,
    command: Command,
    /// Who gave it; `None` if this host does.
    from: Option<Sender>,
    at: At,
    /// Whether the command's write was lost to another host once.
    was_lost: bool,
    /// When the reading was asked for of the instance that the command names; `None` before that
    /// reading.
    looked_up_at: Option<Instant>,
}

/// The progress of a command. Only the first command is past [`At::Queued`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    /// The command is not in the journal yet.
    New,
    /// The command waits for the commands before it.
    Queued,
    /// The record is being read.
    Reading,
    /// The command is carried out when no write of the record is under way.
    Ready,
    /// The instance that the command names is being read, since this instant.
    LookingUp(Instant),
    /// The guard is asked.
    Proposed,
    /// The restart flow has the command.
    WithRestart,
    /// The `debounce` policy is asked.
    Deciding(DecisionId),
    /// The policy has answered. The command is carried out when no write of the record is under
    /// way.
    Decided(Choice),
    /// The command's write is under way; its outcome counts when the write is durable.
    Writing(CommandOutcome),
    /// The command's write is durable.
    Durable(CommandOutcome),
    /// The response is known.
    Ends(Result<CommandOutcome, Refused>),
}

impl Flow for Commands {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        match happened {
            Happened::Asked {
                request,
                what: Request::Command { command, from },
            } => self.push(*request, command.clone(), Some(from.clone())),
            Happened::RestartWanted(request) => {
                let no_request = RequestId::default();
                self.push(no_request, Command::Restart(request.clone()), None);
            }
            Happened::MoveWanted(instance) => {
                let by = Some(format!("a write of {}", facts.spec.pointer));
                let instance = instance.clone();
                self.push(RequestId::default(), Command::Adopt { instance, by }, None);
            }
            _ => {
                if let Some(pending) = self.pending.front_mut() {
                    pending.hear(facts, happened);
                }
                if let Some(pending) = &mut self.ending {
                    pending.hear_end(facts, happened);
                }
            }
        }
        self.has_heard = self.len() > 0;
    }

    fn has_heard(&self) -> bool {
        self.has_heard
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        self.has_heard = false;
        self.journal_new(facts, turn);
        if let Some(ended) = self.ending.take_if(|it| matches!(it.at, At::Ends(_))) {
            ended.end(facts, turn);
        }
        // A command after one whose write has just ended joins the write that follows.
        let mut joins_the_rest = false;
        while let Some(pending) = self.pending.front_mut() {
            let is_held_up = match joins_the_rest {
                true => facts.record.writing.is_some(),
                false => facts.record.is_being_written(),
            };
            match &pending.at {
                At::New | At::Queued => pending.take_up(facts, turn),
                At::Ready | At::Decided(_) if is_held_up => return None,
                At::Ready | At::Decided(_) => {
                    if let Some(proposed) = pending.follow(facts, turn) {
                        return Some(proposed);
                    }
                }
                At::Reading
                | At::LookingUp(_)
                | At::Proposed
                | At::WithRestart
                | At::Deciding(_)
                | At::Writing(_) => return None,
                At::Durable(outcome) => {
                    let outcome = *outcome;
                    joins_the_rest = true;
                    take_effect(facts, turn, outcome, pending.from.as_ref());
                    match pending.ends_instance(facts) {
                        true => self.ending = self.pending.pop_front(),
                        false => {
                            pending.at = At::Ends(Ok(outcome));
                            self.end_first(facts, turn);
                        }
                    }
                    turn.tell(Happened::CommandDone(outcome));
                }
                At::Ends(_) => self.end_first(facts, turn),
            }
        }
        None
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        let Some(pending) = self.pending.front() else {
            let _ending = self.ending.as_ref()?;
            return Some(Wait::answered("the cloud's answer to the restart's end"));
        };
        match pending.at {
            At::Reading => Some(Wait::answered("the reading of the record")),
            At::LookingUp(_) => Some(Wait::answered("the reading of the instance")),
            At::Deciding(_) => Some(Wait::answered("the answer of `debounce`")),
            At::Ready | At::Decided(_) | At::Writing(_) => {
                Some(Wait::answered("the write of the record"))
            }
            At::New
            | At::Queued
            | At::Proposed
            | At::WithRestart
            | At::Durable(_)
            | At::Ends(_) => None,
        }
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        let Some(pending) = self.pending.front_mut() else {
            return;
        };
        if let Command::Adopt { instance, .. } = &pending.command {
            let id = instance.clone();
            pending.on_judged(facts, turn, &id, judged.err());
            self.has_heard = true;
        }
    }
}

impl Commands {
    /// How many commands have no response yet.
    pub(super) fn len(&self) -> usize {
        self.pending.len() + usize::from(self.ending.is_some())
    }

    fn push(&mut self, request: RequestId, mut command: Command, from: Option<Sender>) {
        if let Command::Restart(request) = &mut command {
            request.from.clone_from(&from);
        }
        self.pending.push_back(Pending {
            request,
            decision: DecisionId::default(),
            command,
            from,
            at: At::New,
            was_lost: false,
            looked_up_at: None,
        });
    }

    /// Journals each new command before anything else, like every decision.
    fn journal_new(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        for pending in self.pending.iter_mut().filter(|it| it.at == At::New) {
            pending.decision = turn.shared.decisions.take();
            pending.at = At::Queued;
            let content = Content::Commanded(pending.command.clone());
            turn.journal_from(facts, pending.decision, pending.from.clone(), content);
        }
    }

    /// Responds to the first command, whose response is known, and removes it.
    fn end_first(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        if let Some(pending) = self.pending.pop_front() {
            pending.end(facts, turn);
        }
    }
}

impl Pending {
    /// Journals the response and sends it, if it is known.
    fn end(self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        if let At::Ends(result) = self.at {
            turn.journal(facts, self.decision, Content::Answered(result.clone()));
            turn.respond(facts, self.request, Response::Command(result));
        }
    }

    /// Whether the end of an instance that the command asked for is under way.
    fn ends_instance(&self, facts: &WorkerFacts) -> bool {
        let in_flight = facts.in_flight.as_ref();
        let is_restart = matches!(self.command, Command::Restart(_));
        is_restart && in_flight.is_some_and(|it| it.is_ours && it.decision == self.decision)
    }

    /// Hears the cloud's answer to the end of the restart's instance. Without that answer, the
    /// record has the restart, and a host finishes it.
    fn hear_end(&mut self, facts: &WorkerFacts, happened: &Happened) {
        match happened {
            _ if matches!(self.at, At::Ends(_)) => {}
            Happened::Concluded(Concluded::Ended(ended)) if ended.decision == self.decision => {
                self.at = At::Ends(after_end(ended));
            }
            _ if self.ends_instance(facts) => {}
            _ => self.at = At::Ends(Ok(CommandOutcome::RestartBegun)),
        }
    }

    fn hear(&mut self, facts: &WorkerFacts, happened: &Happened) {
        match (&self.at, happened) {
            (At::Reading, Happened::RecordRead { result, .. }) => {
                self.at = match result {
                    Ok(_) => At::Ready,
                    Err(error) => At::Ends(Err(unreachable(error))),
                };
            }
            (At::Deciding(asked), Happened::Decided { decision, made }) if asked == decision => {
                debug_assert_eq!(made.input.point(), Point::Debounce);
                self.at = At::Decided(match &made.result {
                    Ok(Verdict::Debounce(verdict)) => verdict.choice,
                    _ => safe_default::debounce(facts, self.restart_kind()),
                });
            }
            (
                At::LookingUp(since),
                Happened::Queried {
                    query: Query::Instance { id, .. },
                    asked_at,
                    result,
                },
            ) if asked_at >= since && self.names(id) => {
                self.on_looked_up(id, *asked_at, result.as_ref().err());
            }
            (At::WithRestart, Happened::RestartTaken(taken)) => match taken {
                Taken::Decides(decision) => self.at = At::Deciding(*decision),
                Taken::Ends(result) => self.on_begun(result.clone()),
            },
            (At::Writing(outcome), Happened::Written(end)) => match end {
                WriteEnd::Written => self.at = At::Durable(*outcome),
                WriteEnd::Lost => self.on_lost(),
                WriteEnd::InDoubt { error, .. } => self.at = At::Ends(Err(unreachable(error))),
                WriteEnd::Unknown | WriteEnd::InUse | WriteEnd::NotRenewed(_) => {}
            },
            _ => {}
        }
    }

    /// The kind of restart that is asked for; `None`: the pool's.
    fn restart_kind(&self) -> Option<RestartBy> {
        match &self.command {
            Command::Restart(request) => request.kind,
            _ => None,
        }
    }

    /// Another host wrote the record first. The command is carried out once more on that host's
    /// record.
    fn on_lost(&mut self) {
        if self.was_lost {
            let text = "other hosts wrote the worker's record first, twice in a row; check the worker and ask again";
            let refused = Refused::new(RefusedCode::RecordChanged, text);
            self.at = At::Ends(Err(refused));
        } else {
            self.was_lost = true;
            self.at = At::Ready;
        }
    }

    fn take_up(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.at = if turn.shared.dry_run {
            let text = "`dry_run` is set, so the host writes nothing; remove `dry_run` from its configuration first";
            At::Ends(Err(Refused::new(RefusedCode::DryRun, text)))
        } else if turn.shared.store_is_shared || facts.record.stored.is_none() {
            turn.read_record(facts);
            At::Reading
        } else {
            At::Ready
        };
    }

    /// Whether the command names this instance.
    fn names(&self, id: &InstanceId) -> bool {
        matches!(&self.command, Command::Adopt { instance, .. } if instance == id)
    }

    /// Carries the command out. `Some`: the guard is asked first.
    fn follow(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let choice = match self.at {
            At::Decided(choice) => Some(choice),
            _ => None,
        };
        let result = match &self.command {
            Command::Pause { reason } => pause(facts, turn, reason.clone(), self.from.clone()),
            Command::Resume => resume(facts, turn),
            Command::Forget => forget(facts, turn),
            Command::Adopt { instance, .. } => {
                let id = instance.clone();
                return self.adopt(facts, turn, id);
            }
            Command::Restart(request) => {
                self.at = At::WithRestart;
                turn.tell(Happened::RestartCommanded {
                    decision: self.decision,
                    request: request.clone(),
                    choice,
                });
                return None;
            }
        };
        self.on_begun(result);
        None
    }

    /// Notes that the command has begun: its write is under way, unless it changes nothing.
    fn on_begun(&mut self, result: Result<CommandOutcome, Refused>) {
        self.at = match result {
            Ok(outcome) if outcome.is_change() => At::Writing(outcome),
            result => At::Ends(result),
        };
    }
}

/// The response to a restart after the cloud's answer. A refusal that may pass is tried again, and
/// a notice says how that ends.
fn after_end(ended: &EndOutcome) -> Result<CommandOutcome, Refused> {
    match ended.refused_for_good() {
        None => Ok(CommandOutcome::RestartBegun),
        Some(error) => {
            let id = &ended.instance;
            let text = format!(
                "the cloud refused to take {id} down: {error}; {id} stays in service; remove what refuses it, and \
                 ask again"
            );
            Err(Refused::new(RefusedCode::EndRefused, text))
        }
    }
}

fn unreachable(error: &StoreError) -> Refused {
    let text = format!(
        "{error}; whether the command took effect is not known: ask again, which does no harm"
    );
    Refused::new(RefusedCode::StoreUnreachable, text)
}
