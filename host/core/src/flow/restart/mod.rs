//! The restart of a worker. It begins once for any number of requests, and ends when the worker is
//! up again.
//!
//! ```text
//! asked ─▶ debounce (programs) ─▶ guard ─▶ record and stop ─▶ Ending ─▶ Provisioning ─▶ Done
//!             │ drop: counted         │ joins the one in flight    │       passes bring it up   address and heartbeat
//!             └ defer: after this one                              └ the cloud refuses the stop ─▶ Failed
//! ```
//!
//! While a restart is in flight, the route is withdrawn, `reap` is not asked, and callers get
//! `restarting`. Until it is over, the host concludes nothing from the worker's signals
//! (docs/incidents.md#self-fire). If the cloud refuses to end the instance, the restart has failed,
//! and the instance serves on.

mod request;

use std::collections::{BTreeMap, VecDeque};

use crate::event::WorkerTimer;
use crate::facts::{Adopted, Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::{Permit, Proposal};
use crate::happened::{Concluded, EndOutcome, Happened, ReadEnd, Taken, WriteEnd};
use crate::model::boxes::ReportOutcome;
use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::notice::Step;
use crate::model::operator::{CommandOutcome, Refused};
use crate::model::point::debounce::Choice;
use crate::model::point::{Verdict, resolve};
use crate::model::restart::{Initiator, Restart, RestartRequest, RestartStage};
use crate::model::time::{Instant, Millis};
use crate::model::veto::Veto;
use crate::turn::Turn;
use crate::{act, record};
use request::{Begin, comes_up, refused};

/// How long a restart may take before it has failed: a stop has taken 20 minutes (public reports),
/// and a boot follows.
const RESTART_MAX: Millis = Millis::from_secs(1_800);
/// How long an instance with an address may take to its first heartbeat. A silent box must not keep
/// callers away for as long as a stop may take.
const SPEAKS_MAX: Millis = Millis::from_secs(600);
/// The interval between checks of a restart in flight.
const FOLLOW: Millis = Millis::from_secs(2);
/// The pause before a stop that was not answered, or was refused for the moment, is sent again: by
/// then the cloud shows whether it was carried out.
const END_AGAIN: Millis = Millis::from_secs(30);
/// How long a restart tries to end its instance. Callers get no address in that time, and four
/// tries outlast a rate limit (EC2 developer guide, "Request throttling") and an ordinary boot.
const END_MAX: Millis = Millis::from_secs(120);

/// The state of this flow. The latest restart stands in the record.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    /// Requests that were dropped since the latest restart began.
    dropped: u32,
    /// All requests that were dropped since this host started, by their cause.
    drops: BTreeMap<String, u64>,
    /// When the restart is checked next.
    check_at: Option<Instant>,
    /// When the restart's stop may be sent again.
    end_again: Option<Instant>,
    heard: VecDeque<Heard>,
    proposed: Option<Wanted>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// The record may have a new restart.
    Found,
    /// A stop or termination was accepted, refused or not answered.
    Ended(EndOutcome),
    /// The worker may be up again.
    PerhapsThere,
    /// The restart is due for a check.
    Follow,
    /// A command asks for a restart.
    Commanded(Commanded),
}

#[derive(Clone, Debug)]
struct Commanded {
    decision: DecisionId,
    request: RestartRequest,
    choice: Option<Choice>,
}

/// The reason for a proposed end of an instance.
#[derive(Clone, Debug)]
enum Wanted {
    /// A restart that begins with the end.
    Begin {
        request: RestartRequest,
        id: InstanceId,
        /// Whether the restart was deferred; otherwise a command asks for it.
        was_deferred: bool,
    },
    /// A restart in flight whose stop had no effect.
    EndAgain,
}

