//! The behaviours that every [`Store`] must have.
//!
//! A check uses workers of its own, with names that no record has yet. The suite can therefore run
//! repeatedly, and against a store with other records. Two runs at the same time disturb each
//! other. Checks never remove records, so each run leaves some. The caller awaits the checks on any
//! runtime.
//!
//! - `commits`: versions, compare-and-set and repeated commits.
//! - `activity`: the activity that the store keeps next to the record, and commits that depend on
//!   it.
//! - `content`: names and records that a store could change by mistake.
//! - `numbers`: reservations of decision ids. `ledger`: facts that end, of every [`Ledger`](reeve_core::ports::Ledger).
//! - `subject`: the worker of a check, and how a check reports a difference.

mod activity;
mod commits;
mod content;
mod ledger;
mod numbers;
mod subject;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use reeve_core::ports::Store;

pub use ledger::check_ledger;
use subject::Outcome;

type Checking<'store> = Pin<Box<dyn Future<Output = Outcome> + Send + 'store>>;

/// The check of one behaviour.
#[derive(Clone, Copy)]
pub struct Check {
    /// The behaviour as a sentence, with underscores.
    pub name: &'static str,
    run: for<'store> fn(&'store dyn Store) -> Checking<'store>,
}

/// A behaviour that a store lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The [`Check::name`].
    pub check: &'static str,
    /// The expected and the found value.
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
    /// Checks that the store has this behaviour.
    ///
    /// # Errors
    /// [`Unmet`]: the store lacks the behaviour, or a call failed.
    pub async fn run(&self, store: &dyn Store) -> Result<(), Unmet> {
        (self.run)(store).await.map_err(|found| Unmet {
            check: self.name,
            why: found.to_string(),
        })
    }
}

/// All checks, for a caller that gives each check its own test or time limit.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        commits::CHECKS,
        activity::CHECKS,
        content::CHECKS,
        numbers::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Runs all checks, even after a failed one, and returns the behaviours that the store lacks.
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

/// Polls all futures together until each has ended, in the order of the store's responses.
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
