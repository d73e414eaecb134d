//! Asks `reap` after each scan, and ends the instances it names as far as the guard allows.

mod announcement;

use std::collections::{BTreeMap, VecDeque};

use crate::event::WorkerTimer;
use crate::facts::{Facts, WorkerFacts};
use crate::flow::safe_default;
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::{Permit, Proposal, Reaping};
use crate::happened::{Concluded, EndOutcome, Happened, WriteEnd};
use crate::model::boxes::ReportOutcome;
use crate::model::compute::Ending;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::InstanceState;
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::point::reap::{Choice, Verdict};
use crate::model::point::{self, Input, Reason};
use crate::model::request::Request;
use crate::model::store::Draining;
use crate::model::time::{Instant, Millis};
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::{act, record};

/// The bounds of `look_again_ms`.
const LOOK_AGAIN_MIN: Millis = Millis::from_secs(1);
const LOOK_AGAIN_MAX: Millis = Millis::from_secs(3600);
/// The pause before the policy is asked again about an instance whose end the cloud refused. A veto
/// each scan would be noise, and a policy may change its mind within the pause after the refusal.
const HELD_LOOK_AGAIN: Millis = Millis::from_secs(600);
/// The longest drain that a policy may ask for.
const DRAIN_MAX: Millis = Millis::from_secs(3_600);
/// How long after its drain an instance that was not ended counts as abandoned by a dead host. The
/// clocks of hosts differ by less.
const LEFT: Millis = Millis::from_secs(300);

/// The state of this flow. The drain itself stands in the record.
#[derive(Clone, Debug, Default)]
pub(super) struct Reap {
    /// Decisions of `reap` under way: the instance that each is about.
    asked: BTreeMap<DecisionId, InstanceId>,
    memory: BTreeMap<InstanceId, Memory>,
    /// When the drain is over; `None` if another host ends the instance.
    drained_at: Option<Instant>,
    heard: VecDeque<Heard>,
    proposed: Option<Wanted>,
    /// The decision of the end under way.
    ending: Option<DecisionId>,
}

/// The state of one instance.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// When the policy may be asked again.
    look_again: Option<Instant>,
    /// The state that the policy returned last time.
    memo: String,
    /// The decision under way.
    decision: Option<DecisionId>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A complete scan is in the facts.
    Scanned,
    /// The policy has answered; `None` if the answer is unusable.
    Decided {
        decision: DecisionId,
        id: InstanceId,
        verdict: Option<Verdict>,
    },
    /// The worker is in use, for this reason.
    Used(&'static str),
    /// The drain is over.
    Drained,
    /// A reading of the record that was asked for at this instant ended.
    RecordRead(Instant),
    /// The cloud has answered an end of this flow.
    Ended(EndOutcome),
}

/// The reason for a proposed end.
#[derive(Clone, Debug)]
enum Wanted {
    /// A verdict about an instance that is not adopted.
    Verdict { id: InstanceId, reason: Reason },
    /// The drained adopted instance.
    Drained(Draining),
}

