//! Incident `self-fire` as it was. **Wrong on purpose**: it shows in demonstrations and tests what the host's
//! guard contains. Do not use it.
//!
//! ```text
//! lib.rs       the component and its one decision
//! settings.rs  there are none
//! ```

mod settings;

use reeve_policy_sdk::about::{self, Description};
use reeve_policy_sdk::debounce::{self, Choice, Input, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::Reason;

pub use settings::{SCHEMA, Settings};

/// "Requests that arrive during a cycle are coalesced into another full cycle."
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    parse::<Settings>(&input.settings)?;
    Ok(Verdict {
        choice: Choice::Go,
        reason: Reason::new(
            "recreate",
            format!("`{}`: recreating the workspace.", input.cause),
        ),
        valid_for_ms: 0,
    })
}

/// The component.
pub struct Policy;

impl debounce::Guest for Policy {
    fn decide(input: Input) -> Result<Verdict, String> {
        decide(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "legacy-self-fire".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: debounce);
