//! Tries every order of events within the bounds: no promise breaks, and every milestone is
//! reached.

#![allow(
    clippy::print_stderr,
    reason = "a person reads states, depth, time and the order of events"
)]

use std::collections::BTreeSet;

use reeve_model::check::{check, two_hosts};
use reeve_model::model::{Bounds, LeaseModel, Safeguards};
use reeve_model::state::{Left, Shown};

/// Bounds that take seconds each. Together they reach every milestone. The binary `reeve-model` has
/// larger bounds.
fn bounds() -> Vec<Bounds> {
    let none = Left::default();
    vec![
        two_hosts(1).with(Left {
            crashes: 1,
            pauses: 1,
            unanswered: 1,
            store_failures: 1,
            ..none
        }),
        two_hosts(1).with(Left {
            pauses: 1,
            late: 1,
            refusals: 1,
            ..none
        }),
        two_hosts(2).with(Left { deaths: 1, ..none }),
        two_hosts(1).finding(Shown::Stopped),
    ]
}

#[test]
fn no_order_of_events_breaks_a_promise_and_all_milestones_are_reached() {
    let mut unreached: Option<BTreeSet<&str>> = None;
    for bounds in bounds() {
        let summary = check(LeaseModel::new(bounds.clone()).safeguards(Safeguards::ALL));
        eprintln!("{bounds:?}: {summary}");
        assert!(summary.broken.is_empty(), "{bounds:?}: {summary}");
        let missing = summary.unreached.into_iter().collect();
        unreached = Some(match unreached {
            None => missing,
            Some(before) => before.intersection(&missing).copied().collect(),
        });
    }
    assert_eq!(unreached, Some(BTreeSet::new()), "never reached");
}