impl Flow for Reap {
    fn hear(&mut self, facts: &WorkerFacts, turn: &Turn<'_>, happened: &Happened) {
        let heard = match happened {
            Happened::Started if !turn.shared.store_is_shared => {
                Heard::Used("its host has started anew")
            }
            Happened::Asked {
                what: Request::Resolve { .. },
                ..
            } => Heard::Used("a caller asks for it"),
            Happened::HandedOut { .. } | Happened::CallersServed => {
                Heard::Used("its address was handed out")
            }
            Happened::Refreshed {
                refresh, outcome, ..
            } if refresh.is_use() && *outcome != ReportOutcome::NotRunning => {
                Heard::Used("it was used")
            }
            Happened::Written(WriteEnd::InUse) => Heard::Used("it was used before its end"),
            Happened::RecordRead { asked_at, .. } => {
                if facts.asking.has_callers {
                    self.heard.push_back(Heard::Used("a caller asks for it"));
                }
                Heard::RecordRead(*asked_at)
            }
            Happened::TimerFired(WorkerTimer::Drained) => Heard::Drained,
            Happened::Scanned { error: None, .. } => {
                self.memory.retain(|id, _| facts.instances.contains_key(id));
                if facts.asking.awaits_scan || !facts.pool.reap {
                    return;
                }
                Heard::Scanned
            }
            Happened::Decided { decision, made } => {
                let Some(id) = self.asked.remove(decision) else {
                    return;
                };
                let verdict = match &made.result {
                    Ok(point::Verdict::Reap(verdict)) => Some(verdict.clone()),
                    _ => None,
                };
                Heard::Decided {
                    decision: *decision,
                    id,
                    verdict,
                }
            }
            Happened::Concluded(Concluded::Ended(ended)) if self.ending == Some(ended.decision) => {
                Heard::Ended(ended.clone())
            }
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.asked.clear();
                self.memory.clear();
                self.drained_at = None;
                return;
            }
            _ => return,
        };
        self.heard.push_back(heard);
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        match self.heard.pop_front()? {
            Heard::Scanned => self.ask(facts, turn),
            Heard::Decided {
                decision,
                id,
                verdict,
            } => return self.decided(facts, turn, decision, &id, verdict),
            Heard::Used(why) => self.revive(facts, turn, why),
            Heard::Drained => return self.drained(facts, turn),
            Heard::RecordRead(asked_at) => return self.record_read(facts, turn, asked_at),
            Heard::Ended(ended) => self.ended(facts, turn, &ended),
        }
        None
    }

    fn waits_for(&self, facts: &WorkerFacts) -> Option<Wait> {
        Some(match (&facts.draining, self.drained_at) {
            (Some(_), Some(at)) => Wait::until("the end of the drain", at),
            (Some(draining), None) => {
                let left_at = draining.since + facts.drain_of(draining) + LEFT;
                Wait::until("the host that drains the instance", left_at)
            }
            (None, _) if !self.asked.is_empty() => Wait::answered("the answer of `reap`"),
            (None, _) => return None,
        })
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        match (self.proposed.take(), judged) {
            (Some(Wanted::Verdict { id, reason }), Ok(permit)) => {
                self.announce_later(facts, turn, &id, permit, &reason);
            }
            (Some(Wanted::Drained(draining)), Ok(permit)) => {
                act::take_draining(facts);
                let (id, reason) = (&draining.instance, draining.reason.of_policy());
                self.announce_later(facts, turn, id, permit, &reason);
            }
            (Some(Wanted::Drained(draining)), Err(veto)) => {
                self.hold_off(turn, &draining.instance, veto);
                self.revive(facts, turn, &veto.text);
            }
            (Some(Wanted::Verdict { id, .. }), Err(veto)) => self.hold_off(turn, &id, veto),
            (None, _) => {}
        }
    }
}

impl Reap {
    /// The state that the policy returned last time for this instance.
    pub(super) fn memo(&self, id: &InstanceId) -> String {
        let memory = self.memory.get(id);
        memory.map(|memory| memory.memo.clone()).unwrap_or_default()
    }