impl Flow for Restarts {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        match happened {
            Happened::Started
            | Happened::Written(WriteEnd::Lost | WriteEnd::InUse | WriteEnd::InDoubt { .. })
            | Happened::RecordRead {
                result: Ok(ReadEnd::News),
                ..
            } => self.heard.push_back(Heard::Found),
            Happened::Concluded(Concluded::Ended(ended)) => {
                self.heard.push_back(Heard::Ended(ended.clone()));
            }
            Happened::Refreshed { outcome, .. } if *outcome != ReportOutcome::NotRunning => {
                self.heard.push_back(Heard::PerhapsThere);
            }
            Happened::Decided { decision, made } if facts.asking.awaits == Some(*decision) => {
                if let Ok(Verdict::Resolve(verdict)) = &made.result
                    && matches!(verdict.action, resolve::Action::Serve(_))
                {
                    self.heard.push_back(Heard::PerhapsThere);
                }
            }
            Happened::TimerFired(WorkerTimer::FollowRestart) => self.heard.push_back(Heard::Follow),
            Happened::RestartCommanded {
                decision,
                request,
                choice,
            } => self.heard.push_back(Heard::Commanded(Commanded {
                decision: *decision,
                request: request.clone(),
                choice: *choice,
            })),
            Happened::CommandDone(CommandOutcome::Forgotten) => self.check_at = None,
            _ => {}
        }
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        match self.heard.pop_front()? {
            Heard::Found => self.on_found(facts, turn),
            Heard::Ended(ended) => self.on_ended(facts, turn, &ended),
            Heard::PerhapsThere => self.finish_if_there(facts, turn),
            Heard::Follow => return self.follow(facts, turn),
            Heard::Commanded(commanded) => return self.take_command(facts, turn, commanded),
        }
        None
    }

    fn waits_for(&self, facts: &WorkerFacts) -> Option<Wait> {
        Some(match (&facts.restart, self.check_at) {
            (Some(restart), Some(at)) if restart.is_in_flight() => {
                Wait::until("the end of the restart", at)
            }
            (Some(_), Some(at)) => Wait::until("the deferred restart", at),
            _ => return None,
        })
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        let Some(Wanted::Begin {
            request,
            id,
            was_deferred,
        }) = self.proposed.take()
        else {
            return;
        };
        match judged {
            Ok(_) => {
                self.on_begun(facts, turn, &request, Some(id));
                if !was_deferred {
                    tell_taken(turn, Ok(CommandOutcome::RestartBegun));
                }
            }
            Err(_) if was_deferred => self.put_off(facts, turn, request),
            Err(veto) => tell_taken(turn, Err(refused(veto))),
        }
    }
}

fn tell_taken(turn: &mut Turn<'_>, result: Result<CommandOutcome, Refused>) {
    turn.tell(Happened::RestartTaken(Taken::Ends(result)));
}

impl Restarts {
    /// Requests that were dropped since this host started, by their cause.
    pub(super) fn drops(&self) -> &BTreeMap<String, u64> {
        &self.drops
    }

    /// Checks a restart in flight, or begins the deferred one after a restart that is over. The
    /// timer has no effect if an earlier one replaced it.
    fn follow(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        if self.check_at.is_none_or(|at| turn.now < at) {
            return None;
        }
        self.check_at = None;
        self.finish_if_there(facts, turn);
        let restart = facts.restart.clone()?;
        let age = turn.now.since(restart.started_at);
        if !restart.is_in_flight() {
            return self.run_deferred(facts, turn, &restart);
        }
        let up_for = facts
            .adopted
            .as_ref()
            .map(|adopted| turn.now.since(adopted.since));
        let is_silent = is_up_again(facts, &restart) && up_for >= Some(SPEAKS_MAX);
        if age >= RESTART_MAX || is_silent {
            let cause = &restart.request.cause;
            let text = format!("the worker is not there {age} after its restart ({cause}) began");
            self.end(facts, turn, RestartStage::Failed, &text, None);
            return None;
        }
        let mut proposed = None;
        if facts.in_flight.is_none() {
            match restart.stage {
                RestartStage::Ending => proposed = self.end_again(facts, turn, &restart, age),
                _ => self.notice_old_life(facts, turn, &restart, age),
            }
        }
        self.check_later(facts, turn);
        // If only the heartbeat is missing, there is nothing to read from the cloud.
        if !is_up_again(facts, &restart) {
            turn.tell(Happened::PassWanted);
        }
        proposed
    }

