//! Random worlds on a virtual clock. Hosts, policies, clouds, stores, boxes and people go wrong in
//! every way that [`Fault`] names, and checks test the guarantees after every step. The same seed
//! gives the same run.
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
//! - [`Options`] describe a world, [`Fault`] names its possible faults, [`run`] runs it.
//! - `estate` is the whole world with the one loop that advances time; `due` is its queue.
//! - `surroundings`: the layer of faults and checks over the [`engine`](crate::engine), which runs the hosts;
//!   `clouds`, `buckets`, `shelf`: the cloud and the store behind that layer.
//! - `people`, `operators`, `boxes`, `lies`: the other actors. `afflicted`: a pool that fails for good.
//! - [`digest`]: two numbers over all effects of the cores, to compare two builds by.
//! - `check`: the guarantees, from outside. [`shrink`]: the smallest world that still breaks one.

mod afflicted;
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
pub use options::{Options, Patience, PoolOptions};
pub use shrink::{Smallest, shrink};

use crate::timeline::Entry;

/// The sets of policies that random worlds use. The caller has bound each set under its name as a
/// pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Casts {
    /// Sets that bring a worker up. The liveness check applies to them, and reloads choose among
    /// them.
    pub sound: Vec<String>,
    /// Sets that may fail to bring a worker up.
    pub legacy: Vec<String>,
}

impl Casts {
    /// The names of all sets.
    pub fn names(&self) -> Vec<String> {
        self.sound.iter().chain(&self.legacy).cloned().collect()
    }
}

/// The report of one run.
#[derive(Clone, Debug)]
pub struct Report {
    /// How long the run was, on the virtual clock.
    pub simulated: Millis,
    /// How many workers the world had.
    pub workers: usize,
    /// How often each kind of fault occurred, in the order of [`Fault::ALL`].
    pub fired: [u64; Fault::COUNT],
    /// How many steps the run took.
    pub steps: u64,
    /// How many questions policies got.
    pub decisions: u64,
    /// The number of the guard's vetoes, by rule.
    pub vetoes: BTreeMap<Rule, u64>,
    /// How long each worker that was demanded or wanted running took to be served once the trouble
    /// was over. A worker that is wanted running is looked at every 15 s.
    pub served_after: Vec<Millis>,
    /// The first guarantee that did not hold.
    pub violation: Option<Violation>,
    /// The timeline; empty unless the caller asked for it.
    pub trace: Vec<Entry>,
    /// The digests over all effects of the cores; `None` unless the caller asked for them.
    pub digested: Option<digest::Digested>,
}

/// Runs a random world. `policies` answer for the pools that [`Casts`] name.
pub fn run(options: &Options, policies: &dyn Policies, casts: &Casts, is_traced: bool) -> Report {
    estate::Estate::new(options, policies, casts, is_traced).run()
}

/// Runs a world as [`run`] does, once for each digest of the cores' effects; see [`digest`]. The
/// report describes the first run, except for a violation that only the second run has.
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
