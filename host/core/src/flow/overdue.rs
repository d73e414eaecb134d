//! Gives up an adopted instance that does not come up or go down, whatever the policies say and
//! whether or not a caller asks (V1, V3).
//!
//! ```text
//! readings show the adopted instance ──▶ read the record ──▶ read the instance by id
//!   pending or without an address, over its bound ──▶ guard, end: another is brought up
//!   stopping, over its bound ──▶ the adoption ends: another is launched
//!   stopped again after a start ──▶ the start counts as failed, and is given up after a few
//! ```
//!
//! A source that does not answer, or disagrees, ends the check. The next reading begins another. A
//! pass that is about to start or launch counts the start that fell back without a check.

use std::collections::{BTreeMap, VecDeque};

use crate::facts::{Adopted, Announcement, Facts, Overdue, OverdueCheck, Transit, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::{CHECK_AGE_MAX, Permit, Proposal};
use crate::happened::Happened;
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::decision::Ruling;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::instance::InstanceState;
use crate::model::journal::Content;
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::point::Reason;
use crate::model::time::{Instant, Millis};
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::{act, record};

/// The pause before an end is sent again that was not answered, or that readings do not show yet.
const END_AGAIN: Millis = Millis::from_secs(60);

/// The state of this flow. The facts say what is overdue, and which starts failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Overdues {
    /// The check under way.
    check: Option<OverdueCheck>,
    /// The state of the present adoption; `None` while no instance is adopted.
    memory: Option<Memory>,
    /// Overdue stops that were announced, each with the begin of its state.
    told: BTreeMap<InstanceId, Instant>,
    heard: VecDeque<Heard>,
    proposed: Option<Wanted>,
}

/// The state of one adoption.
#[derive(Clone, Debug)]
struct Memory {
    adopted: Adopted,
    /// Whether people were told that it does not come up.
    is_told: bool,
    /// When the next check may begin; `None` if at once.
    check_again: Option<Instant>,
    /// The rule of the last veto. The same veto is not announced again.
    refused_by: Option<Rule>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A reading of the worker's instances is in the facts.
    Read,
    /// The record was asked for at this instant, and read or not.
    RecordRead(Instant),
    /// The adopted instance was read by its id.
    ReadById(Instant, Result<Reading, CloudError>),
}

/// An end that is proposed.
#[derive(Clone, Debug)]
struct Wanted {
    decision: DecisionId,
    adopted: Adopted,
    overdue: Overdue,
}

impl Flow for Overdues {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        match happened {
            Happened::Scanned { error: None, .. } => self.heard.push_back(Heard::Read),
            Happened::Queried {
                query: Query::Instance { id, .. },
                asked_at,
                result,
            } if facts.is_adopted(id) => {
                let heard = Heard::ReadById(*asked_at, result.clone());
                self.heard.push_back(heard);
            }
            Happened::RecordRead { asked_at, .. } if self.check.is_some() => {
                self.heard.push_back(Heard::RecordRead(*asked_at));
            }
            Happened::CommandDone(CommandOutcome::Forgotten) => {
                self.check = None;
                self.memory = None;
            }
            _ => {}
        }
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        match self.heard.pop_front()? {
            Heard::Read => self.read(facts, turn),
            Heard::RecordRead(asked_at) => self.record_read(facts, turn, asked_at),
            Heard::ReadById(asked_at, result) => {
                return self.read_by_id(facts, turn, asked_at, result);
            }
        }
        None
    }

    fn waits_for(&self, facts: &WorkerFacts) -> Option<Wait> {
        let (transit, ends_at) = facts.transit_ends_at()?;
        let memory = self.memory.as_ref();
        let check_again = memory.and_then(|memory| memory.check_again);
        let what = match transit {
            Transit::Pending => "the boot of the instance",
            Transit::NoAddress => "the address of the instance",
            Transit::Stopping => "the stop of the instance",
        };
        Some(Wait::until(
            what,
            check_again.map_or(ends_at, |at| at.max(ends_at)),
        ))
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        let (Some(wanted), Some(memory)) = (self.proposed.take(), &mut self.memory) else {
            return;
        };
        match judged {
            Ok(permit) => {
                memory.check_again = Some(turn.now + END_AGAIN);
                rule(facts, turn, &wanted);
                if !memory.is_told {
                    memory.is_told = true;
                    tell_timed_out(facts, turn, &wanted);
                }
                act::announce_later(facts, announcement(turn, &wanted, permit));
            }
            // A veto stands until something changes, so it is journaled and announced once.
            Err(veto) if memory.refused_by != Some(veto.rule) => {
                memory.refused_by = Some(veto.rule);
                rule(facts, turn, &wanted);
                turn.vetoed(facts, wanted.decision, veto);
            }
            Err(_) => {}
        }
    }
}

