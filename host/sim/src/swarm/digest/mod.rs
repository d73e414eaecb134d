//! The digest of a random world: two numbers that stand for everything the core let out in it. A restructuring of the
//! core that changes nothing leaves both as they were.
//!
//! # Contract
//!
//! **What is in.** Every effect that [`Fleet::step`](reeve_core::fleet::Fleet::step) returned to any host of the
//! world, in each of its lives, before the simulator did anything with it. There is one tap, in `effects.rs`. A step is
//! one event into one core; a step that let nothing out leaves no mark.
//!
//! **Two digests.**
//! - *strict*: all lines in the order in which they came, with the ids as the host gave them.
//! - *canonical*: per step, in this order: commits and mutations in their order; the journal, each worker's lines in
//!   their order; responses, notices and refreshes of activity, sorted; which published routes are others than before
//!   the step. The ids of decisions are numbered anew, per worker and life of a host, in the order in which they first
//!   appear among these lines. Queries, reads of records, probes, questions to policies and timers are left out: what
//!   is done and told follows from their answers, and a core may ask in another order.
//!
//! A world is one course of events, so a core that asks in another order gets other delays, and another world. Equal
//! canonical digests of unequal strict ones therefore speak of order within a step and of ids, not of more.
//!
//! **What a line is.** A kind, and a JSON object with the fields in the order in which `project` writes them; an absent
//! value is left out. Names of kinds and fields belong to this module, so that a type, a variant or a field of the core
//! may be renamed. Words that already are stable stand as they are: codes, steps, states, rules, names of policies, and
//! sentences for people, which are part of what is told. Inputs and verdicts of policies stand in the contract's JSON.
//!
//! **What is not in.** Events, the state of the core, what the simulated world does with an effect (the next events
//! show that). A policy's component appears as a number, in the order of first appearance, and the fuel of a call not
//! at all: both change when a policy is compiled anew. A violated guarantee: the swarm tells it.
//!
//! **What it cannot show.** That two digests differ means that something changed, not that it is wrong. In the
//! canonical form, an id that a host took over from another host's record is numbered as one of its own.
//!
//! [`FORMAT`] rises with every change of what is in or of how a line is written: digests of two formats are not
//! compared. A changed core type changes `project` and leaves the lines as they are.

mod line;
mod numbers;
mod project;

use std::collections::BTreeMap;

use reeve_core::effect::Effect;
use reeve_core::id::{HostId, WorkerId};
use reeve_core::time::Instant;
use sha2::{Digest as _, Sha256};

use line::{Class, Line};
use numbers::Numbers;

/// Which lines are made, and how. Digests of another format say nothing about this one.
pub const FORMAT: u32 = 1;

/// What a world came to, as two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Over all lines in order.
    pub strict: u64,
    /// Over what is done and told, whatever the order in which that does not matter.
    pub canonical: u64,
}

/// The digests of a world, and the lines that they are made of.
#[derive(Clone, Debug)]
pub struct Digested {
    /// Both.
    pub digests: Digests,
    /// The lines of the strict one; empty unless they were asked for.
    pub strict: Vec<String>,
    /// The lines of the canonical one; likewise.
    pub canonical: Vec<String>,
}

/// Takes in what leaves the cores of one world.
#[derive(Debug)]
pub(super) struct Tap {
    strict: Sum,
    canonical: Sum,
    /// Components of policies, as the strict lines name them.
    raw: Numbers,
    /// Components and decisions, as the canonical lines name them.
    renumbered: Numbers,
    /// What each life of a host last published of each worker.
    routes: BTreeMap<(HostId, WorkerId), String>,
}

impl Tap {
    /// One that keeps the lines, or does not.
    pub(super) fn new(keeps_lines: bool) -> Self {
        Self {
            strict: Sum::new(keeps_lines),
            canonical: Sum::new(keeps_lines),
            raw: Numbers::default(),
            renumbered: Numbers::default(),
            routes: BTreeMap::new(),
        }
    }

