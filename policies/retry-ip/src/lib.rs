//! The standard `retry-ip` policy: an instance runs, but the provider has not assigned its address yet.
//!
//! ```text
//! lib.rs       the decision, and the component around it
//! settings.rs  how often, how far apart, when to come back
//! ```
//!
//! The address shows within 1 to 5 seconds after `running`, with no bound in writing. So the caller is
//! kept for a bounded number of looks and is then told when to come back; the host looks on alone.

mod settings;

use reeve_policy_sdk::about::Description;
use reeve_policy_sdk::retry_ip::{Input, Next, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::Reason;
use reeve_policy_sdk::{about, retry_ip};

pub use settings::{SCHEMA, Settings};

/// Looks again while looks are left, then gives up for this caller.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    let settings: Settings = parse(&input.settings)?;
    let waited = duration(input.waited_ms);
    // The first reading is what raised the question; `tries` counts the looks after it.
    if input.tries <= settings.tries {
        return Ok(Verdict {
            next: Next::Again(settings.interval_ms),
            reason: Reason::new(
                "look-again",
                format!(
                    "The address is pending after {waited}; look {} of {} follows in {}.",
                    input.tries,
                    settings.tries,
                    duration(settings.interval_ms)
                ),
            ),
            valid_for_ms: settings.interval_ms,
        });
    }
    Ok(Verdict {
        next: Next::GiveUp(settings.come_back_ms),
        reason: Reason::new(
            "ip-pending",
            format!(
                "The address is still pending after {waited} and {} readings; come back in {}.",
                input.tries,
                duration(settings.come_back_ms)
            ),
        ),
        valid_for_ms: settings.come_back_ms,
    })
}

/// The component.
pub struct Policy;

impl retry_ip::Guest for Policy {
    fn decide(input: Input) -> Result<Verdict, String> {
        decide(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "retry-ip".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: retry_ip);
