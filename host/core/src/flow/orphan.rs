//! Ending orphans by the host's own rule, whatever the policies say and whether or not the pool reaps (G2).
//!
//! ```text
//! a scan shows one after its grace ──▶ read the record ──▶ read pointer, orphan and adopted one by id
//!                                                                      │
//!              pointer names the orphan ──▶ repair the pointer ◀───────┤
//!                                                   guard ◀────────────┘
//! ```
//!
//! A source that does not answer, or disagrees, ends the look and not the orphan: the next scan begins another.

use std::collections::BTreeMap;

use crate::facts::{Facts, Origin, Orphan, OrphanLook, WorkerFacts};
use crate::flow::shape::{Flow, Progress, Proposed};
use crate::guard::{LOOK_AGE_MAX, Permit, Proposal};
use crate::happened::Happened;
use crate::model::cloud::{CloudError, Query, Reading};
use crate::model::compute::Ending;
use crate::model::decision::Ruling;
use crate::model::id::{DecisionId, InstanceId};
use crate::model::journal::Entry;
use crate::model::notice::Step;
use crate::model::operator::CommandOutcome;
use crate::model::point::Reason;
use crate::model::time::Instant;
use crate::model::veto::{Rule, Veto};
use crate::turn::Turn;
use crate::{act, record};

/// The reason's code, the one that `reap` policies use.
const ORPHAN: &str = "orphan";

/// What this host remembers of ending orphans. Which instances are orphans, and since when, is a fact.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans {
    /// The close look under way.
    look: Option<OrphanLook>,
    /// By instance, and by since when it has been an orphan: what is remembered ends with that.
    memory: BTreeMap<(InstanceId, Instant), Memory>,
    heard: Vec<Heard>,
    proposed: Option<Wanted>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// When a close look at it last began; `None`: its grace was not over before.
    looked_at: Option<Instant>,
    /// The rule that refused to end it last; the same refusal is not told again.
    refused_by: Option<Rule>,
}

/// What concerns this flow, in the order in which it happened.
#[derive(Clone, Debug)]
enum Heard {
    /// A complete scan is in the facts.
    Scanned,
    /// The record was asked for at this instant, and read or not.
    RecordRead(Instant),
    /// The cloud has answered a query.
    Queried(Query, Instant, Result<Reading, CloudError>),
}

/// An end that is proposed.
#[derive(Clone, Debug)]
struct Wanted {
    decision: DecisionId,
    id: InstanceId,
    orphan: Orphan,
}

impl Flow for Orphans {
    fn hear(&mut self, _facts: &WorkerFacts, _turn: &Turn<'_>, happened: &Happened) {
        match happened {
            Happened::Scanned { error: None, .. } => self.heard.push(Heard::Scanned),
            Happened::RecordRead { asked_at, .. } if self.look.is_some() => {
                self.heard.push(Heard::RecordRead(*asked_at));
            }
            Happened::Queried {
                query,
                asked_at,
                result,
            } if self.look.is_some() => {
                let heard = Heard::Queried(query.clone(), *asked_at, result.clone());
                self.heard.push(heard);
            }
            Happened::CommandDone(CommandOutcome::Forgotten) => self.look = None,
            _ => {}
        }
    }

