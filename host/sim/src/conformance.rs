//! What every [`Store`] is held to, behaviour by behaviour.
//!
//! A check uses workers of its own, under names that no record has yet, so the suite can be run
//! against a store that holds other records, and again and again; only two runs at the same time
//! get in each other's way. Records are never removed, so each run leaves some. Nothing here needs
//! a runtime: the caller that awaits brings one, or none.
//!
//! - `commits`: versions, compare-and-set, sending again.
//! - `activity`: what is refreshed next to the record, and commits that depend on it.
//! - `content`: names and records that are easily mangled.
//! - `subject`: a worker of a check's own, and how checks say what they found.

mod activity;
mod commits;
mod content;
mod subject;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use reeve_core::ports::Store;

use subject::Outcome;

type Checking<'store> = Pin<Box<dyn Future<Output = Outcome> + Send + 'store>>;

/// One behaviour.
#[derive(Clone, Copy)]
pub struct Check {
    /// The behaviour as a sentence, with underscores.
    pub name: &'static str,
    run: for<'store> fn(&'store dyn Store) -> Checking<'store>,
}

/// A behaviour that a store does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The [`Check::name`].
    pub check: &'static str,
    /// What was expected and what was found.
    pub why: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.why)
    }
}

/// Lists async functions as checks of the same name.
macro_rules! list {
    ($($name:ident),* $(,)?) => {
        &[$($crate::conformance::Check {
            name: stringify!($name),
            run: |store| Box::pin($name(store)),
        }),*]
    };
}
use list;

impl Check {
    /// Holds the store to this behaviour.
    ///
    /// # Errors
    /// [`Unmet`]: it does not have it, or a call failed.
    pub async fn run(&self, store: &dyn Store) -> Result<(), Unmet> {
        (self.run)(store).await.map_err(|found| Unmet {
            check: self.name,
            why: found.to_string(),
        })
    }
}

/// All checks, for a caller that gives each a test or a time limit of its own.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [commits::CHECKS, activity::CHECKS, content::CHECKS]
        .into_iter()
        .flatten()
}

/// Runs all checks, also after one has failed, and returns what is not met.
pub async fn unmet(store: &dyn Store) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    for check in checks() {
        unmet.extend(check.run(store).await.err());
    }
    unmet
}

/// Runs all checks.
///
/// # Panics
/// When the store lacks a behaviour; the message lists all that it lacks.
pub async fn all(store: &dyn Store) {
    let unmet = unmet(store).await;
    let lines: Vec<String> = unmet.iter().map(|unmet| format!("- {unmet}\n")).collect();
    assert!(
        lines.is_empty(),
        "the store lacks {} of {} behaviours:\n{}",
        lines.len(),
        checks().count(),
        lines.concat()
    );
}

/// Polls all of them together until each has ended, in whatever order the store answers.
async fn join<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_some() {
                continue;
            }
            if let Poll::Ready(ended) = Pin::new(future).poll(context) {
                *output = Some(ended);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
