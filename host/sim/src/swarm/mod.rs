//! Random worlds: hosts, policies, clouds, stores, boxes and people that all go wrong in every way
//! they can, on a virtual clock, and the guarantees checked after every step. The same seed gives
//! the same run.
//!
//! ```text
//!            people, operators, other systems
//!                 │ ask, deliver, restart                     ┌─────────┐
//!                 ▼                                           │ checks  │ G1-G10, answers, liveness
//!   boxes ─► hosts (the product's Fleet) ─► store ───────────►│         │
//!                 │        ▲                                  │         │
//!                 ▼        │ late, wrong, twice, never        │         │
//!               clouds ────┴─────────────────────────────────►└─────────┘
//! ```
//!
//! - [`Options`] describe a world, [`Fault`] names what can go wrong in it, [`run`] lets it run.
//! - `estate` is the world with everybody in it and the one loop that lets time pass; `due` its
//!   queue.
//! - `surroundings`: the layer of faults and checks over the [`engine`](crate::engine), which runs
//!   the hosts; `clouds`, `buckets`, `shelf`: the cloud and the store behind that layer.
//! - `people`, `operators`, `boxes`, `lies`: who else acts.
//! - [`digest`]: two numbers over all that leaves the cores, to compare two builds by.
//! - `check`: the guarantees, from outside. [`shrink`]: the smallest world in which one still
//!   fails.

mod boxes;
mod buckets;
mod chance;
mod check;
mod clouds;
pub mod digest;
mod due;
mod estate;
mod fault;
mod lies;
mod operators;
mod options;
mod people;
mod shelf;
mod shrink;
mod surroundings;
mod trace;

use std::collections::BTreeMap;

use reeve_core::guard::Rule;
use reeve_core::ports::Policies;
use reeve_core::time::Millis;

pub use check::{Guarantee, Violation};
pub use fault::Fault;
pub use options::{Options, PoolOptions};
pub use shrink::{Smallest, shrink};

use crate::timeline::Entry;

/// The sets of policies that play in random worlds. The caller has bound each under its name as a
/// pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Casts {
    /// Sets that bring a worker up: liveness is asked of them, and reloads choose among them.
    pub sound: Vec<String>,
    /// Sets that need not.
    pub legacy: Vec<String>,
}

impl Casts {
    /// All names.
    pub fn names(&self) -> Vec<String> {
        self.sound.iter().chain(&self.legacy).cloned().collect()
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// How long it was, on the virtual clock.
    pub simulated: Millis,
    /// How many workers there were.
    pub workers: usize,
    /// How often each kind of trouble came up, in the order of [`Fault::ALL`].
    pub fired: [u64; Fault::COUNT],
    /// How many things happened.
    pub steps: u64,
    /// How many questions were put to policies.
    pub decisions: u64,
    /// What the guard refused, by rule.
    pub vetoes: BTreeMap<Rule, u64>,
    /// The first guarantee that did not hold.
    pub violation: Option<Violation>,
    /// What happened, line by line; empty unless it was asked for.
    pub trace: Vec<Entry>,
    /// The digests over all that left the cores; `None` unless they were asked for.
    pub digested: Option<digest::Digested>,
}

/// Lets a random world run. `policies` answer for the pools that [`Casts`] name.
pub fn run(options: &Options, policies: &dyn Policies, casts: &Casts, is_traced: bool) -> Report {
    estate::Estate::new(options, policies, casts, is_traced).run()
}

/// Lets it run as [`run`] does, once for each digest of what leaves the cores; see [`digest`] for
/// what that is. The report is about the first of both runs, but for a violation that only the
/// second has.
pub fn run_digested(
    options: &Options,
    policies: &dyn Policies,
    casts: &Casts,
    keeps_lines: bool,
) -> Report {
    let play = |tap: &mut digest::Tap| {
        let mut estate = estate::Estate::new(options, policies, casts, false);
        estate.tap = Some(tap);
        estate.run()
    };
    let mut strict = digest::Tap::new(digest::Kind::Strict, keeps_lines);
    let mut canonical = digest::Tap::new(digest::Kind::Canonical, keeps_lines);
    let mut report = play(&mut strict);
    let arranged = play(&mut canonical);
    report.violation = report.violation.or(arranged.violation);
    report.digested = Some(digest::Digested::of(strict, canonical));
    report
}