impl Overdues {
    /// Begins a check of the adopted instance if readings show that it is overdue, or that its
    /// start fell back.
    fn read(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        self.tell_stops(facts, turn);
        self.remember(facts, turn);
        let fell_back = facts.fallen_back().is_some();
        let Some(memory) = &mut self.memory else {
            return self.read_record_of_another(facts, turn);
        };
        let Adopted { id, how, .. } = &memory.adopted;
        let is_due = facts.overdue(id).is_some_and(|it| match it.transit {
            // A pool that launches does not wait for a stop without an end.
            Transit::Stopping => !facts.pool.launch.is_empty(),
            // The guard would refuse an end that the cloud has refused.
            Transit::Pending | Transit::NoAddress => {
                let ending = facts.ending_of(id, it.ending(*how));
                facts.end_held_by(id, ending, turn.now).is_none()
            }
        });
        let check = self.check.as_ref();
        let is_checking = check.is_some_and(|check| turn.now.since(check.begun) <= CHECK_AGE_MAX);
        let is_early = memory.check_again.is_some_and(|at| turn.now < at);
        // In a pause the guard would refuse the end.
        if !(fell_back || is_due) || is_checking || is_early || facts.paused.is_some() {
            return;
        }
        memory.check_again = Some(turn.now + CHECK_AGE_MAX);
        self.check = Some(OverdueCheck {
            adopted: memory.adopted.clone(),
            begun: turn.now,
            cloud_asked: None,
            reading: None,
        });
        turn.read_record(facts);
    }

    /// Follows the adoption, and drops the failed starts of an instance that has come up.
    fn remember(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        let is_same = |memory: &mut Memory| facts.adopted.as_ref() == Some(&memory.adopted);
        self.memory = self.memory.take_if(is_same).or_else(|| {
            let adopted = facts.adopted.clone()?;
            Some(Memory {
                adopted,
                is_told: false,
                check_again: None,
                refused_by: None,
            })
        });
        let known = facts.adopted_instance();
        let Some(known) = known.filter(|known| known.instance.is_reachable()) else {
            return;
        };
        let id = known.instance.id.clone();
        if facts.failed_starts.contains_key(&id) && record::may_write_soon(facts, turn) {
            act::note_came_up(facts, turn, &id);
        }
    }

    /// Reads the record if an instance with the worker's tag is overdue and none is adopted: the
    /// host that launched it may have died, and this host has not heard of the adoption.
    fn read_record_of_another(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let is_overdue = |id: &InstanceId| {
            let overdue = facts.overdue(id);
            overdue.is_some_and(|overdue| overdue.transit != Transit::Stopping) && facts.owns(id)
        };
        if turn.shared.store_is_shared && facts.instances.keys().any(is_overdue) {
            turn.read_record(facts);
        }
    }

    /// Asks the cloud after the record was read, if the check may still succeed.
    fn record_read(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, asked_at: Instant) {
        let is_awaited =
            |check: &mut OverdueCheck| check.cloud_asked.is_none() && asked_at >= check.begun;
        let Some(mut check) = self.check.take_if(is_awaited) else {
            return;
        };
        let was_read = facts.record.read_at >= check.begun;
        if !was_read || !is_same(facts, &check) || !is_quiet(facts, turn) {
            return;
        }
        turn.query(facts, facts.query_of(check.adopted.id.clone()));
        check.cloud_asked = Some(turn.now);
        self.check = Some(check);
    }

    /// Concludes from a reading of the adopted instance by its id. A pass reads it as well: the
    /// start that fell back is counted before `resolve` is asked for another.
    fn read_by_id(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        asked_at: Instant,
        result: Result<Reading, CloudError>,
    ) -> Option<Proposed> {
        self.remember(facts, turn);
        let is_answered =
            |check: &mut OverdueCheck| check.cloud_asked.is_some_and(|at| asked_at >= at);
        let check = self.check.take_if(is_answered);
        let Ok(Reading::Instance(reading)) = result else {
            return None;
        };
        let adopted = facts.adopted.clone()?;
        if facts.fallen_back().is_some() {
            if reading.state == InstanceState::Stopped {
                act::count_fallen_back(facts, turn);
            }
            return None;
        }
        let Some(check) = check else {
            self.read(facts, turn);
            return None;
        };
        let overdue = facts.overdue(&adopted.id)?;
        if check.adopted != adopted || !is_quiet(facts, turn) {
            return None;
        }
        if overdue.transit == Transit::Stopping {
            if reading.state == InstanceState::Stopping && record::may_mark(facts, turn) {
                act::release_stopping(facts, turn);
            }
            return None;
        }
        // The id is taken when the ruling is journaled.
        let decision = turn.shared.decisions.next();
        self.proposed = Some(Wanted {
            decision,
            adopted,
            overdue,
        });
        let reading = Some((reading, asked_at));
        let check = OverdueCheck { reading, ..check };
        Some(Proposed::quietly(decision, Proposal::EndOverdue(check)))
    }

