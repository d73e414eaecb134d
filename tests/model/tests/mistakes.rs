//! Each planted mistake leads to a broken promise, and the checker finds the order of events.

#![allow(
    clippy::print_stderr,
    reason = "states, depth, time and the order of events are what a person wants to read"
)]

use reeve_model::check::{check, two_hosts};
use reeve_model::model::{LeaseModel, Mistake, Safeguards};
use reeve_model::state::Left;

/// What has to go wrong so that the mistake shows.
fn faults(mistake: Mistake) -> Left {
    let none = Left::default();
    match mistake {
        // Only an instance that ends by itself leaves an adoption behind that is not live.
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

/// The promise that stands against a mistake.
fn stands_against(mistake: Mistake) -> &'static str {
    match mistake {
        Mistake::SkipFence | Mistake::TakeLeaseAtOnce => {
            "G6: what arrives is announced and current"
        }
        Mistake::SendBeforeWritten | Mistake::AnnounceNothing => {
            "G6: what arrives is announced and current"
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
        Mistake::UnknownIsDown | Mistake::LaunchBesideAdopted => {
            "G4: nothing is brought up beside the adopted instance"
        }
    }
}

#[test]
fn each_planted_mistake_breaks_the_promise_that_stands_against_it() {
    let mut missed = Vec::new();
    for mistake in Mistake::ALL {
        let model = LeaseModel::new(two_hosts(2).with(faults(mistake)));
        let summary = check(model.safeguards(Safeguards::ALL).with(mistake));
        eprintln!("{mistake:?}: {summary}");
        if !summary.breaks(stands_against(mistake)) {
            missed.push(mistake);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
