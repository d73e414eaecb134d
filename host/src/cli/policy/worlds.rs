//! Runs a policy in random worlds: hosts crash, the cloud returns wrong readings, boxes hang. reeve
//! keeps its guarantees whatever the policy says. Whether workers are served after the faults end
//! depends on the policy.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use reeve_core::decision::Decision;
use reeve_core::guard::Rule;
use reeve_core::id::PoolName;
use reeve_core::point::Input;
use reeve_core::ports::Policies;
use reeve_sim::swarm::{self, Casts, Fault, Options, Violation};
use reeve_sim::timeline;

use crate::demo::{Cast, Part};
use crate::print;

/// Faults that say nothing about the policy under test: another answers in its place, or a part of
/// its pool fails for good.
const NOT_ITS_OWN: [Fault; 5] = [
    Fault::PolicyFails,
    Fault::PolicyLies,
    Fault::PoolPoliciesFail,
    Fault::RecordUnreadable,
    Fault::PoolScansFail,
];
/// How many worlds are tried to find a smaller one that fails.
const TRIES_MAX: usize = 1_000;

/// The worlds, and the policies that run in them.
pub(super) struct Gate {
    player: Player,
    casts: Casts,
}

impl Gate {
    pub(super) fn new(directory: &Path, component: &Path, settings: &str) -> anyhow::Result<Self> {
        let part = Cast::new(directory)?.tested(component, settings)?;
        Ok(Self {
            player: Player {
                part,
                failed: AtomicU64::new(0),
            },
            casts: Casts {
                sound: vec!["tested".to_owned()],
                legacy: Vec::new(),
            },
        })
    }

    /// Runs this many worlds. Returns whether all went well.
    pub(super) fn run(&self, worlds: u64) -> anyhow::Result<bool> {
        let (mut hours, mut decisions) = (0.0, 0);
        let mut vetoes: BTreeMap<Rule, u64> = BTreeMap::new();
        let mut violations: Vec<(u64, Violation)> = Vec::new();
        for seed in 1..=worlds {
            let report = swarm::run(&self.options(seed), &self.player, &self.casts, false);
            hours += report.simulated.get() as f64 / 3_600_000.0 * report.workers as f64;
            decisions += report.decisions;
            for (rule, times) in report.vetoes {
                *vetoes.entry(rule).or_default() += times;
            }
            violations.extend(report.violation.map(|violation| (seed, violation)));
        }
        let failed = self.player.failed.load(Ordering::Relaxed);
        let mut text = format!(
            "{worlds} random worlds, {hours:.0} worker-hours: {decisions} decisions, {failed} of them failed\n"
        );
        text += &refused(&vetoes);
        for (seed, violation) in &violations {
            text += &format!("  seed {seed}: {violation}\n");
        }
        text += &match violations.first() {
            None => "  every guarantee held, and after the faults ended, every worker was served\n"
                .to_owned(),
            Some((seed, _)) => format!(
                "  {} of the worlds went wrong; the same command with --seed {seed} prints one of them\n",
                violations.len()
            ),
        };
        print::text(&text)?;
        Ok(violations.is_empty() && failed == 0)
    }

    /// Prints the world of a seed. If it fails, prints the smallest world that fails the same way.
    pub(super) fn tell(&self, seed: u64) -> anyhow::Result<bool> {
        let options = self.options(seed);
        let mut told = options.to_string();
        let mut report = swarm::run(&options, &self.player, &self.casts, true);
        if report.violation.is_some() {
            let smallest = swarm::shrink(&options, &self.player, &self.casts, TRIES_MAX);
            told = smallest.options.to_string();
            report = smallest.report;
        }
        let mut text = format!("{told}\n{}", timeline::told(&report.trace));
        if let Some(violation) = &report.violation {
            text += &format!("{violation}\n");
        }
        print::text(&text)?;
        Ok(report.violation.is_none())
    }

    fn options(&self, seed: u64) -> Options {
        let mut options = Options::draw(seed, &self.casts.sound);
        options.faults.retain(|fault| !NOT_ITS_OWN.contains(fault));
        options
    }
}

/// The guard's vetoes per rule, most frequent first.
fn refused(vetoes: &BTreeMap<Rule, u64>) -> String {
    let mut vetoes: Vec<_> = vetoes.iter().collect();
    vetoes.sort_by_key(|(rule, times)| (std::cmp::Reverse(**times), **rule));
    let all: u64 = vetoes.iter().map(|(_, times)| **times).sum();
    let rules: Vec<_> = vetoes
        .iter()
        .map(|(rule, times)| format!("{rule} {times}"))
        .collect();
    match all {
        0 => "  the guard refused nothing\n".to_owned(),
        _ => format!("  the guard refused {all}: {}\n", rules.join(", ")),
    }
}

/// The policy under test, and how often it gave no usable verdict.
struct Player {
    part: Part,
    failed: AtomicU64,
}

impl Policies for Player {
    fn decide(&self, pool: &PoolName, input: Input) -> Decision {
        let made = self.part.decide(pool, input);
        if made.result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        made
    }
}