    fn advance(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Progress {
        while !self.heard.is_empty() {
            let proposed = match self.heard.remove(0) {
                Heard::Scanned => {
                    self.scanned(facts, turn);
                    None
                }
                Heard::RecordRead(asked_at) => {
                    self.record_read(facts, turn, asked_at);
                    None
                }
                Heard::Queried(query, asked_at, result) => {
                    self.note(facts, &query, asked_at, &result);
                    self.conclude(facts, turn)
                }
            };
            if let Some(proposed) = proposed {
                return Progress::Proposes(proposed);
            }
        }
        match &self.look {
            Some(look) => Progress::until("a close look at an orphan", look.begun + LOOK_AGE_MAX),
            None => Progress::Quiet,
        }
    }

    fn judged(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, judged: Result<&Permit, &Veto>) {
        let Some(wanted) = self.proposed.take() else {
            return;
        };
        match judged {
            Ok(permit) => {
                rule(facts, turn, &wanted);
                announce(facts, turn, &wanted, permit);
            }
            // A refusal stands until something changes; it is written down and told once, not with every scan.
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
    /// Tells of new orphans, and begins to look at the one that is due.
    fn scanned(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.memory.retain(|(id, since), _| {
            let known = facts.instances.get(id);
            let orphan = known.and_then(|known| known.orphan.as_ref());
            orphan.is_some_and(|orphan| orphan.since == *since)
        });
        tell_new(facts, turn);
        let look = self.look.as_ref();
        let is_looking = look.is_some_and(|look| turn.now.since(look.begun) <= LOOK_AGE_MAX);
        // The holder of the lease is seen by reading the record. A pause would only have the end refused.
        if is_looking || facts.record.writing.is_some() || facts.paused.is_some() {
            return;
        }
        self.look = None;
        let Some((id, since)) = self.next_due(facts) else {
            return;
        };
        let memory = self.memory.entry((id.clone(), since)).or_default();
        memory.looked_at = Some(turn.now);
        self.look = Some(OrphanLook::new(id, turn.now));
        turn.read_record(facts);
    }

    /// The due orphan that was not looked at for longest.
    fn next_due(&self, facts: &WorkerFacts) -> Option<(InstanceId, Instant)> {
        let due = facts.due_orphans().map(|(id, orphan)| {
            let memory = self.memory.get(&(id.clone(), orphan.since));
            let looked_at = memory.and_then(|memory| memory.looked_at);
            (looked_at, orphan.since, id)
        });
        due.min().map(|(_, since, id)| (id.clone(), since))
    }

    /// The record was read, or could not be: the cloud is asked, if the look can still lead somewhere.
    fn record_read(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>, asked_at: Instant) {
        let is_awaited =
            |look: &mut OrphanLook| look.cloud_asked.is_none() && asked_at >= look.begun;
        let Some(mut look) = self.look.take_if(is_awaited) else {
            return;
        };
        let was_read = facts.record.read_at >= look.begun;
        if !was_read || !is_quiet(facts, turn) || !facts.orphan_is_due(&look.id) {
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
        turn.query(facts, facts.query_of(look.id.clone()));
        look.cloud_asked = Some(turn.now);
        self.look = Some(look);
    }

    /// Notes what the cloud says, if the look asked for it. An error ends the look, whoever asked: the cloud has trouble, and
    /// the next scan is soon enough.
    fn note(
        &mut self,
        facts: &WorkerFacts,
        query: &Query,
        asked_at: Instant,
        result: &Result<Reading, CloudError>,
    ) {
        let Some(look) = &mut self.look else {
            return;
        };
        match result {
            Ok(answer) => look.note(query, asked_at, answer, facts.adopted.as_ref()),
            Err(_) => self.look = None,
        }
    }

    /// Ends the orphan, once everything is read and if the guard agrees.
    fn conclude(&mut self, facts: &mut Facts, turn: &mut Turn<'_>) -> Option<Proposed> {
        let look = self.look.take_if(|look| look.is_complete())?;
        let is_pointed = facts.pointer.as_ref().and_then(Option::as_ref) == Some(&look.id);
        if is_pointed && !turn.shared.dry_run {
            act::repair_pointer(facts, turn);
            return None;
        }
        if !is_quiet(facts, turn) {
            return None;
        }
        let known = facts.instances.get(&look.id)?;
        let wanted = Wanted {
            // It is used up when the ruling is written down.
            decision: turn.shared.decisions.next(),
            id: look.id.clone(),
            orphan: facts.orphan(known)?.clone(),
        };
        let decision = wanted.decision;
        self.proposed = Some(wanted);
        let proposal = Proposal::EndOrphan(look);
        Some(Proposed::quietly(decision, proposal))
    }
}

/// Whether nothing else is under way for the worker: then a look can lead somewhere.
fn is_quiet(facts: &WorkerFacts, turn: &Turn<'_>) -> bool {
    !facts.is_changing() && record::may_write(facts, turn)
}

/// Writes down, under a decision of its own, that a rule of the host's decided and no policy.
fn rule(facts: &WorkerFacts, turn: &mut Turn<'_>, wanted: &Wanted) {
    let (orphan, decision) = (&wanted.orphan, wanted.decision);
    turn.shared.decisions = decision;
    let ruling = Ruling {
        action: action(facts, orphan.origin).into(),
        instance: wanted.id.clone(),
        generation: orphan.origin.generation(),
        since: orphan.since,
        adopted: orphan.beside.clone(),
        reason: Reason::new(ORPHAN, describe(orphan, turn.now)),
    };
    turn.journal(facts, decision, Entry::Ruled(Box::new(ruling)));
}

/// Every end is announced with its reason and the last activity (docs/incidents.md#frozen-activity).
fn announce(facts: &WorkerFacts, turn: &mut Turn<'_>, wanted: &Wanted, permit: &Permit) {
    let (id, orphan) = (&wanted.id, &wanted.orphan);
    let last = match facts.handed_out_at(id) {
        None => "never handed out".to_owned(),
        Some(at) => format!("last handed out {} ago", turn.now.since(at)),
    };
    let action = permit.mutation().kind().to_string();
    let why = describe(orphan, turn.now);
    turn.notice(
        facts,
        Step::InstanceEnding,
        format!("{action} {id}: {why} ({last})"),
        &[
            ("instance_id", id.as_str()),
            ("reason", ORPHAN),
            ("action", &action),
            ("generation", &generation(orphan.origin)),
            ("orphan_since", &orphan.since.as_ms().to_string()),
            ("adopted_instance_id", orphan.beside.id.as_str()),
            ("last_activity", &last),
        ],
    );
}

/// A person who launched one by hand has its grace to say so: with another tag, or by stopping the other one.
fn tell_new(facts: &WorkerFacts, turn: &mut Turn<'_>) {
    let grace = facts.pool.limits.orphan_grace;
    for (id, known) in &facts.instances {
        let orphan = facts.orphan(known);
        let Some(orphan) = orphan.filter(|it| Some(it.since) == facts.scanned_at) else {
            continue;
        };
        let action = action(facts, orphan.origin);
        turn.notice(
            facts,
            Step::OrphanSeen,
            format!(
                "{id}, of generation {}, lives beside the adopted {} of generation {}; {action} follows if \
                 it still does in {grace}",
                generation(orphan.origin),
                orphan.beside.id,
                orphan.beside.generation
            ),
            &[
                ("instance_id", id.as_str()),
                ("generation", &generation(orphan.origin)),
                ("adopted_instance_id", orphan.beside.id.as_str()),
            ],
        );
    }
}

fn action(facts: &WorkerFacts, origin: Origin) -> Ending {
    facts.pool.compute.ending(origin.ending())
}

fn generation(origin: Origin) -> String {
    let generation = origin.generation();
    generation.map_or_else(|| "unknown".to_owned(), |it| it.to_string())
}

fn describe(orphan: &Orphan, now: Instant) -> String {
    format!(
        "of generation {}, it has lived for {} beside the adopted {} of generation {}",
        generation(orphan.origin),
        now.since(orphan.since),
        orphan.beside.id,
        orphan.beside.generation
    )
}