    /// Asks the policy about each instance that is due.
    fn ask(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        // A verdict could not be carried out while a mutation is under way.
        if facts.is_restarting() || facts.in_flight.is_some() {
            return;
        }
        if facts.paused.is_some() {
            // In a pause the policy is not asked: vetoes scan by scan would count against it. The
            // rows that it counts end here.
            let memory = self.memory.values_mut();
            memory.for_each(|memory| memory.memo.clear());
            return;
        }
        self.clear_abandoned_drain(facts, turn);
        let draining = facts.draining.as_ref().map(|it| it.instance.clone());
        let is_due = |id: &InstanceId| {
            self.memory.get(id).is_none_or(|memory| {
                memory.decision.is_none() && memory.look_again.is_none_or(|at| at <= turn.now)
            })
        };
        let due: Vec<InstanceId> = facts
            .instances
            .values()
            .filter(|known| {
                let (id, state) = (&known.instance.id, known.instance.state);
                (state.is_live() || state == InstanceState::Stopped)
                    && is_due(id)
                    && facts.owns(id)
                    && !(facts.is_wanted_running() && facts.is_adopted(id))
                    && facts.may_be_ended(known)
                    && Some(id) != draining.as_ref()
            })
            .map(|known| known.instance.id.clone())
            .collect();
        for id in due {
            let Some(input) = facts.reap_input(turn.now, &id, self.memo(&id)) else {
                continue;
            };
            let decision = turn.decide(facts, Input::Reap(input));
            self.asked.insert(decision, id.clone());
            self.memory.entry(id).or_default().decision = Some(decision);
        }
    }

    /// Carries out the verdict. `None`, the safe default, keeps the instance.
    fn decided(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        id: &InstanceId,
        verdict: Option<Verdict>,
    ) -> Option<Proposed> {
        if !facts.instances.contains_key(id) {
            return None;
        }
        let memory = self.memory.entry(id.clone()).or_default();
        memory.decision = None;
        let Some(verdict) = verdict else {
            memory.look_again = Some(turn.now + safe_default::reap(facts));
            return None;
        };
        let pause = Millis::from(verdict.look_again_ms).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
        memory.look_again = Some(turn.now + pause);
        memory.memo.clone_from(&verdict.memo);
        let proposal = proposal(id, verdict.choice, &verdict.reason.code)?;
        if !facts.is_adopted(id) {
            self.proposed = Some(Wanted::Verdict {
                id: id.clone(),
                reason: verdict.reason,
            });
            return Some(Proposed::new(decision, proposal));
        }
        // The guard is asked again after the drain; here its answer says whether to begin.
        match turn.permit(facts, decision, &proposal) {
            Ok(_) => self.drain(facts, turn, decision, id, verdict),
            Err(veto) => self.hold_off(turn, id, &veto),
        }
        None
    }

    /// Has the policy asked again later if a rule refused its verdict that no use of the instance
    /// lifts: the cloud's refusal, the pace, a boot.
    fn hold_off(&mut self, turn: &Turn<'_>, id: &InstanceId, veto: &Veto) {
        let until = match veto.rule {
            Rule::EndRefused => Some(turn.now + HELD_LOOK_AGAIN),
            Rule::ReapPace | Rule::ComesUp => veto.opens_at,
            _ => return,
        };
        let memory = self.memory.entry(id.clone()).or_default();
        memory.look_again = memory.look_again.max(until);
    }

    /// Keeps the announcement of this end until the cloud has accepted it.
    fn announce_later(
        &mut self,
        facts: &mut Facts,
        turn: &Turn<'_>,
        id: &InstanceId,
        permit: &Permit,
        reason: &Reason,
    ) {
        self.ending = Some(permit.decision());
        let announcement = announcement::of(facts, turn, id, permit, reason);
        act::announce_later(facts, announcement);
    }

    /// Reads the instance after an end that the cloud did not accept, and has the pointer written
    /// again that the end may have cleared.
    fn ended(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, ended: &EndOutcome) {
        self.ending = None;
        if ended.result.is_err() && facts.is_adopted(&ended.instance) {
            turn.tell(Happened::PassWanted);
        }
    }

