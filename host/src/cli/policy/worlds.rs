//! Runs a policy in random worlds: hosts crash, the cloud returns wrong readings, boxes hang. reeve
//! keeps its guarantees whatever the policy says. Whether workers are served after the faults end
//! depends on the policy, and so does its [`Conduct`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reeve_core::decision::Decision;
use reeve_core::guard::Rule;
use reeve_core::id::PoolName;
use reeve_core::point::{Input, Point};
use reeve_core::ports::Policies;
use reeve_sim::swarm::{self, Casts, Fault, Options, Report, Violation};
use reeve_sim::timeline;

use super::conduct::Conduct;
use crate::demo::{Cast, Part};
use crate::print;
use crate::ticker::Ticker;

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
/// After so many failed decisions a policy is not asked again. Each may take a tenth of a second, and
/// a world has thousands.
const FAILED_MAX: u64 = 25;
/// The run ends after so many worlds that went wrong: more of them show little that is new.
const WRONG_MAX: usize = 5;
/// How often progress is told during a run.
const PARTS: u64 = 10;

/// The worlds, and the policies that run in them.
pub(super) struct Gate {
    player: Player,
    casts: Casts,
    /// Ends a call whose work costs no fuel.
    _ticker: Ticker,
}

impl Gate {
    pub(super) fn new(directory: &Path, component: &Path, settings: &str) -> anyhow::Result<Self> {
        let mut cast = Cast::compiled_in_children(directory)?;
        let ticker = Ticker::start(cast.engine().clone())?;
        let part = cast.tested(component, settings)?;
        Ok(Self {
            player: Player {
                part,
                seen: Mutex::default(),
            },
            _ticker: ticker,
            casts: Casts {
                sound: vec!["tested".to_owned()],
                legacy: Vec::new(),
            },
        })
    }

    /// Runs this many worlds. Returns whether all went well.
    pub(super) fn run(&self, worlds: u64) -> anyhow::Result<bool> {
        let mut tally = Tally::default();
        for seed in 1..=worlds {
            self.player.seen().conduct.begin_world(seed);
            let report = swarm::run(&self.options(seed), &self.player, &self.casts, false);
            tally.take(seed, report);
            if self.player.seen().failed >= FAILED_MAX || tally.violations.len() >= WRONG_MAX {
                break;
            }
            if seed < worlds && seed % worlds.div_ceil(PARTS) == 0 {
                print::error(format_args!("{seed} of {worlds} worlds"));
            }
        }
        let seen = self.player.seen();
        let charges = seen.conduct.charges();
        let text = tally.told(worlds, &seen, &charges);
        print::text(&text)?;
        Ok(tally.violations.is_empty() && seen.failed == 0 && charges.is_empty())
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

/// What a run showed.
#[derive(Default)]
struct Tally {
    worlds: u64,
    hours: f64,
    decisions: u64,
    vetoes: BTreeMap<Rule, u64>,
    violations: Vec<(u64, Violation)>,
}

impl Tally {
    fn take(&mut self, seed: u64, report: Report) {
        self.worlds += 1;
        self.hours += report.simulated.get() as f64 / 3_600_000.0 * report.workers as f64;
        self.decisions += report.decisions;
        for (rule, times) in report.vetoes {
            *self.vetoes.entry(rule).or_default() += times;
        }
        let violation = report.violation.map(|violation| (seed, violation));
        self.violations.extend(violation);
    }

    fn told(&self, worlds: u64, seen: &Seen, charges: &[String]) -> String {
        let mut text = format!(
            "{} random worlds, {:.0} worker-hours: {} decisions, {} of them failed\n",
            self.worlds, self.hours, self.decisions, seen.failed
        );
        if let Some(failure) = seen.failure() {
            text += &format!("  the last to fail: {failure}\n");
        }
        if seen.failed >= FAILED_MAX {
            text += &format!(
                "  it was not asked again after {FAILED_MAX} failures, and the other worlds are left out\n"
            );
        } else if self.worlds < worlds {
            let left = worlds - self.worlds;
            text += &format!("  {left} worlds are left out, because so many went wrong\n");
        }
        text += &refused(&self.vetoes);
        for (seed, violation) in &self.violations {
            text += &format!("  seed {seed}: {violation}\n");
        }
        for charge in charges {
            text += &format!("  {charge}\n");
        }
        text + &self.verdict(seen.failed > 0 || !charges.is_empty())
    }

    fn verdict(&self, is_charged: bool) -> String {
        match self.violations.first() {
            Some((seed, _)) => format!(
                "  {} of the worlds went wrong; the same command with --seed {seed} prints one of them\n",
                self.violations.len()
            ),
            None if is_charged => {
                "  every guarantee held, because the host refuses what a policy may not do\n"
                    .to_owned()
            }
            None => "  every guarantee held, and after the faults ended, every worker was served\n"
                .to_owned(),
        }
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

/// The policy under test, and what it did.
struct Player {
    part: Part,
    seen: Mutex<Seen>,
}

/// What a policy did in the worlds so far.
#[derive(Default)]
struct Seen {
    /// How often it gave no usable verdict.
    failed: u64,
    /// The last decision without one.
    last_failed: Option<Decision>,
    conduct: Conduct,
}

impl Seen {
    /// Why the policy last gave no usable verdict.
    fn failure(&self) -> Option<String> {
        let failed = self.last_failed.as_ref()?;
        let failure = failed.result.as_ref().err()?;
        Some(format!("{}: {}", failed.input.point(), failure.text))
    }

    /// The failure of a policy that has failed too often at this point to be asked again.
    fn given_up(&self, point: Point) -> Option<&Decision> {
        let failed = self.last_failed.as_ref();
        failed.filter(|failed| self.failed >= FAILED_MAX && failed.input.point() == point)
    }

    fn note(&mut self, made: &Decision) {
        match &made.result {
            Ok(verdict) => self.conduct.note(&made.input, verdict),
            Err(_) => {
                self.failed += 1;
                self.last_failed = Some(made.clone());
            }
        }
    }
}

impl Player {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policies for Player {
    fn decide(&self, pool: &PoolName, input: Input) -> Decision {
        if let Some(failed) = self.seen().given_up(input.point()) {
            return Decision {
                input,
                ..failed.clone()
            };
        }
        let made = self.part.decide(pool, input);
        self.seen().note(&made);
        made
    }
}
