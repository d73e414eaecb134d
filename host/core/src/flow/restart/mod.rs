//! The restart of a worker. It begins once for any number of requests, and ends when the worker is
//! up again.
//!
//! ```text
//! asked ─▶ debounce (programs) ─▶ guard ─▶ record and stop ─▶ Ending ─▶ Provisioning ─▶ Done
//!             │ drop: counted         │ joins the one in flight    │       passes bring it up   address and heartbeat
//!             └ defer: after this one                              └ the cloud refuses the stop ─▶ Failed
//! ```
//!
//! A restart may be a reboot instead of a stop ([`reboot`]); one that brings nothing up becomes a
//! stop.
//!
//! While a restart is in flight, the route is withdrawn, `reap` is not asked, and callers get
//! `restarting`. Until it is over, the host concludes nothing from the worker's signals
//! (docs/incidents.md#self-fire). If the cloud refuses to end the instance, the restart has failed,
//! and the instance serves on.

mod ending;
mod reboot;
mod request;

use std::collections::{BTreeMap, VecDeque};

use crate::event::WorkerTimer;
use crate::facts::{Facts, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::Permit;
use crate::happened::{Concluded, EndOutcome, Happened, ReadEnd, Taken, WriteEnd};
use crate::model::boxes::ReportOutcome;
use crate::model::cloud::CloudError;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::notice::Step;
use crate::model::operator::{CommandOutcome, Refused};
use crate::model::point::debounce::Choice;
use crate::model::point::{Verdict, resolve};
use crate::model::restart::{Deferred, Restart, RestartRequest, RestartStage};
use crate::model::spec::RestartBy;
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

/// The state of this flow. The latest restart stands in the record.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    /// Requests that were dropped since the latest restart began.
    dropped: u32,
    /// All requests that were dropped since this host started, by their cause.
    drops: BTreeMap<String, u64>,
    /// When the restart is checked next.
    check_at: Option<Instant>,
    /// When the restart's stop or reboot may be sent again.
    end_again: Option<Instant>,
    /// When the last probe was sent that the instance answered during a reboot; `None` if it
    /// answered none. A probe of an earlier reboot is older than the present one.
    answered_at: Option<Instant>,
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
    /// A restart in flight whose stop or reboot had no effect.
    EndAgain,
    /// A restart whose reboot brought nothing up.
    GiveRebootUp,
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
            Happened::Probed {
                instance,
                asked_at,
                result,
            } if self.note_probe(facts, instance, *asked_at, result) => {
                self.heard.push_back(Heard::PerhapsThere);
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
            (_, Some(at)) if facts.deferred.is_some() => Wait::until("the deferred restart", at),
            _ => return None,
        })
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        let (request, id, was_deferred) = match self.proposed.take() {
            Some(Wanted::Begin {
                request,
                id,
                was_deferred,
            }) => (request, id, was_deferred),
            Some(Wanted::GiveRebootUp) if judged.is_err() => {
                return record::write(facts, turn, None);
            }
            Some(Wanted::EndAgain | Wanted::GiveRebootUp) | None => return,
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
        let in_flight = facts.restart.clone().filter(Restart::is_in_flight);
        let Some(restart) = in_flight else {
            return self.run_deferred(facts, turn);
        };
        if let Some(reboot) = restart.reboots() {
            return self.follow_reboot(facts, turn, &restart, reboot);
        }
        let age = turn.now.since(restart.tried_since());
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
        if facts.is_restarting() || facts.deferred.is_some() {
            self.check_later(facts, turn);
        }
    }

    /// Takes in the cloud's answer to the end or the reboot of the restart's instance.
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

    /// Ends the restart if the worker is up again: an instance with an address was adopted since
    /// the restart began, or is back from its reboot. If boxes register, its box must have sent a
    /// heartbeat since that adoption.
    fn finish_if_there(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        let Some(restart) = facts.restart.as_ref().filter(|it| it.is_in_flight()) else {
            return;
        };
        let adopted_since = facts.adopted.as_ref().map(|adopted| adopted.since);
        let heartbeat = facts.record.activity().heartbeat_at;
        let speaks = facts.pool.boxes.is_none() || heartbeat > adopted_since;
        let reboot = restart.reboots();
        let is_there = match reboot {
            Some(reboot) => self.is_back(facts, turn.now, reboot),
            None => is_up_again(facts, restart) && speaks,
        };
        if !is_there {
            return;
        }
        let age = turn.now.since(restart.started_at);
        let cause = &restart.request.cause;
        let doubt = match reboot {
            Some(reboot) if !reboot.is_accepted => {
                "; the reboot was not answered, and may not have been carried out"
            }
            _ => "",
        };
        let is_reboot = reboot.is_some();
        let text =
            format!("the worker is there again {age} after its restart ({cause}) began{doubt}");
        self.end(facts, turn, RestartStage::Done, &text, None);
        if is_reboot {
            // No pass has found the worker: its address was known all along.
            turn.tell(Happened::PassWanted);
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
        act::note_restart(facts, |restart| {
            restart.stage = stage;
            let was_rebooted = restart.reboot.is_some();
            // The instance went down by itself, so there was nothing to reboot.
            if stage == RestartStage::Done && restart.kind == RestartBy::Reboot && !was_rebooted {
                restart.kind = RestartBy::StopStart;
            }
        });
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
    fn run_deferred(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let deferred = facts.deferred.clone()?;
        let request = deferred.request.clone();
        if turn.now < deferred.not_before {
            self.check_at(facts, turn, deferred.not_before);
            return None;
        }
        let may = turn.scene(facts, DecisionId::default(), |scene| {
            scene.may_restart(&request)
        });
        if may.is_err() || comes_up(facts) {
            self.check_later(facts, turn);
            return None;
        }
        let decision = turn.shared.decisions.take();
        act::defer_restart(facts, None);
        match self.begin(facts, turn, decision, &request) {
            Begin::Ends(id) => return Some(self.propose(facts, decision, request, id, true)),
            Begin::At(Ok(_)) => {}
            Begin::At(Err(_)) => self.put_off(facts, turn, request),
        }
        None
    }

    /// Keeps the deferred restart for a later try.
    fn put_off(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, request: RestartRequest) {
        let deferred = Deferred {
            request,
            not_before: turn.now,
            unknown: Default::default(),
        };
        act::defer_restart(facts, Some(deferred));
        self.check_later(facts, turn);
    }

    fn check_later(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.check_at(facts, turn, turn.now + FOLLOW);
    }

    /// Checks the restart at this instant, or when a check is due before.
    fn check_at(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, at: Instant) {
        let is_sooner = |due: Instant| due <= turn.now || at < due;
        if self.check_at.is_none_or(is_sooner) {
            self.check_at = Some(at);
            turn.timer(facts, at, WorkerTimer::FollowRestart);
        }
    }
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
