//! A restart goes ahead unless the last one is still in flight.
use reeve_policy_sdk::debounce::{Choice, Guest, Input, Verdict};
use reeve_policy_sdk::types::Reason;

struct OneAtATime;

impl Guest for OneAtATime {
    fn decide(input: Input) -> Result<Verdict, String> {
        Ok(Verdict {
            choice: match input.in_flight {
                true => Choice::Drop,
                false => Choice::Go,
            },
            reason: Reason::new("one-at-a-time", "One restart at a time."),
            valid_for_ms: 0,
        })
    }
}

reeve_policy_sdk::debounce::export!(OneAtATime with_types_in reeve_policy_sdk::debounce);
