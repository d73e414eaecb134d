//! How long to pause after a launch or a start has failed.

use reeve_policy_sdk::resolve::{Action, Failure, FailureKind, LastFailure, Verdict};
use reeve_policy_sdk::text::duration;

use crate::settings::Settings;

/// A person has to grant missing rights. A try more often than once a minute only fills the log.
const DENIED_WAIT_MS: u32 = 60_000;

/// `unavailable` for the rest of the pause; `None` if nothing failed or the pause is over.
pub(crate) fn answer(last_failure: &LastFailure, settings: &Settings) -> Option<Verdict> {
    let LastFailure::Failed(failure) = last_failure else {
        return None;
    };
    let pause_ms = pause_ms(failure, settings);
    let remaining_ms = pause_ms.saturating_sub(failure.ago_ms);
    if remaining_ms == 0 {
        return None;
    }
    let (code, what) = match failure.kind {
        FailureKind::NoCapacity => ("no-capacity", "the provider has no capacity"),
        FailureKind::Throttled => ("throttled", "the provider limits the rate of calls"),
        FailureKind::Denied => ("denied", "the host's credentials do not allow it"),
        FailureKind::Other => ("failed", "the provider refused"),
    };
    let text = format!(
        "The last launch or start failed: {what} (failure {} in a row); the next try is in {}.",
        failure.count,
        duration(remaining_ms)
    );
    Some(Action::Unavailable(remaining_ms).because(code, text))
}

fn pause_ms(failure: &Failure, settings: &Settings) -> u32 {
    let (first_ms, most_ms) = match failure.kind {
        FailureKind::Denied => return DENIED_WAIT_MS,
        FailureKind::NoCapacity => (
            settings.no_capacity_wait_ms,
            settings.no_capacity_wait_ms_max,
        ),
        FailureKind::Throttled | FailureKind::Other => {
            (settings.failure_wait_ms, settings.failure_wait_ms_max)
        }
    };
    // 2^16 times the least pause is longer than the longest one, so a shift cannot overflow unseen.
    let doublings = failure.count.saturating_sub(1).min(16);
    first_ms.saturating_mul(1 << doublings).min(most_ms)
}
