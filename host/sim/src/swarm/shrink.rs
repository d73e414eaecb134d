//! From a world in which a guarantee does not hold to the smallest one in which it still does not.
//!
//! What is left out is tried in this order: whole kinds of trouble, hosts, single occurrences by
//! halves (delta debugging: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
//! Input"). Each kind of choice has a random stream of its own, so leaving something out leaves the
//! rest as it was.

use reeve_core::ports::Policies;

use super::estate::BEGINS;
use super::fault::Fault;
use super::{Casts, Options, Report, run};

/// A world that fails, and what it came to.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// The world.
    pub options: Options,
    /// What it came to, with its trace.
    pub report: Report,
    /// How many worlds were tried.
    pub tried: usize,
}

/// Makes a failing world smaller, in at most `tries_max` tries. A world that does not fail stays as
/// it is.
pub fn shrink(
    options: &Options,
    policies: &dyn Policies,
    casts: &Casts,
    tries_max: usize,
) -> Smallest {
    let mut shrinker = Shrinker {
        policies,
        casts,
        report: run(options, policies, casts, false),
        options: options.clone(),
        tried: 1,
        tries_max,
    };
    if shrinker.report.violation.is_some() {
        shrinker.cut();
        shrinker.without_kinds();
        shrinker.with_fewer_hosts();
        shrinker.without_occurrences();
        shrinker.cut();
    }
    Smallest {
        report: run(&shrinker.options, policies, casts, true),
        options: shrinker.options,
        tried: shrinker.tried,
    }
}

struct Shrinker<'a> {
    policies: &'a dyn Policies,
    casts: &'a Casts,
    options: Options,
    report: Report,
    tried: usize,
    tries_max: usize,
}

impl Shrinker<'_> {
    /// Keeps the world if the same guarantee fails in it.
    fn try_out(&mut self, options: Options) -> bool {
        if self.tried >= self.tries_max {
            return false;
        }
        self.tried += 1;
        let report = run(&options, self.policies, self.casts, false);
        let guarantee = |report: &Report| report.violation.as_ref().map(|it| it.guarantee);
        let fails_alike = guarantee(&report) == guarantee(&self.report);
        if fails_alike {
            self.options = options;
            self.report = report;
        }
        fails_alike
    }

    /// Nothing after the failure matters.
    fn cut(&mut self) {
        if let Some(violation) = &self.report.violation {
            self.options.cut = Some(violation.at.since(BEGINS));
        }
    }

    fn without_kinds(&mut self) {
        for fault in Fault::ALL {
            let mut options = self.options.clone();
            if options.faults.remove(&fault) {
                options.cut = None;
                self.try_out(options);
                self.cut();
            }
        }
    }

    fn with_fewer_hosts(&mut self) {
        while self.options.hosts > 1 {
            let mut options = self.options.clone();
            options.hosts -= 1;
            options.cut = None;
            if !self.try_out(options) {
                break;
            }
            self.cut();
        }
    }

    /// Mutes single occurrences: first many at once, then fewer and fewer.
    fn without_occurrences(&mut self) {
        let mut chunk = self.occurrences().len().div_ceil(2);
        while chunk >= 1 && self.tried < self.tries_max {
            let mut from = 0;
            loop {
                let occurrences = self.occurrences();
                let Some(some) = occurrences.get(from..(from + chunk).min(occurrences.len()))
                else {
                    break;
                };
                if some.is_empty() {
                    break;
                }
                let mut options = self.options.clone();
                options.muted.extend(some.iter().copied());
                options.cut = None;
                if self.try_out(options) {
                    self.cut();
                } else {
                    from += chunk;
                }
            }
            chunk /= 2;
        }
    }

    /// What came up in the latest failing run and is not muted.
    fn occurrences(&self) -> Vec<(Fault, u64)> {
        let mut all = Vec::new();
        for fault in Fault::ALL {
            let fired = self.report.fired[fault.index()];
            all.extend((1..=fired).map(|count| (fault, count)));
        }
        all.retain(|it| !self.options.muted.contains(it) && it.0 != Fault::Throttled);
        all
    }
}
