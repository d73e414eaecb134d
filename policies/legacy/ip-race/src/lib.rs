//! Incident `ip-race` as it was. **Wrong on purpose**: it shows in demonstrations and tests what the host's
//! guard contains. Do not use it.
//!
//! ```text
//! lib.rs       the component, and the two points with no more to them than a line
//! resolve.rs   adopts what runs; an adopted instance without an address falls through to a start
//! settings.rs  there are none
//! ```

mod resolve;
mod settings;

use reeve_policy_sdk::about::{self, Description};
use reeve_policy_sdk::adopt::{self, Choice};
use reeve_policy_sdk::retry_ip::{self, Next};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::{InstanceState, Reason};

pub use resolve::decide as resolve;
pub use settings::{SCHEMA, Settings};

/// Takes the first candidate that runs, whether or not it can be reached.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn adopt(input: &adopt::Input) -> Result<adopt::Verdict, String> {
    parse::<Settings>(&input.settings)?;
    let mut candidates = input.candidates.iter().map(|candidate| &candidate.facts);
    let first = candidates.find(|facts| facts.state == InstanceState::Running);
    let (choice, reason) = match first {
        Some(facts) => (
            Choice::Take(facts.id.clone()),
            Reason::new("gpu-instance-adopted-by-tag", format!("{} runs.", facts.id)),
        ),
        None => (
            Choice::None,
            Reason::new("gpu-instance-none-by-tag", "Nothing runs with the tag."),
        ),
    };
    Ok(adopt::Verdict {
        choice,
        reason,
        valid_for_ms: 0,
    })
}

/// Never looked a second time.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn retry_ip(input: &retry_ip::Input) -> Result<retry_ip::Verdict, String> {
    parse::<Settings>(&input.settings)?;
    let text = "There is neither a private nor a public address.";
    Ok(retry_ip::Verdict {
        next: Next::GiveUp(resolve::COME_BACK_MS),
        reason: Reason::new("gpu-instance-state-issue", text),
        valid_for_ms: 0,
    })
}

/// The component.
pub struct Policy;

impl reeve_policy_sdk::resolve::Guest for Policy {
    fn decide(
        input: reeve_policy_sdk::resolve::Input,
    ) -> Result<reeve_policy_sdk::resolve::Verdict, String> {
        resolve(&input)
    }
}

impl adopt::Guest for Policy {
    fn decide(input: adopt::Input) -> Result<adopt::Verdict, String> {
        adopt(&input)
    }
}

impl retry_ip::Guest for Policy {
    fn decide(input: retry_ip::Input) -> Result<retry_ip::Verdict, String> {
        retry_ip(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "legacy-ip-race".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: resolve, adopt, retry_ip);
