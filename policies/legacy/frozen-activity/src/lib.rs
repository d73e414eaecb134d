//! The incident docs/incidents.md#frozen-activity, replayed. **Wrong on purpose**: it shows in
//! demonstrations and tests what the host's guard contains. Do not use it.

use reeve_policy_sdk::policy;
use reeve_policy_sdk::reap::{Choice, Input, Verdict};
use reeve_policy_sdk::types::InstanceState;

policy!(reap: decide);

/// The timeout of an active hour. The hour of the incident had too few samples to be one, and even
/// this timeout stopped the worker.
const TIMEOUT_MS: u32 = 30 * 60 * 1000;
/// The watchdog asks each time that it looks.
const LOOK_AGAIN_MS: u32 = 1_000;

/// The flaw: "last activity" was written when the task started, and not when a message arrived.
pub fn decide(input: &Input) -> Verdict {
    let inactive_ms = input.instance.launched.ms().unwrap_or(0);
    let runs = matches!(input.instance.state, InstanceState::Running);
    let verdict = if runs && inactive_ms >= TIMEOUT_MS {
        let text = format!("Inactive for {} min.", inactive_ms / 60_000);
        Choice::End.because("inactivity-timeout", text)
    } else {
        Choice::Keep.because("active", "Within the timeout.")
    };
    verdict.look_again_ms(LOOK_AGAIN_MS)
}
