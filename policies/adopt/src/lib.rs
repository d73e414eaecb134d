//! The standard `adopt` policy: which running instance should the host adopt?
//!
//! ```text
//! lib.rs       the decision
//! rules.rs     which candidate may be taken, and which is better
//! settings.rs  what a pool can set
//! ```
//!
//! A candidate that a signal calls unwell is taken only if there is no other. Otherwise the best
//! candidate is the one that can serve soonest: a running one before a pending one, and among the
//! running ones, one with an address before one without. Only between equals does age
//! decide. An address is worth more than age because `adopt` is asked while a caller waits and
//! nothing else serves. The newest instance without an address would keep that caller for seconds
//! while another could serve.

mod rules;
mod settings;

use reeve_policy_sdk::adopt::{Candidate, Choice, Input, Verdict};
use reeve_policy_sdk::policy;
use reeve_policy_sdk::types::InstanceState;

pub use settings::{Prefer, RequiredTag, Settings};

policy!(adopt: decide, Settings);

/// Takes the best candidate that the settings allow.
pub fn decide(input: &Input, settings: &Settings) -> Verdict {
    let allowed = input
        .candidates
        .iter()
        .filter(|candidate| rules::objection(candidate, settings).is_none());
    // Of several equals the first is taken, and the list begins with the newest.
    let best = allowed.min_by_key(|candidate| rules::rank(candidate, settings.prefer));
    match best {
        Some(candidate) => take(candidate, input.candidates.len()),
        None => decline(input, settings),
    }
}

fn take(candidate: &Candidate, shown: usize) -> Verdict {
    let facts = &candidate.facts;
    let (code, what) = match (facts.state, facts.addresses.any()) {
        (InstanceState::Running, true) => ("running-with-address", "runs and has an address"),
        (InstanceState::Running, false) => {
            ("running-without-address", "runs; its address is pending")
        }
        _ => ("pending", "is booting"),
    };
    let text = format!("{} {what}; it is the best of {shown} shown.", facts.id);
    Choice::Take(facts.id.clone()).because(code, text)
}

fn decline(input: &Input, settings: &Settings) -> Verdict {
    let verdict = if input.candidates.is_empty() {
        let text = "Nothing pending or running carries the worker's tags.";
        Choice::None.because("no-candidates", text)
    } else {
        let objections = input
            .candidates
            .iter()
            .filter_map(|candidate| rules::objection(candidate, settings));
        Choice::None.because("none-suitable", rules::in_words(objections))
    };
    verdict.valid_for_ms(settings.none_valid_ms)
}
