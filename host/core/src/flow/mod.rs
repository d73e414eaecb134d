//! The order of work for one worker.
//!
//! A flow is one concern with private state, and all flows have one shape, [`Flow`]. An event is
//! folded into the facts first. Then every flow hears what happened, and the flows are advanced in
//! the order of [`ORDER`] until nothing changes. Flows never import each other. A flow publishes
//! what concerns other flows as news, which every flow hears before the next flow is advanced;
//! shared knowledge is in the facts. A flow that wants the cloud changed proposes the change. This
//! file asks the guard about it and has the permitted mutation sent.
//!
//! | flow | concern |
//! |---|---|
//! | [`command`] | commands of people and programs, one at a time |
//! | [`restart`] | ending an instance and bringing it up again, once for all requests in the window |
//! | [`recover`] | unfinished mutations of an earlier life or another host, and lost replies |
//! | [`ownership`] | instances of other fleets, and an adopted instance that is not the worker's any longer |
//! | [`pointer`] | a pointer that a person has written |
//! | [`overdue`] | giving up an instance that does not come up or go down, and starts that fail |
//! | [`reap`] | asking `reap` after each scan, draining, ending for idleness |
//! | [`report`] | registers and reports of boxes and applications |
//! | [`unreachable`] | looking at an instance that a caller does not reach |
//! | [`resolve`] | where the worker is: read, scan, adopt, start, launch, answer |
//! | [`orphan`] | ending live instances next to the adopted one, after their grace |
//! | [`health`] | probes and other signals, and what follows from them |
//!
//! The flows call `act` (announce, send, take in the outcome), `record` (the worker's record in the
//! store) and the guard; none of these calls a flow. [`safe_default`] has the default of each
//! decision point when no policy answers.

mod command;
mod fold;
mod health;
mod orphan;
mod overdue;
mod ownership;
mod pointer;
mod reap;
mod recover;
mod report;
mod resolve;
mod restart;
mod safe_default;
mod shape;
mod unreachable;

use shape::{Flow, Proposed};

use crate::act;
use crate::facts::{Facts, FlowStatus, WaitStatus, WorkerFacts};
use crate::guard::Proposal;
use crate::happened::Happened;
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::model::time::Instant;
use crate::turn::Turn;

/// The limit of rounds in one step. News for a flow that is later in [`ORDER`] is acted on in the
/// same round, for an earlier one in the next. Steps of the swarm take three at most; more than
/// twice that is a loop. Each pending command may take one more.
const ROUNDS_MAX: usize = 8;

/// The name of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Command,
    Restart,
    Recover,
    Ownership,
    Pointer,
    Overdue,
    Reap,
    Report,
    Unreachable,
    Resolve,
    Orphan,
    Health,
}

/// All flows, in the order in which they are advanced. The order is their precedence: one write of
/// the record is under way at a time, and the first flow that wants one gets it. Commands come
/// first, because a pause must hold before anything else begins. An overdue instance is given up
/// before a pass or `reap` is asked about a worker that it holds up. Health comes last, because it
/// concludes from the results of the others.
const ORDER: [Name; 12] = [
    Name::Command,
    Name::Restart,
    Name::Recover,
    Name::Ownership,
    Name::Pointer,
    Name::Overdue,
    Name::Reap,
    Name::Report,
    Name::Unreachable,
    Name::Resolve,
    Name::Orphan,
    Name::Health,
];

/// The flows of one worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flows {
    command: command::Commands,
    restart: restart::Restarts,
    recover: recover::Recovery,
    ownership: ownership::Ownership,
    pointer: pointer::Pointers,
    overdue: overdue::Overdues,
    reap: reap::Reap,
    report: report::Reports,
    unreachable: unreachable::Unreachable,
    resolve: resolve::Resolve,
    orphan: orphan::Orphans,
    health: health::Health,
}

impl Flows {
    /// Runs one step: all flows hear what happened, then each is advanced, until nothing changes.
    fn step(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, happened: Happened) {
        self.hear(facts, turn, &happened);
        let rounds_max = ROUNDS_MAX + self.command.len();
        for _ in 0..rounds_max {
            if !self.round(facts, turn) {
                // Other workers must know of a drain that the last round began.
                turn.shared.note(facts);
                return self.check_quiet(facts, turn);
            }
        }
        assert!(!turn.shared.checks_itself, "a step that does not end");
        let text = format!(
            "the flows moved on for {rounds_max} rounds; the rest waits for the next event"
        );
        turn.notice(facts, Step::StepUnfinished, text, &[]);
    }

