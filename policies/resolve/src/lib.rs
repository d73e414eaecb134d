//! The standard `resolve` policy: where is my worker?
//!
//! ```text
//! lib.rs       the order of the rules
//! home.rs      the adopted instance, or the one that the pointer names: serve it or wait for it
//! renewal.rs   there is no such instance: scan by tag, then start or launch
//! backoff.rs   how long to pause after a failed launch or start
//! settings.rs  what a pool can set
//! ```
//!
//! ```text
//! home answers? ──yes──▶ serve · wait for its address, while it boots, while its state is not known
//!      │no
//! mutation in flight? ──▶ wait
//!      │no
//! may an instance run that no scan showed? ──▶ adopt (the host scans by tag)
//!      │no
//! pointer, or the instance that it names, not known? ──▶ wait
//!      │no
//! last launch or start failed? ──▶ unavailable, with a growing pause
//!      │no
//! no scan in this resolve yet? ──yes──▶ adopt      ──no──▶ start a stopped instance, else launch
//! ```
//!
//! Two rules carry the rest. Nothing is started or launched while the adopted instance is pending
//! or running, whether or not it has an address. And nothing is started or launched before a scan
//! by tag in the same resolve: a pointer that names a stopped instance does not say which others
//! run.

mod backoff;
mod home;
mod renewal;
mod settings;

use reeve_policy_sdk::policy;
use reeve_policy_sdk::resolve::{Input, Verdict};

pub use settings::Settings;

policy!(resolve: decide, Settings);

/// Decides from the input and the settings alone.
pub fn decide(input: &Input, settings: &Settings) -> Verdict {
    home::answer(input, settings).unwrap_or_else(|| renewal::answer(input, settings))
}
