//! The digest of a random world: two numbers that stand for everything the core let out in it. A
//! restructuring of the core that changes nothing leaves both as they were.
//!
//! # Contract
//!
//! **What is in.** Every effect that [`Fleet::step`](reeve_core::fleet::Fleet::step) returned to
//! any host of the world, in each of its lives, before the simulator did anything with it. There is
//! one tap, in `effects.rs`. A step is one event into one core; a step that returned no effect
//! leaves no mark.
//!
//! **Two digests**, each from a run of its own of the same world:
//! - *strict*: all lines in the order in which the core returned them, with the ids that the host
//!   gave.
//! - *canonical*: `order` sorts the effects of each step before the simulator carries them out. The
//!   lines of a step are, in this order: commits and mutations in their order; the journal, each
//!   worker's lines in their order; responses, notices, refreshes of activity, queries, reads of
//!   records, probes and questions to policies, sorted; the published routes that the step changed.
//!   The ids of decisions are numbered anew, per worker and life of a host, in the order in which
//!   they first appear among these lines. Timers are left out.
//!
//! Each call takes its latency from a random stream when it is carried out. Without `order`, a
//! query that moved to before a commit would take the commit's latency, and the two worlds would
//! differ from there on. With `order`, a core that only moves effects within a step keeps its
//! canonical digest.
//!
//! **What a line is.** A kind, and a JSON object with the fields in the order in which `project`
//! writes them; an absent value is left out. Names of kinds and fields belong to this module, so
//! that a type, a variant or a field of the core may be renamed. Words that already are stable
//! stand as they are: codes, steps, states, rules, names of policies, and sentences for people.
//! Inputs and verdicts of policies stand in the contract's JSON.
//!
//! **What is not in.** Events, the state of the core, and what the simulated world does with an
//! effect (the next steps show that). A policy's component appears as a number, in the order of
//! first appearance, and the fuel of a call not at all: both change when a policy is compiled anew.
//! The swarm reports a violated guarantee apart from the digests.
//!
//! **What it cannot show.** That two digests differ means that something changed, not that it is
//! wrong. One effect more or less (another notice aside) gives the calls after it other latencies,
//! and both digests of the world differ. In the canonical form, an id that a host took over from
//! another host's record is numbered as one of its own.
//!
//! [`FORMAT`] rises with every change of what is in or of how a line is written: digests of two
//! formats are not compared. A changed core type changes `project` and leaves the lines as they
//! are.

mod line;
mod numbers;
mod order;
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

impl Digested {
    /// Of the two runs of one world.
    pub(super) fn of(strict: Tap, canonical: Tap) -> Self {
        let (strict, strict_lines) = strict.sum.finish();
        let (canonical, canonical_lines) = canonical.sum.finish();
        Self {
            digests: Digests { strict, canonical },
            strict: strict_lines,
            canonical: canonical_lines,
        }
    }
}

/// Which digest a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Strict,
    /// The effects of each step are carried out in an order of their own.
    Canonical,
}

/// Takes in what leaves the cores in one run of a world.
#[derive(Debug)]
pub(super) struct Tap {
    kind: Kind,
    sum: Sum,
    /// The numbers that the lines have in place of ids: of components, and in the canonical form of
    /// decisions too.
    numbers: Numbers,
    /// What each life of a host last published of each worker.
    routes: BTreeMap<(HostId, WorkerId), String>,
}

impl Tap {
    /// One that keeps the lines, or does not.
    pub(super) fn new(kind: Kind, keeps_lines: bool) -> Self {
        Self {
            kind,
            sum: Sum::new(keeps_lines),
            numbers: Numbers::default(),
            routes: BTreeMap::new(),
        }
    }

    /// Takes in one step of the core of this host's life; returns the effects in the order in which
    /// they are to be carried out.
    pub(super) fn take_in(
        &mut self,
        at: Instant,
        host: &HostId,
        effects: Vec<Effect>,
    ) -> Vec<Effect> {
        let with_lines = |effect| (project::lines(&effect), effect);
        let mut step: Vec<_> = effects.into_iter().map(with_lines).collect();
        if self.kind == Kind::Canonical {
            order::arrange(&mut step);
        }
        let (lines, effects): (Vec<_>, Vec<_>) = step.into_iter().unzip();
        self.add(at, host, lines.into_iter().flatten().collect());
        effects
    }

    fn add(&mut self, at: Instant, host: &HostId, lines: Vec<Line>) {
        let texts = match self.kind {
            Kind::Strict => {
                let with_ids = |line: &Line| line.with_ids(host, &mut self.numbers);
                lines.iter().map(with_ids).collect()
            }
            Kind::Canonical => self.arranged(host, lines),
        };
        if texts.is_empty() {
            return;
        }
        self.sum.add(&format!("step {} {host}", at.as_ms()));
        for text in &texts {
            self.sum.add(text);
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
        let (set, routes) = (of(Class::Set), of(Class::Route));
        journal.sort_by(|one, other| one.worker().cmp(other.worker()));

        let numbers = &mut self.numbers;
        let ordered = changes.iter().chain(&journal);
        let mut arranged: Vec<_> = ordered.map(|line| line.renumbered(host, numbers)).collect();
        // Ids that appear in unordered lines only are numbered as they rise, which no order of the
        // lines changes.
        numbers.see(host, set.iter().chain(&routes));
        let mut sorted: Vec<_> = set
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
            let text = line.renumbered(host, &mut self.numbers);
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
        // 64 bits of it: among a million worlds the chance that a change stays hidden in one is one
        // in 10^13.
        let (first, _) = bytes.split_at(8);
        let digest = first
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        (digest, self.lines.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
