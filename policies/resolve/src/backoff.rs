//! How long to pause after a launch or a start has failed, and with which capacity option to launch.

use reeve_policy_sdk::resolve::{Act, Action, Failure, FailureKind, Input, Verdict};
use reeve_policy_sdk::text::duration;

use crate::settings::Settings;

/// A person has to grant missing rights. A try more often than once a minute only fills the log.
const DENIED_WAIT_MS: u32 = 60_000;

/// `unavailable` for the rest of the pause; `None` if nothing failed, the pause is over, or another
/// capacity option may be tried.
pub(crate) fn answer(input: &Input, settings: &Settings) -> Option<Verdict> {
    let holds = input.failures.iter().filter(|it| !is_of_option(it));
    let longest = holds.max_by_key(|it| remaining_ms(it, settings));
    let all_tried = || match option(input, settings) {
        Some(_) => None,
        None => {
            let tried = input.failures.iter().filter(|it| is_of_option(it));
            tried.min_by_key(|it| remaining_ms(it, settings))
        }
    };
    let is_held = |it: &&Failure| remaining_ms(it, settings) > 0;
    let failure = longest.filter(is_held).or_else(all_tried)?;
    let (code, what) = match failure.kind {
        FailureKind::NoCapacity => ("no-capacity", "the provider has no capacity"),
        FailureKind::Throttled => ("throttled", "the provider limits the rate of calls"),
        FailureKind::Denied => ("denied", "the host's credentials do not allow it"),
        FailureKind::TimedOut => ("timed-out", "the instance did not come up"),
        FailureKind::Other => ("failed", "the provider refused"),
    };
    let remaining_ms = remaining_ms(failure, settings);
    let text = format!(
        "The last launch or start failed: {what} (failure {} in a row); the next try is in {}.",
        failure.count,
        duration(remaining_ms)
    );
    Some(Action::Unavailable(remaining_ms).because(code, text))
}

/// The first capacity option that is not in the pause after a lack of capacity; `None` if all are.
pub(crate) fn option(input: &Input, settings: &Settings) -> Option<u32> {
    (0..input.capacity_options.max(1)).find(|option| {
        let mut tried = input.failures.iter().filter(|it| is_of_option(it));
        !tried.any(|it| it.capacity_option == *option && remaining_ms(it, settings) > 0)
    })
}

/// Whether another capacity option may succeed where this act failed.
fn is_of_option(failure: &Failure) -> bool {
    failure.act == Act::Launch && failure.kind == FailureKind::NoCapacity
}

fn remaining_ms(failure: &Failure, settings: &Settings) -> u32 {
    pause_ms(failure, settings).saturating_sub(failure.ago_ms)
}

fn pause_ms(failure: &Failure, settings: &Settings) -> u32 {
    let (first_ms, most_ms) = match failure.kind {
        FailureKind::Denied => return DENIED_WAIT_MS,
        FailureKind::NoCapacity => (
            settings.no_capacity_wait_ms,
            settings.no_capacity_wait_ms_max,
        ),
        FailureKind::Throttled | FailureKind::TimedOut | FailureKind::Other => {
            (settings.failure_wait_ms, settings.failure_wait_ms_max)
        }
    };
    // 2^16 times the least pause is longer than the longest one, so a shift cannot overflow unseen.
    let doublings = failure.count.saturating_sub(1).min(16);
    first_ms.saturating_mul(1 << doublings).min(most_ms)
}
