//! The sums over many worlds.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use reeve_sim::swarm::{Fault, Report, Violation};
use serde_json::json;

/// Sums over all worlds.
pub(crate) struct Tally {
    /// The number of worlds.
    pub(crate) seeds: u64,
    worker_hours: f64,
    steps: u64,
    decisions: u64,
    fired: [u64; Fault::COUNT],
    /// How many milliseconds each worker took to be served after the trouble, with the world's seed.
    served_after: Vec<(u64, u64)>,
    /// The violations, each with its seed.
    pub(crate) violations: Vec<(u64, Violation)>,
    took: Duration,
    threads: usize,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            seeds: 0,
            worker_hours: 0.0,
            steps: 0,
            decisions: 0,
            fired: [0; Fault::COUNT],
            served_after: Vec::new(),
            violations: Vec::new(),
            took: Duration::ZERO,
            threads: 0,
        }
    }
}

impl Tally {
    /// Adds the report of one world.
    pub(crate) fn enter(&mut self, seed: u64, report: &Report) {
        let hours = report.simulated.get() as f64 / 3_600_000.0;
        self.seeds += 1;
        self.worker_hours += hours * report.workers as f64;
        self.steps += report.steps;
        self.decisions += report.decisions;
        for (sum, fired) in self.fired.iter_mut().zip(report.fired) {
            *sum += fired;
        }
        let served = report.served_after.iter().map(|after| (after.get(), seed));
        self.served_after.extend(served);
        if let Some(violation) = &report.violation {
            eprintln!("seed {seed}: {violation}");
            self.violations.push((seed, violation.clone()));
        }
    }

    /// Stores the wall time so far and the number of threads, and sorts the violations by
    /// seed and the workers by how long they took to be served.
    pub(crate) fn measured(&mut self, took: Duration, threads: usize) {
        self.took = took;
        self.threads = threads;
        self.violations.sort_by_key(|(seed, _)| *seed);
        self.served_after.sort_unstable();
    }

    /// The wall time so far.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    fn per_core_hour(&self) -> f64 {
        let core_hours = self.took.as_secs_f64() * self.threads as f64 / 3_600.0;
        self.worker_hours / core_hours
    }

    /// The time within which this share of a hundred workers was served, in seconds, and the seed of
    /// the slowest of them; `None`: no worker was served.
    fn served_within(&self, percent: usize) -> Option<(f64, u64)> {
        let rank = (self.served_after.len() * percent).div_ceil(100);
        let (after, seed) = self.served_after.get(rank.checked_sub(1)?)?;
        Some((*after as f64 / 1_000.0, *seed))
    }

    /// Prints a progress line.
    pub(crate) fn say_how_far(&self) {
        let violations = self.violations.len();
        eprintln!("{} worlds, {violations} violations …", self.seeds);
    }

    pub(crate) fn print(&self) {
        println!("trouble, and how often it occurred");
        for fault in Fault::ALL {
            println!("  {:<26}{:>10}", fault.as_str(), self.fired[fault as usize]);
        }
        println!(
            "\n{} worlds, {:.0} simulated worker-hours in {:.1} s on {} core(s): {:.0} worker-hours an hour and core",
            self.seeds,
            self.worker_hours,
            self.took.as_secs_f64(),
            self.threads,
            self.per_core_hour()
        );
        println!(
            "{} steps, {} decisions of policies",
            self.steps, self.decisions
        );
        let served = [50, 99, 100].map(|percent| self.served_within(percent));
        if let [Some((p50, _)), Some((p99, _)), Some((max, seed))] = served {
            println!(
                "{} workers demanded or wanted after the trouble, served within: p50 {p50:.1} s, p99 {p99:.1} s, \
                 max {max:.1} s (seed {seed})",
                self.served_after.len()
            );
        }
        for (seed, violation) in &self.violations {
            println!("seed {seed}: {violation}");
        }
        println!("{} violations", self.violations.len());
    }

    /// Prints the kinds of trouble that occurred less often than `times`. Returns whether there is
    /// one.
    pub(crate) fn say_what_was_rare(&self, times: u64) -> bool {
        let rare = Fault::ALL
            .into_iter()
            .filter(|fault| self.fired[*fault as usize] < times);
        let rare: Vec<_> = rare.map(|fault| fault.as_str()).collect();
        if !rare.is_empty() {
            println!(
                "occurred less than {times} times: {}; more seeds are needed",
                rare.join(", ")
            );
        }
        !rare.is_empty()
    }

    /// Writes the figures. After a full disk or a kill, the file has the former figures. A device
    /// or a pipe is written to directly.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let faults: BTreeMap<_, _> = Fault::ALL
            .into_iter()
            .map(|fault| (fault.as_str(), self.fired[fault as usize]))
            .collect();
        let broken: Vec<_> = self
            .violations
            .iter()
            .map(|(seed, violation)| {
                let guarantee = format!("{:?}", violation.guarantee);
                json!({ "seed": seed, "guarantee": guarantee, "text": violation.text })
            })
            .collect();
        let figures = json!({
            "seeds": self.seeds,
            "violations": self.violations.len(),
            "broken": broken,
            "simulated_worker_hours": self.worker_hours.round(),
            "worker_hours_per_core_hour": self.per_core_hour().round(),
            "served_after_trouble_secs": {
                "workers": self.served_after.len(),
                "p50": self.served_within(50).map(|(secs, _)| secs),
                "p99": self.served_within(99).map(|(secs, _)| secs),
                "max": self.served_within(100).map(|(secs, _)| secs),
                "max_seed": self.served_within(100).map(|(_, seed)| seed),
            },
            "faults": faults,
        });
        let text = format!("{figures:#}\n");
        let is_special = file.metadata().is_ok_and(|found| !found.is_file());
        let written = if is_special {
            std::fs::write(file, text)
        } else {
            let mut partial = file.as_os_str().to_owned();
            partial.push(".partial");
            std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, file))
        };
        written.with_context(|| format!("cannot write {}", file.display()))
    }
}
