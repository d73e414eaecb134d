//! A restart goes ahead unless the last one is still in flight.
use reeve_policy_sdk::debounce::{Choice, Input, Verdict};
use reeve_policy_sdk::policy;

policy!(debounce: decide);

fn decide(input: &Input) -> Verdict {
    if input.in_flight {
        return Choice::Drop.because("one-at-a-time", "The last restart is still in flight.");
    }
    Choice::Go(input.kind).because("none-in-flight", "No restart is in flight.")
}
