//! Finishes mutations that an earlier life or another host began, or whose reply was lost. A launch
//! is replayed with its token, or its instance is found by tag. A pointer is written again. Any
//! other mutation is left to the next readings.

use std::collections::VecDeque;

use crate::event::WorkerTimer;
use crate::facts::{Facts, Lease, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::{Permit, Proposal};
use crate::happened::{Concluded, Happened, ReadEnd, WriteEnd};
use crate::model::backoff::{BACKOFF_FIRST, backoff};
use crate::model::cloud::CloudError;
use crate::model::instance::Instance;
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::time::Instant;
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::{act, record};

/// The state of this flow is only what it heard. The facts hold the unfinished mutation
/// (`in_flight`, `attempt`, `intent`).
#[derive(Clone, Debug, Default)]
pub(super) struct Recovery {
    heard: VecDeque<Heard>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// Check for an unfinished mutation. In a shared store the record is read first.
    Check,
    /// The record is fresh: recover.
    Recover,
    /// Replay the unanswered launch.
    Replay,
    /// Replay the unanswered launch, unless another mutation is under way.
    ReplayIfIdle,
    /// A launch was refused because an earlier try of it was carried out.
    CarriedOut(CloudError),
    /// A complete scan that was asked for at this instant is in the facts.
    Scanned(Instant),
}

impl Flow for Recovery {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        match happened {
            Happened::Started
            | Happened::Written(WriteEnd::Lost)
            | Happened::TimerFired(WorkerTimer::Recover) => self.heard.push_back(Heard::Check),
            // The write that made the command durable is heard as well, and comes after.
            Happened::CommandDone(CommandOutcome::Resumed) => {
                self.heard.push_front(Heard::ReplayIfIdle);
                self.heard.push_front(Heard::Check);
            }
            Happened::CommandDone(_) => self.heard.push_front(Heard::Check),
            Happened::Written(WriteEnd::Written) => self.heard.push_back(Heard::Recover),
            Happened::RecordRead {
                result: Ok(ReadEnd::Unchanged | ReadEnd::News),
                ..
            } => self.heard.push_back(Heard::Recover),
            Happened::TimerFired(WorkerTimer::ReplayLaunch) => self.heard.push_back(Heard::Replay),
            Happened::Concluded(Concluded::CarriedOutBefore(error)) => {
                self.heard.push_back(Heard::CarriedOut(error.clone()));
            }
            Happened::Scanned {
                asked_at,
                error: None,
            } if facts.attempt.is_some() => {
                self.heard.push_back(Heard::Scanned(*asked_at));
            }
            _ => {}
        }
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        match self.heard.pop_front()? {
            Heard::Check => return recover_or_read(facts, turn),
            // The rest of the record is written before recovery begins.
            Heard::Recover if facts.record.dirty => {}
            Heard::Recover => return recover(facts, turn),
            Heard::Replay => return replay_launch(facts, turn),
            Heard::ReplayIfIdle if facts.in_flight.is_some() => {}
            Heard::ReplayIfIdle => return replay_launch(facts, turn),
            Heard::CarriedOut(error) => launch_was_carried_out(facts, turn, &error),
            Heard::Scanned(asked_at) => scanned(facts, turn, asked_at),
        }
        None
    }

    fn waits_for(&self, facts: &WorkerFacts) -> Option<Wait> {
        Some(match (&facts.in_flight, &facts.attempt) {
            (Some(in_flight), _) if in_flight.is_ours => {
                Wait::answered("the outcome of the mutation under way")
            }
            (Some(_), _) => Wait::unbounded(
                "the mutation that another host, or an earlier life, did not finish",
                "a lease is void when its record was unchanged for its length, and a pause holds recovery up",
            ),
            (None, Some(_)) => Wait::unbounded(
                "a definite answer to the launch",
                "a launch is replayed until its token expires; a pause and a lease hold it up",
            ),
            (None, None) => return None,
        })
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        if let Err(veto) = judged
            && veto.rule == Rule::TokenExpired
        {
            act::give_up(facts, turn, veto.text.clone());
            turn.tell(Happened::LaunchSettled);
        }
    }
}

/// Recovers an intent that no host works on, or reads the record to see whether its lease is void.
fn recover_or_read(facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
    let unknown = facts.record.stored.is_none() || facts.record.in_doubt;
    let is_left = facts.in_flight.as_ref().is_some_and(|it| !it.is_ours);
    if unknown || (is_left && turn.shared.store_is_shared) {
        turn.read_record(facts);
        return None;
    }
    recover(facts, turn)
}

