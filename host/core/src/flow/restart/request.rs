//! Requests for a restart: each is dropped, deferred, joined to the one in flight, or begun.

use super::{Commanded, Restarts, Wanted, tell_taken};
use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::Proposed;
use crate::guard::Proposal;
use crate::happened::{Happened, Taken};
use crate::model::cloud::MutationKind;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::notice::Step;
use crate::model::operator::{CommandOutcome, Refused, RefusedCode};
use crate::model::point::Input;
use crate::model::point::debounce::Choice;
use crate::model::restart::{Deferred, Initiator, Restart, RestartRequest, RestartStage};
use crate::model::spec::RestartBy;
use crate::model::time::Millis;
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::{act, record};

/// The number of causes that drops are counted by. A program with a new cause for each request must
/// not fill the memory.
const CAUSES_MAX: usize = 64;

/// The longest a policy may put a restart off: until the same hour of next week.
const DEFER_MAX: Millis = Millis::from_secs(7 * 24 * 3_600);

/// How a restart begins.
pub(super) enum Begin {
    /// Without an instance to end, or not at all.
    At(Result<CommandOutcome, Refused>),
    /// With the end of this instance.
    Ends(InstanceId),
}

impl Restarts {
    /// Takes over a command that asks for a restart. `debounce` is asked first if a program asks.
    pub(super) fn take_command(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        commanded: Commanded,
    ) -> Option<Proposed> {
        let Commanded {
            decision,
            mut request,
            choice,
        } = commanded;
        let asked = request.kind.unwrap_or(facts.pool.restart_by);
        // The policy may choose another kind than the one that is asked for.
        if let Some(Choice::Go(kind)) = choice
            && kind != asked
        {
            request.kind = Some(kind);
        }
        let offered = turn.scene(facts, decision, |scene| scene.offers_restart(&request));
        if let Err(veto) = offered {
            turn.vetoed(facts, decision, &veto);
            tell_taken(turn, Err(refused(&veto)));
            return None;
        }
        let is_program = request.initiator == Initiator::Program;
        let Some(choice) = choice.or((!is_program).then_some(Choice::Go(asked))) else {
            let input = facts.debounce_input(turn.now, &request, self.dropped);
            let asked = turn.decide(facts, Input::Debounce(input));
            turn.tell(Happened::RestartTaken(Taken::Decides(asked)));
            return None;
        };
        let result = match choice {
            Choice::Drop => Ok(self.drop_request(facts, turn, &request, "the policy says so")),
            Choice::Defer(ms) => self.defer(facts, turn, request, Millis::from(ms)),
            Choice::Go(_) => match self.begin(facts, turn, decision, &request) {
                Begin::At(result) => result,
                Begin::Ends(id) => {
                    return Some(self.propose(facts, decision, request, id, false));
                }
            },
        };
        tell_taken(turn, result);
        None
    }

    /// Begins a restart. Single flight: one restart, and one mutation, at a time.
    pub(super) fn begin(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        request: &RestartRequest,
    ) -> Begin {
        // Another host may have brought an instance up since then, which the record has just shown.
        if request.of.is_some() && request.of != facts.adoption() {
            let why = "it was asked for an earlier adoption";
            return Begin::At(Ok(self.drop_request(facts, turn, request, why)));
        }
        let may = turn.scene(facts, decision, |scene| scene.may_restart(request));
        if let Err(veto) = may {
            turn.vetoed(facts, decision, &veto);
            return Begin::At(Ok(self.drop_request(facts, turn, request, &veto.text)));
        }
        if facts.is_restarting() {
            return Begin::At(Ok(CommandOutcome::RestartJoined));
        }
        if comes_up(facts) {
            return Begin::At(Ok(match request.initiator {
                Initiator::Person => CommandOutcome::RestartJoined,
                Initiator::Program => {
                    let why = "an instance is being brought up already";
                    self.drop_request(facts, turn, request, why)
                }
            }));
        }
        let paused = turn.scene(facts, decision, |scene| scene.not_paused());
        if let Err(veto) = paused {
            return Begin::At(Err(refused(&veto)));
        }
        if let Err(refused) = record::may_follow_command(facts, turn) {
            return Begin::At(Err(refused));
        }
        let live = facts.adopted.as_ref().map(|adopted| adopted.id.clone());
        match live.filter(|_| facts.adopted_is_live(turn.now)) {
            Some(id) => Begin::Ends(id),
            None => {
                self.on_begun(facts, turn, request, None);
                record::write(facts, turn, None);
                Begin::At(Ok(CommandOutcome::RestartBegun))
            }
        }
    }