    /// Begins to check a restart that the record shows.
    fn on_found(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let is_open = |it: &Restart| it.is_in_flight() || it.deferred.is_some();
        if facts.restart.as_ref().is_some_and(is_open) {
            self.check_later(facts, turn);
        }
    }

    /// Takes in the cloud's answer to the end of the restart's instance.
    fn on_ended(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, ended: &EndOutcome) {
        let restart = facts.restart.as_ref();
        if restart.is_none_or(|it| it.instance.as_ref() != Some(&ended.instance)) {
            return;
        }
        match ended.refused_for_good() {
            Some(error) if facts.is_ended_by_restart(&ended.instance) => {
                self.fail_to_end(facts, turn, &ended.instance, Some(error));
            }
            _ => self.check_later(facts, turn),
        }
    }

    /// Ends a restart that cannot end its instance. The instance serves on, as if no restart had
    /// been asked for.
    fn fail_to_end(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        error: Option<&CloudError>,
    ) {
        let why = match error {
            Some(error) => error.to_string(),
            None => format!("it is still up, and the host tried for {END_MAX}"),
        };
        let restart = facts.restart.as_ref();
        let cause = restart.map_or("", |restart| &restart.request.cause);
        let text = format!(
            "the cloud did not end {id} for the restart ({cause}): {why}; {id} stays in service"
        );
        self.end(facts, turn, RestartStage::Failed, &text, error);
        turn.tell(Happened::PassWanted);
    }

    /// Decides by the cloud's readings about a stop whose outcome is not known.
    fn end_again(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        restart: &Restart,
        age: Millis,
    ) -> Option<Proposed> {
        if !record::may_write(facts, turn) {
            return None;
        }
        let Some(id) = still_up(facts, restart) else {
            act::note_restart(facts, |restart| restart.stage = RestartStage::Provisioning);
            record::write(facts, turn, None);
            return None;
        };
        if let Some(error) = refused_by(facts, turn, restart, &id) {
            self.fail_to_end(facts, turn, &id, Some(&error));
            return None;
        }
        if age >= END_MAX && is_read_of_late(facts, turn, &id) {
            self.fail_to_end(facts, turn, &id, None);
            return None;
        }
        let is_time = age >= END_AGAIN && self.end_again.is_none_or(|at| turn.now >= at);
        if !is_time {
            return None;
        }
        self.end_again = Some(turn.now + END_AGAIN);
        self.proposed = Some(Wanted::EndAgain);
        let initiator = restart.request.initiator;
        Some(Proposed::new(
            facts.latest_decision(),
            Proposal::Restart { id, initiator },
        ))
    }

    /// Fails a restart whose instance counted as ended, by a reading that was late or lost, and was
    /// never ended. It serves on: no other instance is brought up while it is up.
    fn notice_old_life(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        restart: &Restart,
        age: Millis,
    ) {
        let is_of_old_life = |it: &Adopted| it.since < restart.started_at;
        let is_adopted_still = facts.adopted.as_ref().is_some_and(is_of_old_life);
        let Some(id) = still_up(facts, restart).filter(|_| is_adopted_still) else {
            return;
        };
        if age >= END_MAX && is_read_of_late(facts, turn, &id) {
            self.fail_to_end(facts, turn, &id, None);
        }
    }

    /// Ends the restart if the worker is up again: an instance with an address was adopted since
    /// the restart began. If boxes register, its box must have sent a heartbeat since that
    /// adoption.
    fn finish_if_there(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        let Some(restart) = facts.restart.as_ref().filter(|it| it.is_in_flight()) else {
            return;
        };
        let adopted_since = facts.adopted.as_ref().map(|adopted| adopted.since);
        let heartbeat = facts.record.activity().heartbeat_at;
        let speaks = facts.pool.boxes.is_none() || heartbeat > adopted_since;
        if is_up_again(facts, restart) && speaks {
            let age = turn.now.since(restart.started_at);
            let cause = &restart.request.cause;
            let text = format!("the worker is there again {age} after its restart ({cause}) began");
            self.end(facts, turn, RestartStage::Done, &text, None);
        }
    }