    /// Advances each flow that has heard something. News of a flow is heard by all flows before the
    /// next is advanced. Returns whether another round may be needed.
    fn round(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> bool {
        turn.shared.note(facts);
        let mut has_moved = false;
        for name in ORDER {
            if !self.flow(name).has_heard() {
                continue;
            }
            has_moved |= self.advance(name, facts, turn);
        }
        has_moved
    }

    /// Advances one flow until it has acted on all that it has heard, or proposes something.
    /// Returns whether it has proposed something or has news.
    fn advance(&mut self, name: Name, facts: &mut Facts, turn: &mut Turn<'_>) -> bool {
        let mut proposed = self.flow(name).advance(facts, turn);
        while proposed.is_none() && self.flow(name).has_heard() {
            proposed = self.flow(name).advance(facts, turn);
        }
        match name {
            Name::Resolve => act::note_asking(facts, self.resolve.asking()),
            Name::Health => act::note_condition(facts, self.health.condition()),
            _ => {}
        }
        let has_proposed = proposed.is_some();
        if let Some(proposed) = proposed {
            self.judge(name, facts, turn, proposed);
        }
        self.hear_news(facts, turn) || has_proposed
    }

    /// Has all flows hear of something.
    fn hear(&mut self, facts: &mut Facts, turn: &Turn<'_>, happened: &Happened) {
        for name in ORDER {
            self.flow(name).hear(facts, turn, happened);
        }
        act::note_asking(facts, self.resolve.asking());
    }

    /// Has all flows hear the news. Returns whether there was news.
    fn hear_news(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> bool {
        let has_news = !turn.news.is_empty();
        while let Some(happened) = turn.news.pop_front() {
            act::note_unasked(facts, &happened);
            self.hear(facts, turn, &happened);
        }
        has_news
    }

    /// Asks the guard about a proposal, and has the mutation sent if it is permitted.
    fn judge(&mut self, name: Name, facts: &mut Facts, turn: &mut Turn<'_>, proposed: Proposed) {
        let Proposed {
            decision,
            proposal,
            is_vetoed_quietly,
        } = proposed;
        let judged = match is_vetoed_quietly {
            true => turn.scene(facts, decision, |scene| scene.permit(&proposal)),
            false => turn.permit(facts, decision, &proposal),
        };
        self.flow(name).judged(facts, turn, judged.as_ref());
        if let Ok(permit) = judged {
            match &proposal {
                Proposal::ReplayLaunch => act::replay(facts, turn, permit),
                Proposal::EndOverdue(check) => act::end_overdue(facts, turn, permit, check),
                _ => act::send(facts, turn, permit),
            }
        }
        act::note_asking(facts, self.resolve.asking());
    }

    /// Checks that a flow that has heard nothing does nothing. One that acts without news would act
    /// forever.
    fn check_quiet(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) {
        if !turn.shared.checks_itself {
            return;
        }
        let before = turn.effects.len();
        for name in ORDER {
            let has_moved = self.advance(name, facts, turn);
            assert!(
                !has_moved && turn.effects.len() == before,
                "{name:?} has heard nothing and did something: {:?}",
                &turn.effects[before..]
            );
        }
    }

    fn waits(&self, facts: &WorkerFacts) -> Vec<WaitStatus> {
        let flows: [&dyn Flow; ORDER.len()] = [
            &self.command,
            &self.restart,
            &self.recover,
            &self.ownership,
            &self.pointer,
            &self.overdue,
            &self.reap,
            &self.report,
            &self.unreachable,
            &self.resolve,
            &self.orphan,
            &self.health,
        ];
        let waits = flows.iter().filter_map(|flow| flow.waits_for(facts));
        waits.map(|wait| wait.status()).collect()
    }

    fn flow(&mut self, name: Name) -> &mut dyn Flow {
        match name {
            Name::Command => &mut self.command,
            Name::Restart => &mut self.restart,
            Name::Recover => &mut self.recover,
            Name::Ownership => &mut self.ownership,
            Name::Pointer => &mut self.pointer,
            Name::Overdue => &mut self.overdue,
            Name::Reap => &mut self.reap,
            Name::Report => &mut self.report,
            Name::Unreachable => &mut self.unreachable,
            Name::Resolve => &mut self.resolve,
            Name::Orphan => &mut self.orphan,
            Name::Health => &mut self.health,
        }
    }

    /// What the flows add to the worker's status.
    pub(crate) fn status(&self, facts: &WorkerFacts, now: Instant) -> FlowStatus {
        FlowStatus {
            is_unhealthy: self.health.is_unhealthy(facts),
            health: self.health.status(facts, now),
            waits: self.waits(facts),
            restarts_dropped: self.restart.drops().clone(),
            last_not_yet: self.resolve.last_not_yet().cloned(),
        }
    }

    /// The state that the `reap` policy returned last time for this instance.
    pub(crate) fn reap_memo(&self, id: &InstanceId) -> String {
        self.reap.memo(id)
    }
}
