//! The checker finds, for each planted mistake, an order of events that breaks a promise.

#![allow(
    clippy::print_stderr,
    reason = "a person reads states, depth, time and the order of events"
)]

use reeve_model::check::{check, two_hosts};
use reeve_model::model::{LeaseModel, Mistake, Safeguards};
use reeve_model::state::Left;

/// The faults that let the mistake show.
fn faults(mistake: Mistake) -> Left {
    let none = Left::default();
    match mistake {
        // Only an instance that ends by itself stays adopted without being live.
        Mistake::AdoptOlder => Left { deaths: 1, ..none },
        _ => Left {
            crashes: 1,
            pauses: 1,
            unanswered: 1,
            store_failures: 1,
            deaths: 1,
            ..none
        },
    }
}

/// The promise that a mistake breaks.
fn promise_broken_by(mistake: Mistake) -> &'static str {
    match mistake {
        Mistake::SkipFence | Mistake::TakeLeaseAtOnce => {
            "G6: a mutation that arrives is announced and current"
        }
        Mistake::SendBeforeWritten | Mistake::AnnounceNothing => {
            "G6: a mutation that arrives is announced and current"
        }
        Mistake::KeepEpoch => "G6: a lease that is taken has the next epoch",
        Mistake::WriteWithoutComparing => "G6: epochs and generations never fall",
        Mistake::RenewToken => "G1: at most one instance exists per generation",
        Mistake::GiveLaunchUp | Mistake::DropLeftLaunch => {
            "G1: a launch is given up only on a definite answer"
        }
        Mistake::KeepGeneration => "G1: a new attempt is a new generation",
        Mistake::ForgetPointer => "G3: a stop clears the pointer for good",
        Mistake::AdoptOlder => "G2: the next adopted instance is not older",
        Mistake::UnknownIsDown | Mistake::LaunchWhileAdopted => {
            "G4: nothing is brought up while the adopted instance lives"
        }
    }
}

#[test]
fn each_planted_mistake_breaks_its_promise() {
    let mut missed = Vec::new();
    for mistake in Mistake::ALL {
        let model = LeaseModel::new(two_hosts(2).with(faults(mistake)));
        let summary = check(model.safeguards(Safeguards::ALL).with(mistake));
        eprintln!("{mistake:?}: {summary}");
        if !summary.breaks(promise_broken_by(mistake)) {
            missed.push(mistake);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
