//! Ends orphans by the host's own rule, whatever the policies say and whether or not the pool reaps
//! (G2).
//!
//! ```text
//! a scan shows one after its grace ──▶ read the record ──▶ read pointer, orphan and adopted one by id
//!                                                                      │
//!              pointer names the orphan ──▶ repair the pointer ◀───────┤
//!                                                   guard ◀────────────┘
//! ```
//!
//! A source that does not answer, or disagrees, ends the check but not the orphan. The next scan
//! begins another check.

use std::collections::{BTreeMap, VecDeque};

use crate::facts::{Announcement, Facts, Origin, Orphan, OrphanCheck, WorkerFacts};
use crate::flow::shape::{Flow, Proposed, Wait};
use crate::guard::{CHECK_AGE_MAX, Permit, Proposal};
use crate::happened::Happened;
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::compute::Ending;
use crate::model::decision::Ruling;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::journal::Content;
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::point::Reason;
use crate::model::time::Instant;
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::{act, record};

/// The code of the reason; `reap` policies use the same one.
const ORPHAN: &str = "orphan";

/// The state of this flow. The facts say which instances are orphans, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans {
    /// The check under way.
    check: Option<OrphanCheck>,
    /// Memories by instance and by the begin of its time as an orphan; a memory ends with that
    /// time.
    memory: BTreeMap<(InstanceId, Instant), Memory>,
    heard: VecDeque<Heard>,
    proposed: Option<Wanted>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// When a check of the orphan last began; `None` if there was none yet.
    checked_at: Option<Instant>,
    /// The rule of the last veto. The same veto is not announced again.
    refused_by: Option<Rule>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A complete scan is in the facts.
    Scanned,
    /// The record was asked for at this instant, and read or not.
    RecordRead(Instant),
    /// The cloud has answered a query.
    Queried(Query, Instant, Box<Result<Reading, CloudError>>),
}

/// An end that is proposed.
#[derive(Clone, Debug)]
struct Wanted {
    decision: DecisionId,
    id: InstanceId,
    orphan: Orphan,
}

impl Flow for Orphans {
    fn hear(&mut self, facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        match happened {
            Happened::Scanned { error: None, .. } => {
                let is_alone = facts.instances.len() <= 1;
                if !is_alone || self.check.is_some() || !self.memory.is_empty() {
                    self.heard.push_back(Heard::Scanned);
                }
            }
            Happened::RecordRead { asked_at, .. } if self.check.is_some() => {
                self.heard.push_back(Heard::RecordRead(*asked_at));
            }
            Happened::Queried {
                query,
                asked_at,
                result,
            } if self.check.is_some() => {
                let result = Box::new(result.clone());
                let heard = Heard::Queried(query.clone(), *asked_at, result);
                self.heard.push_back(heard);
            }
            Happened::CommandDone(CommandOutcome::Forgotten) => self.check = None,
            _ => {}
        }
    }

    fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        match self.heard.pop_front()? {
            Heard::Scanned => self.scanned(facts, turn),
            Heard::RecordRead(asked_at) => self.record_read(facts, turn, asked_at),
            Heard::Queried(query, asked_at, result) => {
                self.note(facts, &query, asked_at, &result);
                return self.conclude(facts, turn);
            }
        }
        None
    }

    fn waits_for(&self, _facts: &WorkerFacts) -> Option<Wait> {
        let check = self.check.as_ref()?;
        let until = check.begun + CHECK_AGE_MAX;
        Some(Wait::until("a check of an orphan", until))
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        let Some(wanted) = self.proposed.take() else {
            return;
        };
        match judged {
            Ok(permit) => {
                rule(facts, turn, &wanted);
                let announcement = announcement(facts, turn, &wanted, permit);
                act::announce_later(facts, announcement);
            }
            // A veto stands until something changes, so it is journaled and announced once, not
            // with every scan.
            Err(veto) => {
                let key = (wanted.id.clone(), wanted.orphan.since);
                let memory = self.memory.entry(key).or_default();
                if memory.refused_by != Some(veto.rule) {
                    memory.refused_by = Some(veto.rule);
                    rule(facts, turn, &wanted);
                    turn.vetoed(facts, wanted.decision, veto);
                }
            }
        }
    }
}