/// Finishes or drops an unfinished intent of another host or an earlier life. A launch is replayed
/// with its token, which finds the instance or creates it. For other mutations see
/// [`act::end_left_behind`].
fn recover(facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
    let left = facts.in_flight.clone().filter(|it| !it.is_ours)?;
    let lease = turn.scene(facts, left.decision, |scene| scene.lease());
    if let Lease::Theirs { stale_at, .. } = lease {
        turn.timer(facts, stale_at, WorkerTimer::Recover);
        return None;
    }
    if facts.record.writing.is_some() {
        return None;
    }
    if facts.attempt.is_some() {
        if facts.paused.is_some() {
            return None;
        }
        let text = format!("recovered an unfinished {}: sending it again", left.kind);
        turn.notice(facts, Step::IntentRecovered, text, &[]);
        return replay_launch(facts, turn);
    }
    let end = act::end_left_behind(facts, turn, &left, &lease);
    let text = format!("recovered an unfinished {}: {end}", left.kind);
    turn.notice(facts, Step::IntentRecovered, text, &[]);
    // The intent may be this host's own: it was not sent if the answer to its write was an error.
    turn.tell(Happened::LeftBehindEnded);
    None
}

/// Proposes to send the unanswered launch again.
fn replay_launch(facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
    let attempt = facts.attempt.as_ref()?;
    let decision = attempt.decision;
    if attempt.proved_at.is_some() {
        search_for_launched(facts, turn);
        return None;
    }
    if facts.in_flight.as_ref().is_some_and(|it| it.is_ours) {
        return None;
    }
    if facts.paused.is_some() {
        // The attempt stays; the end of the pause replays it.
        return None;
    }
    if !record::may_write(facts, turn) {
        // A write ends soon. A lease that another host holds is checked first.
        let again = match facts.record.writing {
            Some(_) => WorkerTimer::ReplayLaunch,
            None => WorkerTimer::Recover,
        };
        turn.timer(facts, turn.now + BACKOFF_FIRST, again);
        return None;
    }
    if let Some(refusal) = facts.backs_off(facts.launch_act(), turn.now) {
        turn.timer(facts, refusal.until, WorkerTimer::ReplayLaunch);
        return None;
    }
    Some(Proposed::new(decision, Proposal::ReplayLaunch))
}

/// Begins to search for the instance of a launch that was carried out, and announces that.
fn launch_was_carried_out(facts: &mut Facts, turn: &mut Turn<'_>, error: &CloudError) {
    let text = format!(
        "the launch was refused ({error}): an earlier try was carried out; searching for its instance by tag"
    );
    turn.notice(facts, Step::LaunchUnanswered, text, &[]);
    search_for_launched(facts, turn);
}

/// Scans, and searches again later: a scan may not show the instance yet (EC2 developer guide,
/// "Eventual consistency").
fn search_for_launched(facts: &mut Facts, turn: &mut Turn<'_>) {
    let Some(searches) = act::count_search(facts) else {
        return;
    };
    turn.scan_for(facts);
    turn.timer(
        facts,
        turn.now + backoff(searches),
        WorkerTimer::ReplayLaunch,
    );
}

/// Ends the launch with its instance if a complete scan shows it. If no scan shows an instance
/// after the grace in which every new instance is shown, the instance has ended already.
fn scanned(facts: &mut Facts, turn: &mut Turn<'_>, asked_at: Instant) {
    let Some(attempt) = &facts.attempt else {
        return;
    };
    let Some(proved_at) = attempt.proved_at else {
        return;
    };
    if !record::may_write_soon(facts, turn) {
        return;
    }
    let is_of_attempt = |instance: &&Instance| attempt.mutation.made(instance);
    let mut shown = facts.instances.values().map(|known| &known.instance);
    if let Some(instance) = shown.find(is_of_attempt).cloned() {
        act::found_launched(facts, turn, &instance);
        return turn.tell(Happened::LaunchSettled);
    }
    let grace = facts.pool.limits.not_visible_grace;
    if asked_at.since(proved_at) >= grace {
        let why = format!(
            "an earlier try of the launch of generation {} was carried out, and {grace} later no scan shows its \
             instance: it has ended already",
            attempt.generation
        );
        act::give_up(facts, turn, why);
        turn.tell(Happened::LaunchSettled);
    }
}
