//! Incident `frozen-activity` as it was. **Wrong on purpose**: it shows in demonstrations and tests what the
//! host's guard contains. Do not use it.
//!
//! ```text
//! lib.rs       the component and its one decision
//! settings.rs  there are none
//! ```

mod settings;

use reeve_policy_sdk::about::{self, Description};
use reeve_policy_sdk::reap::{self, Choice, Input, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::{InstanceState, Reason};

pub use settings::{SCHEMA, Settings};

/// The timeout of an hour that was active; the hour of the incident had too few samples to be one, and even this
/// killed it.
const TIMEOUT_MS: u32 = 30 * 60 * 1000;
/// Each look of the watchdog asks anew.
const LOOK_AGAIN_MS: u32 = 1_000;

/// "Last activity" was written when the task started, and by no message that it got.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    parse::<Settings>(&input.settings)?;
    let inactive_ms = input.instance.launched.ms().unwrap_or(0);
    let runs = matches!(input.instance.state, InstanceState::Running);
    let (choice, reason) = if runs && inactive_ms >= TIMEOUT_MS {
        let text = format!("Inactive for {} min.", inactive_ms / 60_000);
        (Choice::Stop, Reason::new("inactivity-timeout", text))
    } else {
        (
            Choice::Keep,
            Reason::new("active", "Within the timeout.".to_owned()),
        )
    };
    Ok(Verdict {
        choice,
        reason,
        look_again_ms: LOOK_AGAIN_MS,
        memo: String::new(),
    })
}

/// The component.
pub struct Policy;

impl reap::Guest for Policy {
    fn decide(input: Input) -> Result<Verdict, String> {
        decide(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "legacy-frozen-activity".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: reap);