impl Orphans {
    /// Announces new orphans, and begins a check of the one that is due.
    fn scanned(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.memory.retain(|(id, since), _| {
            let known = facts.instances.get(id);
            let orphan = known.and_then(|known| known.orphan.as_ref());
            orphan.is_some_and(|orphan| orphan.since == *since)
        });
        tell_new(facts, turn);
        let check = self.check.as_ref();
        let is_checking = check.is_some_and(|check| turn.now.since(check.begun) <= CHECK_AGE_MAX);
        // The reading of the record shows the holder of the lease. In a pause the guard would
        // refuse the end.
        if is_checking || facts.record.writing.is_some() || facts.paused.is_some() {
            return;
        }
        self.check = None;
        let Some((id, since)) = self.next_due(facts, turn) else {
            return;
        };
        let memory = self.memory.entry((id.clone(), since)).or_default();
        memory.checked_at = Some(turn.now);
        self.check = Some(OrphanCheck::new(id, turn.now));
        turn.read_record(facts);
    }

    /// The due orphan whose last check is the longest ago. An orphan whose end the cloud refused
    /// waits until that refusal no longer holds the end back.
    fn next_due(&self, facts: &WorkerFacts, turn: &Turn<'_>) -> Option<(InstanceId, Instant)> {
        let due = facts.due_orphans().filter(|(id, orphan)| {
            // The guard would refuse the end, and a check costs three queries.
            let ending = facts.ending_of(id, orphan.origin.ending());
            facts.end_held_by(id, ending, turn.now).is_none()
        });
        let due = due.map(|(id, orphan)| {
            let memory = self.memory.get(&(id.clone(), orphan.since));
            let checked_at = memory.and_then(|memory| memory.checked_at);
            (checked_at, orphan.since, id)
        });
        due.min().map(|(_, since, id)| (id.clone(), since))
    }

    /// Asks the cloud after the record was read, if the check may still succeed.
    fn record_read(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, asked_at: Instant) {
        let is_awaited =
            |check: &mut OrphanCheck| check.cloud_asked.is_none() && asked_at >= check.begun;
        let Some(mut check) = self.check.take_if(is_awaited) else {
            return;
        };
        let was_read = facts.record.read_at >= check.begun;
        if !was_read || !is_quiet(facts, turn) || !facts.orphan_is_due(&check.id) {
            return;
        }
        let Some(adopted) = &facts.adopted else {
            return;
        };
        let pointer = Query::Pointer {
            region: facts.pool.region.clone(),
            name: facts.spec.pointer.clone(),
        };
        turn.query(facts, pointer);
        turn.query(facts, facts.query_of(adopted.id.clone()));
        turn.query(facts, facts.query_of(check.id.clone()));
        check.cloud_asked = Some(turn.now);
        self.check = Some(check);
    }

    /// Takes in a reading of the cloud, if the check asked for it. Any error ends the check: the
    /// cloud has trouble, and the next scan is soon enough.
    fn note(
        &mut self,
        facts: &WorkerFacts,
        query: &Query,
        asked_at: Instant,
        result: &Result<Reading, CloudError>,
    ) {
        let Some(check) = &mut self.check else {
            return;
        };
        match result {
            Ok(answer) => check.note(query, asked_at, answer, facts.adopted.as_ref()),
            Err(_) => self.check = None,
        }
    }

    /// Proposes the end of the orphan when all readings are there.
    fn conclude(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let check = self.check.take_if(|check| check.is_complete())?;
        let is_pointed = facts.pointer.as_ref().and_then(Option::as_ref) == Some(&check.id);
        if is_pointed {
            act::repair_pointer(facts, turn);
            return None;
        }
        if !is_quiet(facts, turn) {
            return None;
        }
        let known = facts.instances.get(&check.id)?;
        let wanted = Wanted {
            // The id is taken when the ruling is journaled.
            decision: turn.shared.decisions.next(),
            id: check.id.clone(),
            orphan: facts.orphan(known)?.clone(),
        };
        let decision = wanted.decision;
        self.proposed = Some(wanted);
        let proposal = Proposal::EndOrphan(check);
        Some(Proposed::quietly(decision, proposal))
    }
}