    /// Announces each overdue stop once. No call ends a stop sooner that leaves the disks sound.
    fn tell_stops(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let overdue = facts.instances.keys().filter_map(|id| {
            let overdue = facts.overdue(id).filter(|_| facts.owns(id))?;
            (overdue.transit == Transit::Stopping).then(|| (id.clone(), overdue.since))
        });
        let overdue: BTreeMap<_, _> = overdue.collect();
        for (id, since) in &overdue {
            if self.told.contains_key(id) {
                continue;
            }
            let next = match facts.pool.launch.is_empty() {
                false => {
                    "it is not waited for, and another instance is launched when one is wanted"
                }
                true => {
                    "the pool launches nothing, so the worker waits for it; a person may force the stop"
                }
            };
            let age = turn.now.since(*since);
            turn.notice(
                facts,
                Step::StopTimedOut,
                format!("{id} has been stopping for {age}: {next}"),
                &[("instance_id", id.as_str())],
            );
        }
        self.told = overdue;
    }
}

/// Whether the adoption that the check is about is still in force.
fn is_same(facts: &WorkerFacts, check: &OverdueCheck) -> bool {
    facts.adopted.as_ref() == Some(&check.adopted)
}

/// Whether no mutation or write is under way for the worker, so that a check may succeed.
fn is_quiet(facts: &WorkerFacts, turn: &Turn<'_>) -> bool {
    !facts.is_changing() && record::may_write(facts, turn)
}

/// Journals, under its own decision, a ruling of the host that no policy made.
fn rule(facts: &WorkerFacts, turn: &mut Turn<'_>, wanted: &Wanted) {
    let (adopted, overdue) = (&wanted.adopted, wanted.overdue);
    let taken = turn.shared.decisions.take();
    debug_assert_eq!(taken, wanted.decision, "nothing decides in between");
    let ending = overdue.ending(adopted.how);
    let ending = facts.ending_of(&adopted.id, ending);
    let ruling = Ruling {
        action: ending.into(),
        instance: adopted.id.clone(),
        generation: Some(adopted.generation),
        since: overdue.since,
        adopted: adopted.clone(),
        reason: Reason::new(code(overdue.transit), describe(wanted, turn.now)),
    };
    turn.journal(facts, wanted.decision, Content::Ruled(Box::new(ruling)));
}

/// Announces what took too long.
fn tell_timed_out(facts: &WorkerFacts, turn: &mut Turn<'_>, wanted: &Wanted) {
    let transit = wanted.overdue.transit;
    let step = match transit {
        Transit::NoAddress => Step::AddressTimedOut,
        Transit::Pending | Transit::Stopping => Step::LaunchTimedOut,
    };
    let why = describe(wanted, turn.now);
    let bound = facts.bound_of(transit);
    let text = format!(
        "{why}; it may be for {bound}. It is ended, and another is brought up when one is wanted"
    );
    let id = wanted.adopted.id.as_str();
    turn.notice(facts, step, text, &[("instance_id", id)]);
}

/// The announcement of the end with its reason.
fn announcement(turn: &Turn<'_>, wanted: &Wanted, permit: &Permit) -> Announcement {
    let action = permit.mutation().kind();
    Announcement {
        decision: permit.decision(),
        text: format!("{action} {}", describe(wanted, turn.now)),
        fields: vec![
            ("instance_id", wanted.adopted.id.to_string()),
            ("reason", code(wanted.overdue.transit).to_owned()),
            ("action", action.to_string()),
        ],
    }
}

/// The code of the reason.
fn code(transit: Transit) -> &'static str {
    match transit {
        Transit::Pending => "launch-timed-out",
        Transit::NoAddress => "address-timed-out",
        Transit::Stopping => "stop-timed-out",
    }
}

fn describe(wanted: &Wanted, now: Instant) -> String {
    let age = now.since(wanted.overdue.since);
    let state = wanted.overdue.transit.as_str();
    format!("{}: it has been {state} for {age}", wanted.adopted.id)
}