    pub(super) fn propose(
        &mut self,
        facts: &WorkerFacts,
        decision: DecisionId,
        request: RestartRequest,
        id: InstanceId,
        was_deferred: bool,
    ) -> Proposed {
        let proposal = Proposal::Restart {
            id: id.clone(),
            initiator: request.initiator,
            kind: request.kind.unwrap_or(facts.pool.restart_by),
        };
        self.proposed = Some(Wanted::Begin {
            request,
            id,
            was_deferred,
        });
        Proposed::new(decision, proposal)
    }

    pub(super) fn on_begun(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: &RestartRequest,
        instance: Option<InstanceId>,
    ) {
        let kind = request.kind.unwrap_or(facts.pool.restart_by);
        let text = match &instance {
            Some(id) if kind == RestartBy::Reboot => format!("{request}; {id} is rebooted"),
            Some(id) => format!("{request}; {id} is ended first"),
            None => format!("{request}; nothing is up, so an instance is only brought up"),
        };
        let mut fields = vec![("cause", request.cause.as_str())];
        fields.extend(request.from.iter().map(|from| ("from", from.as_str())));
        turn.notice(facts, Step::RestartBegun, text, &fields);
        self.dropped = 0;
        let restart = Restart {
            request: request.clone(),
            started_at: turn.now,
            stage: match instance {
                Some(_) => RestartStage::Ending,
                None => RestartStage::Provisioning,
            },
            // With nothing up there is nothing to reboot.
            kind: match kind {
                RestartBy::Reboot if instance.is_none() => RestartBy::StopStart,
                kind => kind,
            },
            reboot: None,
            instance,
            unknown: Default::default(),
        };
        act::begin_restart(facts, turn, restart);
        turn.tell(Happened::RestartBegun);
        self.check_later(facts, turn);
    }

    /// Drops a request. Each drop is counted by its cause, logged and shown
    /// (docs/incidents.md#self-fire).
    fn drop_request(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        request: &RestartRequest,
        why: &str,
    ) -> CommandOutcome {
        self.dropped = self.dropped.saturating_add(1);
        let is_known = self.drops.contains_key(&request.cause);
        let cause = match is_known || self.drops.len() < CAUSES_MAX {
            true => request.cause.clone(),
            false => "other".to_owned(),
        };
        let count = self.drops.entry(cause).or_default();
        *count = count.saturating_add(1);
        let count = count.to_string();
        let text = format!("{request}: dropped, {why}");
        let mut fields = vec![("cause", request.cause.as_str()), ("count", &count)];
        fields.extend(request.from.iter().map(|from| ("from", from.as_str())));
        turn.notice(facts, Step::RestartDropped, text, &fields);
        CommandOutcome::RestartDropped
    }

    fn defer(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RestartRequest,
        pause: Millis,
    ) -> Result<CommandOutcome, Refused> {
        record::may_follow_command(facts, turn)?;
        let deferred = Deferred {
            request,
            not_before: turn.now + pause.min(DEFER_MAX),
            unknown: Default::default(),
        };
        act::defer_restart(facts, Some(deferred));
        record::write(facts, turn, None);
        self.check_later(facts, turn);
        Ok(CommandOutcome::RestartDeferred)
    }
}

/// Whether a launch or start is under way.
pub(super) fn comes_up(facts: &WorkerFacts) -> bool {
    let is_sent = facts
        .in_flight
        .as_ref()
        .is_some_and(|it| matches!(it.kind, MutationKind::Launch | MutationKind::Start));
    facts.attempt.is_some() || is_sent
}

pub(super) fn refused(veto: &Veto) -> Refused {
    let code = match veto.rule {
        Rule::MutationInFlight | Rule::RecordBeingWritten => RefusedCode::MutationInFlight,
        Rule::LeaseHeld => RefusedCode::LeaseHeld,
        Rule::RecordUnknown => RefusedCode::StoreUnreachable,
        Rule::Paused => RefusedCode::Paused,
        Rule::RestartKind => RefusedCode::RestartKind,
        _ => RefusedCode::Vetoed,
    };
    let text = match code {
        RefusedCode::Vetoed => veto.to_string(),
        // The code already says what the rule's name says.
        _ => veto.text.clone(),
    };
    Refused::new(code, text)
}
