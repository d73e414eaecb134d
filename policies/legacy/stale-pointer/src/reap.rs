//! The watchdog stops an instance after ten minutes without invocations. It does not ask whether a
//! caller could have reached the instance.

use reeve_policy_sdk::reap::{Choice, Input, Verdict};
use reeve_policy_sdk::types::{Demand, InstanceState};

use crate::settings::Settings;

/// Decides as the incident's watchdog did.
pub fn decide(input: &Input, settings: &Settings) -> Verdict {
    if input.instance.state != InstanceState::Running {
        return Choice::Keep.because("not-running", "It does not run.");
    }
    let is_silent = match input.demand {
        Demand::Requests(sample) => sample.count == 0 && sample.window_ms >= settings.idle_ms,
        // The flaw: the sum of no data points is no invocations.
        Demand::Unavailable | Demand::TooFew => true,
    };
    let is_old = input
        .instance
        .launched
        .ms()
        .is_some_and(|ms| ms >= settings.idle_ms);
    if is_silent && is_old {
        let text = "GPU watchdog stopped, no upstream demand, invocations=0";
        return Choice::Stop.because("idle", text);
    }
    Choice::Keep.because("in-use", "It is young or has invocations.")
}
