//! The standard `retry-ip` policy: an instance runs, but the provider has not assigned its address
//! yet.
//!
//! ```text
//! lib.rs       the decision
//! settings.rs  how often, how far apart, when to come back
//! ```
//!
//! The address shows within 1 to 5 seconds after `running`, with no documented bound. So the caller
//! waits for a bounded number of readings, and is then told when to come back. The host reads on
//! without the caller.

mod settings;

use reeve_policy_sdk::policy;
use reeve_policy_sdk::retry_ip::{Input, Next, Verdict};
use reeve_policy_sdk::text::duration;

pub use settings::Settings;

policy!(retry_ip: decide, Settings);

/// Asks for another reading while some are left, then gives up for this caller.
pub fn decide(input: &Input, settings: &Settings) -> Verdict {
    let waited = duration(input.waited_ms);
    // The first reading raised the question; `tries` counts the readings after it.
    if input.tries <= settings.tries {
        let text = format!(
            "The address is pending after {waited}; look {} of {} follows in {}.",
            input.tries,
            settings.tries,
            duration(settings.interval_ms)
        );
        return Next::Again(settings.interval_ms)
            .because("look-again", text)
            .valid_for_ms(settings.interval_ms);
    }
    let text = format!(
        "The address is still pending after {waited} and {} readings; come back in {}.",
        input.tries,
        duration(settings.come_back_ms)
    );
    Next::GiveUp(settings.come_back_ms)
        .because("ip-pending", text)
        .valid_for_ms(settings.come_back_ms)
}
