//! The watchdog: no invocations for ten minutes, so stop it. Whether anybody could have reached the
//! instance is not asked.

use reeve_policy_sdk::reap::{Choice, Demand, Input, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::types::{InstanceState, Reason};

use crate::settings::Settings;

const LOOK_AGAIN_MS: u32 = 60_000;

/// Decides as the incident's watchdog did.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    let settings: Settings = parse(&input.settings)?;
    if input.instance.state != InstanceState::Running {
        return Ok(verdict(Choice::Keep, "not-running", "It does not run."));
    }
    let is_silent = match input.demand {
        Demand::Requests(sample) => sample.count == 0 && sample.window_ms >= settings.idle_ms,
        // No data points add up to no invocations.
        Demand::Unavailable | Demand::TooFew => true,
    };
    let is_old = input
        .instance
        .launched
        .ms()
        .is_some_and(|ms| ms >= settings.idle_ms);
    if is_silent && is_old {
        return Ok(verdict(
            Choice::Stop,
            "idle",
            "GPU watchdog stopped, no upstream demand, invocations=0",
        ));
    }
    Ok(verdict(
        Choice::Keep,
        "in-use",
        "It is young or has invocations.",
    ))
}

fn verdict(choice: Choice, code: &str, text: &str) -> Verdict {
    Verdict {
        choice,
        reason: Reason::new(code, text),
        look_again_ms: LOOK_AGAIN_MS,
        memo: String::new(),
    }
}