    /// Begins the drain of the adopted instance. Use until its end keeps the instance (G5).
    fn drain(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        decision: DecisionId,
        id: &InstanceId,
        verdict: Verdict,
    ) {
        let asked = Millis::from(verdict.drain_ms).min(DRAIN_MAX);
        let lasts = Some(asked).filter(|asked| *asked > facts.pool.limits.drain);
        let drain = lasts.unwrap_or(facts.pool.limits.drain);
        let action = action(facts, id, verdict.choice);
        let text = format!(
            "{action} {id} follows in {drain} unless it comes into use: {}",
            verdict.reason.text
        );
        let fields = [
            ("instance_id", id.as_str()),
            ("reason", verdict.reason.code.as_str()),
        ];
        turn.notice(facts, Step::InstanceDraining, text, &fields);
        self.check_again_at(facts, turn, turn.now + drain);
        let draining = Draining {
            instance: id.clone(),
            since: turn.now,
            decision,
            choice: verdict.choice,
            lasts,
            reason: verdict.reason.into(),
            unknown: Default::default(),
        };
        act::drain(facts, turn, draining);
    }

    /// Ends the drain. In a shared store the record is read first. The timer has no effect if a
    /// later one replaced it.
    fn drained(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        if self.drained_at.is_none_or(|at| turn.now < at) || facts.draining.is_none() {
            return None;
        }
        if turn.shared.store_is_shared {
            turn.read_record(facts);
            return None;
        }
        self.end_if_unused(facts, turn)
    }

    /// Ends the drain after the record was read, if it is over.
    fn record_read(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        asked_at: Instant,
    ) -> Option<Proposed> {
        let is_due = self.drained_at.is_some_and(|at| at <= asked_at);
        if is_due && facts.record.read_at >= asked_at {
            return self.end_if_unused(facts, turn);
        }
        None
    }

    fn end_if_unused(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let Some(draining) = facts.draining.clone() else {
            self.drained_at = None;
            return None;
        };
        if facts.record.writing.is_some() {
            // The end of the write is awaited.
            self.check_again_at(facts, turn, turn.now + LOOK_AGAIN_MIN);
            return None;
        }
        self.drained_at = None;
        let id = &draining.instance;
        let proposal = proposal(id, draining.choice, &draining.reason.code);
        let Some(proposal) = proposal.filter(|_| facts.is_adopted(id)) else {
            self.revive(facts, turn, "another instance is adopted");
            return None;
        };
        let decision = draining.decision;
        self.proposed = Some(Wanted::Drained(draining));
        Some(Proposed::new(decision, proposal))
    }

    /// Clears the drain of a host that may have died, so that the policy is asked again.
    fn clear_abandoned_drain(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        let Some(draining) = &facts.draining else {
            return;
        };
        let age = turn.now.since(draining.since);
        if self.drained_at.is_none() && age >= facts.drain_of(draining) + LEFT {
            self.revive(facts, turn, "the host that drained it did not end it");
        }
    }

    /// Clears the drain: the instance is in use and stays.
    fn revive(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, why: &str) {
        let Some(draining) = act::take_draining(facts) else {
            return;
        };
        self.drained_at = None;
        let text = format!("{} is not ended after all: {why}", draining.instance);
        let fields = [("instance_id", draining.instance.as_str())];
        turn.notice(facts, Step::InstanceRevived, text, &fields);
        if record::may_write_soon(facts, turn) {
            record::write(facts, turn, None);
        }
    }

    fn check_again_at(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, at: Instant) {
        self.drained_at = Some(at);
        turn.timer(facts, at, WorkerTimer::Drained);
    }
}

fn proposal(id: &InstanceId, choice: Choice, reason_code: &str) -> Option<Proposal> {
    let reaping = Reaping {
        id: id.clone(),
        reason_code: reason_code.to_owned(),
    };
    match choice {
        Choice::Keep => None,
        Choice::End => Some(Proposal::End(reaping)),
        Choice::Stop => Some(Proposal::Stop(reaping)),
        Choice::Terminate => Some(Proposal::Terminate(reaping)),
    }
}

/// The action of a verdict, in words for people.
fn action(facts: &WorkerFacts, id: &InstanceId, choice: Choice) -> String {
    match choice {
        Choice::End => facts.ending_of(id, Ending::Stop).to_string(),
        Choice::Keep | Choice::Stop | Choice::Terminate => choice.to_string(),
    }
}
