//! The standard `adopt` policy: which running instance embodies the worker?
//!
//! ```text
//! lib.rs       the decision, and the component around it
//! rules.rs     who may be taken, and who is better
//! settings.rs  what a pool can set
//! ```
//!
//! The best candidate is the one that can serve soonest: running before pending, and among the running
//! one that has an address before one that has none. Only between equals does age decide. An address is
//! worth more than age because adoption is asked for when a caller waits and nothing else serves: the
//! newest instance without an address would keep that caller for seconds while another could answer.

mod rules;
mod settings;

use reeve_policy_sdk::about::Description;
use reeve_policy_sdk::adopt::{Candidate, Choice, Input, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::{InstanceState, Reason};
use reeve_policy_sdk::{about, adopt};

pub use settings::{Prefer, RequiredTag, SCHEMA, Settings};

/// Takes the best candidate that the settings allow.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    let settings: Settings = parse(&input.settings)?;
    let allowed = input
        .candidates
        .iter()
        .filter(|candidate| rules::objection(candidate, &settings).is_none());
    // Of several equals the first is taken, and the list begins with the newest.
    let best = allowed.min_by_key(|candidate| rules::rank(&candidate.facts, settings.prefer));
    Ok(match best {
        Some(candidate) => take(candidate, input.candidates.len()),
        None => decline(input, &settings),
    })
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
    Verdict {
        choice: Choice::Take(facts.id.clone()),
        reason: Reason::new(
            code,
            format!("{} {what}; it is the best of {shown} shown.", facts.id),
        ),
        valid_for_ms: 0,
    }
}

fn decline(input: &Input, settings: &Settings) -> Verdict {
    let reason = if input.candidates.is_empty() {
        Reason::new(
            "no-candidates",
            "Nothing pending or running carries the worker's tags.",
        )
    } else {
        let objections = input
            .candidates
            .iter()
            .filter_map(|candidate| rules::objection(candidate, settings));
        Reason::new("none-suitable", rules::in_words(objections))
    };
    Verdict {
        choice: Choice::None,
        reason,
        valid_for_ms: settings.none_valid_ms,
    }
}

/// The component.
pub struct Policy;

impl adopt::Guest for Policy {
    fn decide(input: Input) -> Result<Verdict, String> {
        decide(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "adopt".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: adopt);