    /// Ends the restart in this stage, which `text` explains. `error` is the cloud's refusal.
    fn end(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        stage: RestartStage,
        text: &str,
        error: Option<&CloudError>,
    ) {
        act::note_restart(facts, |restart| restart.stage = stage);
        let Some(restart) = &facts.restart else {
            return;
        };
        let step = match stage {
            RestartStage::Done => Step::RestartDone,
            _ => Step::RestartFailed,
        };
        let cause = restart.request.cause.clone();
        let dropped = self.dropped.to_string();
        let mut fields = vec![("cause", cause.as_str()), ("dropped", &dropped)];
        fields.extend(error.map(|error| ("code", error.code.as_str())));
        turn.notice(facts, step, text.to_owned(), &fields);
        if record::may_write_soon(facts, turn) {
            record::write(facts, turn, None);
        }
        self.check_later(facts, turn);
    }

    /// Begins the deferred restart when the window of the last one is over: it is a cycle of its
    /// own. It waits for an instance that boots, because that instance may already have read the
    /// old configuration.
    fn run_deferred(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        restart: &Restart,
    ) -> Option<Proposed> {
        let request = restart.deferred.clone()?;
        let may = turn.scene(facts, DecisionId::default(), |scene| {
            scene.may_restart(&request)
        });
        if may.is_err() || comes_up(facts) {
            self.check_later(facts, turn);
            return None;
        }
        turn.shared.decisions = turn.shared.decisions.next();
        let decision = turn.shared.decisions;
        act::note_restart(facts, |restart| restart.deferred = None);
        match self.begin(facts, turn, decision, &request) {
            Begin::Ends(id) => return Some(self.propose(decision, request, id, true)),
            Begin::At(Ok(_)) => {}
            Begin::At(Err(_)) => self.put_off(facts, turn, request),
        }
        None
    }

    /// Keeps the deferred restart for a later try.
    fn put_off(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, request: RestartRequest) {
        act::note_restart(facts, |restart| restart.deferred = Some(request));
        self.check_later(facts, turn);
    }

    fn check_later(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let at = turn.now + FOLLOW;
        let is_sooner = |due: Instant| due <= turn.now || at < due;
        if self.check_at.is_none_or(is_sooner) {
            self.check_at = Some(at);
            turn.timer(facts, at, WorkerTimer::FollowRestart);
        }
    }
}

/// The refusal for good because of which the restart does not end the instance: its own, if the
/// write that it has failed was lost, or an earlier one, if another host began a program's restart
/// and did not know of it.
fn refused_by(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    restart: &Restart,
    id: &InstanceId,
) -> Option<CloudError> {
    let is_program = restart.request.initiator == Initiator::Program;
    turn.scene(facts, DecisionId::default(), |scene| {
        let refusal = scene.restart_held_by(id)?;
        let counts = is_program || refusal.at >= restart.started_at;
        counts.then(|| refusal.error.clone())
    })
}

/// The instance of the restart, if it is adopted and up by the last reading.
fn still_up(facts: &WorkerFacts, restart: &Restart) -> Option<InstanceId> {
    restart.instance.clone().filter(|id| {
        let known = facts.instances.get(id);
        facts.is_adopted(id) && known.is_some_and(|known| known.instance.state.is_live())
    })
}

/// Whether the instance was read since a stop could have been sent again.
fn is_read_of_late(facts: &WorkerFacts, turn: &Turn<'_>, id: &InstanceId) -> bool {
    let read_at = facts.instances.get(id).and_then(|known| known.read_at);
    read_at.is_some_and(|at| turn.now.since(at) < END_AGAIN)
}

/// Whether the worker has an address and was adopted since the restart began. While another
/// instance is being brought up by any host, the adopted one belongs to the life before.
fn is_up_again(facts: &WorkerFacts, restart: &Restart) -> bool {
    let adopted = facts.adopted.as_ref();
    let is_of_new_life = adopted.is_some_and(|adopted| adopted.since >= restart.started_at);
    let is_reachable = facts
        .adopted_instance()
        .is_some_and(|known| known.instance.is_reachable());
    is_of_new_life && is_reachable && !comes_up(facts)
}
