//! The incident docs/incidents.md#self-fire, replayed. **Wrong on purpose**: it shows in
//! demonstrations and tests what the host's guard contains. Do not use it.

use reeve_policy_sdk::debounce::{Choice, Input, Verdict};
use reeve_policy_sdk::policy;

policy!(debounce: decide);

/// "Requests that arrive during a cycle are coalesced into another full cycle."
pub fn decide(input: &Input) -> Verdict {
    let text = format!("`{}`: recreating the workspace.", input.cause);
    Choice::Go(input.kind).because("recreate", text)
}