    /// Takes in one step of the core of this host's life.
    pub(super) fn step(&mut self, at: Instant, host: &HostId, effects: &[Effect]) {
        let mut lines = Vec::with_capacity(effects.len());
        for effect in effects {
            project::effect(effect, &mut lines);
        }
        self.take(at, host, lines);
    }

    fn take(&mut self, at: Instant, host: &HostId, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        let head = format!("step {} {host}", at.as_ms());
        self.strict.add(&head);
        for line in &lines {
            self.strict.add(&line.with_ids(host, &mut self.raw));
        }
        let arranged = self.arranged(host, lines);
        if !arranged.is_empty() {
            self.canonical.add(&head);
            for line in &arranged {
                self.canonical.add(line);
            }
        }
    }

    /// The canonical lines of a step.
    fn arranged(&mut self, host: &HostId, lines: Vec<Line>) -> Vec<String> {
        let mut by_class: BTreeMap<Class, Vec<Line>> = BTreeMap::new();
        for line in lines {
            by_class.entry(line.class()).or_default().push(line);
        }
        let mut of = |class| by_class.remove(&class).unwrap_or_default();
        let (changes, mut journal) = (of(Class::Change), of(Class::Journal));
        let (told, routes) = (of(Class::Told), of(Class::Route));
        journal.sort_by(|one, other| one.worker().cmp(other.worker()));

        let numbers = &mut self.renumbered;
        let ordered = changes.iter().chain(&journal);
        let mut arranged: Vec<_> = ordered.map(|line| line.renumbered(host, numbers)).collect();
        // Ids that appear in unordered lines only are numbered as they rise, which no order of the lines changes.
        numbers.see(host, told.iter().chain(&routes));
        let mut sorted: Vec<_> = told
            .iter()
            .map(|line| line.renumbered(host, numbers))
            .collect();
        sorted.sort();
        arranged.append(&mut sorted);
        arranged.extend(self.changed_routes(host, &routes));
        arranged
    }

    /// The last word of a step on each worker's route, where it is another than before.
    fn changed_routes(&mut self, host: &HostId, routes: &[Line]) -> Vec<String> {
        let last: BTreeMap<_, _> = routes.iter().map(|line| (line.worker(), line)).collect();
        let mut changed = Vec::new();
        for (worker, line) in last {
            let text = line.renumbered(host, &mut self.renumbered);
            let place = (host.clone(), worker.clone());
            let before = match line.is_withdrawal() {
                true => self.routes.remove(&place),
                false => self.routes.insert(place, text.clone()),
            };
            let is_changed = match &before {
                Some(before) => *before != text,
                None => !line.is_withdrawal(),
            };
            if is_changed {
                changed.push(text);
            }
        }
        changed
    }

    /// What the world came to.
    pub(super) fn into_digested(self) -> Digested {
        let (strict, strict_lines) = self.strict.finish();
        let (canonical, canonical_lines) = self.canonical.finish();
        Digested {
            digests: Digests { strict, canonical },
            strict: strict_lines,
            canonical: canonical_lines,
        }
    }
}

/// A digest in the making, over lines.
#[derive(Debug)]
struct Sum {
    hash: Sha256,
    lines: Option<Vec<String>>,
}

impl Sum {
    fn new(keeps_lines: bool) -> Self {
        Self {
            hash: Sha256::new(),
            lines: keeps_lines.then(Vec::new),
        }
    }

    fn add(&mut self, line: &str) {
        self.hash.update(line);
        self.hash.update(b"\n");
        if let Some(lines) = &mut self.lines {
            lines.push(line.to_owned());
        }
    }

    fn finish(self) -> (u64, Vec<String>) {
        let bytes = self.hash.finalize();
        // 64 bits of it: among a million worlds the chance that a change stays hidden in one is one in 10^13.
        let (first, _) = bytes.split_at(8);
        let digest = first
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        (digest, self.lines.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
