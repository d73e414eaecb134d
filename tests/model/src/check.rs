//! Runs a model until every state is visited or a promise breaks, and sums the run up.

use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::model::{Action, Bounds, LeaseModel};
use crate::state::{Left, Shown};

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The number of distinct states.
    pub states: usize,
    /// The number of steps to the state that is farthest from the first one.
    pub depth: usize,
    /// The wall time of the run.
    pub took: Duration,
    /// The broken promises, each with an order of events that breaks it.
    pub broken: Vec<(&'static str, Vec<Action>)>,
    /// The milestones that no order of events reached.
    pub unreached: Vec<&'static str>,
}

/// Tries orders of events until all are tried or a promise breaks.
pub fn check(model: LeaseModel) -> Summary {
    let begun = Instant::now();
    let checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let took = begun.elapsed();
    let mut broken = Vec::new();
    let mut discoveries = checker.discoveries();
    let mut unreached = Vec::new();
    for property in checker.model().properties() {
        let found = discoveries.remove(property.name);
        match (property.expectation, found) {
            (Expectation::Always, Some(path)) => broken.push((property.name, path.into_actions())),
            (Expectation::Sometimes, None) => unreached.push(property.name),
            _ => {}
        }
    }
    Summary {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took,
        broken,
        unreached,
    }
}

impl Summary {
    /// Whether this promise breaks.
    pub fn breaks(&self, promise: &str) -> bool {
        self.broken.iter().any(|(name, _)| *name == promise)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} states, depth {}, {:.1} s",
            self.states,
            self.depth,
            self.took.as_secs_f64()
        )?;
        for (name, actions) in &self.broken {
            writeln!(f, "broken: {name}")?;
            for action in actions {
                writeln!(f, "  {action:?}")?;
            }
        }
        for name in &self.unreached {
            writeln!(f, "never reached: {name}")?;
        }
        Ok(())
    }
}

/// The bounds for two hosts and this many generations, without faults.
pub fn two_hosts(generations: u8) -> Bounds {
    Bounds {
        hosts: 2,
        generations,
        faults: Left::default(),
        found: None,
    }
}

impl Bounds {
    /// The same bounds with these faults.
    #[must_use]
    pub fn with(self, faults: Left) -> Self {
        Self { faults, ..self }
    }

    /// The same bounds with an instance that another system launched.
    #[must_use]
    pub fn finding(self, shown: Shown) -> Self {
        let found = Some(shown);
        Self { found, ..self }
    }
}