/// Whether no mutation or write is under way for the worker, so that a check may succeed.
fn is_quiet(facts: &WorkerFacts, turn: &Turn<'_>) -> bool {
    !facts.is_changing() && record::may_write(facts, turn)
}

/// Journals, under its own decision, a ruling of the host that no policy made.
fn rule(facts: &WorkerFacts, turn: &mut Turn<'_>, wanted: &Wanted) {
    let (orphan, decision) = (&wanted.orphan, wanted.decision);
    let taken = turn.shared.decisions.take();
    debug_assert_eq!(taken, decision, "nothing decides in between");
    let ruling = Ruling {
        action: action(facts, &orphan.origin).into(),
        instance: wanted.id.clone(),
        generation: orphan.origin.generation,
        since: orphan.since,
        adopted: orphan.adopted.clone(),
        reason: Reason::new(ORPHAN, describe(orphan, turn.now)),
    };
    turn.journal(facts, decision, Content::Ruled(Box::new(ruling)));
}

/// The announcement of the end with its reason and the last activity
/// (docs/incidents.md#frozen-activity).
fn announcement(
    facts: &WorkerFacts,
    turn: &Turn<'_>,
    wanted: &Wanted,
    permit: &Permit,
) -> Announcement {
    let (id, orphan) = (&wanted.id, &wanted.orphan);
    let last = match facts.handed_out_at(id) {
        None => "never handed out".to_owned(),
        Some(at) => format!("last handed out {} ago", turn.now.since(at)),
    };
    let action = permit.mutation().kind().to_string();
    let why = describe(orphan, turn.now);
    Announcement {
        decision: permit.decision(),
        text: format!("{action} {id}: {why} ({last})"),
        fields: vec![
            ("instance_id", id.to_string()),
            ("reason", ORPHAN.to_owned()),
            ("action", action),
            ("generation", generation(&orphan.origin)),
            ("orphan_since", orphan.since.as_ms().to_string()),
            ("adopted_instance_id", orphan.adopted.id.to_string()),
            ("last_activity", last),
        ],
    }
}

/// Announces new orphans, and says what follows. A person who launched one by hand has its grace to
/// object: with another tag, or by stopping the other instance.
fn tell_new(facts: &WorkerFacts, turn: &mut Turn<'_>) {
    let grace = facts.pool.limits.orphan_grace;
    for (id, known) in &facts.instances {
        let orphan = facts.orphan(known);
        let Some(orphan) = orphan.filter(|it| Some(it.since) == facts.scanned_at) else {
            continue;
        };
        let owner = &orphan.origin.owner;
        let rule = facts.pool.orphans;
        let follows = match rule.ends(owner) {
            true => {
                let action = action(facts, &orphan.origin);
                format!("{action} follows if it still is in {grace}")
            }
            false => format!(
                "it is {} and left running, as the pool's `orphans = \"{}\"` says",
                owner.as_str(),
                rule.as_str()
            ),
        };
        turn.notice(
            facts,
            Step::OrphanSeen,
            format!(
                "{id}, of generation {}, is live next to the adopted {} of generation {}; {follows}",
                generation(&orphan.origin),
                orphan.adopted.id,
                orphan.adopted.generation
            ),
            &[
                ("instance_id", id.as_str()),
                ("owner", owner.as_str()),
                ("generation", &generation(&orphan.origin)),
                ("adopted_instance_id", orphan.adopted.id.as_str()),
            ],
        );
    }
}

fn action(facts: &WorkerFacts, origin: &Origin) -> Ending {
    facts.pool.compute.ending(origin.ending())
}

fn generation(origin: &Origin) -> String {
    let generation = origin.generation;
    generation.map_or_else(|| "unknown".to_owned(), |it| it.to_string())
}

fn describe(orphan: &Orphan, now: Instant) -> String {
    format!(
        "of generation {}, it has lived for {} next to the adopted {} of generation {}",
        generation(&orphan.origin),
        now.since(orphan.since),
        orphan.adopted.id,
        orphan.adopted.generation
    )
}
