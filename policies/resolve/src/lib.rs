//! The standard `resolve` policy: where is my worker?
//!
//! ```text
//! lib.rs       the order of the rules, and the component around them
//! home.rs      the instance that is, or by the pointer should be, the worker: serve it or wait for it
//! renewal.rs   there is no such instance: look by tag, then start or launch
//! backoff.rs   how long to pause after a failed launch or start
//! settings.rs  what a pool can set
//! ```
//!
//! ```text
//! home answers? ──yes──▶ serve · wait for its address, while it boots, while its state is not known
//!      │no
//! mutation under way? ──▶ wait
//!      │no
//! something may run that nobody looked at? ──▶ adopt (the host scans by tag)
//!      │no
//! pointer, or what it names, not known? ──▶ wait
//!      │no
//! failed lately? ──▶ unavailable, with a growing pause
//!      │no
//! not looked in this pass? ──yes──▶ adopt      ──no──▶ start what is stopped, else launch
//! ```
//!
//! Two rules carry the rest. Nothing is started or launched while the adopted instance is pending or
//! running, whatever its address does. And nothing is started or launched before a look by tag in the
//! same pass: a pointer that names a stopped instance says nothing about what else is running.

mod backoff;
mod home;
mod renewal;
mod settings;

use reeve_policy_sdk::about::Description;
use reeve_policy_sdk::resolve::{Action, Input, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::Reason;
use reeve_policy_sdk::{about, resolve};

pub use settings::{SCHEMA, Settings};

/// Decides from the input alone.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    let settings: Settings = parse(&input.settings)?;
    Ok(home::answer(input, &settings).unwrap_or_else(|| renewal::answer(input, &settings)))
}

/// A verdict that hands out nothing.
fn verdict(action: Action, code: &str, text: impl Into<String>) -> Verdict {
    Verdict {
        action,
        reason: Reason::new(code, text),
        valid_for_ms: 0,
        memo: String::new(),
    }
}

/// The component.
pub struct Policy;

impl resolve::Guest for Policy {
    fn decide(input: Input) -> Result<Verdict, String> {
        decide(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "resolve".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: resolve);
