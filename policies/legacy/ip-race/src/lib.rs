//! The incident docs/incidents.md#ip-race, replayed. **Wrong on purpose**: it shows in
//! demonstrations and tests what the host's guard contains. Do not use it.
//!
//! ```text
//! lib.rs       the points `adopt` and `retry-ip`
//! resolve.rs   adopts a running instance; an adopted instance without an address leads to a start
//! ```

mod resolve;

use reeve_policy_sdk::adopt::{self, Choice};
use reeve_policy_sdk::policy;
use reeve_policy_sdk::retry_ip::{self, Next};
use reeve_policy_sdk::types::InstanceState;

pub use resolve::decide as resolve;

policy!(resolve: resolve, adopt: adopt, retry_ip: retry_ip);

/// Takes the first candidate that runs, whether or not it can be reached.
pub fn adopt(input: &adopt::Input) -> adopt::Verdict {
    let mut candidates = input.candidates.iter().map(|candidate| &candidate.facts);
    match candidates.find(|facts| facts.state == InstanceState::Running) {
        Some(facts) => {
            let text = format!("{} runs.", facts.id);
            Choice::Take(facts.id.clone()).because("gpu-instance-adopted-by-tag", text)
        }
        None => Choice::None.because("gpu-instance-none-by-tag", "Nothing runs with the tag."),
    }
}

/// Gives up after the first reading.
pub fn retry_ip(_: &retry_ip::Input) -> retry_ip::Verdict {
    let text = "There is neither a private nor a public address.";
    Next::GiveUp(resolve::COME_BACK_MS).because("gpu-instance-state-issue", text)
}
