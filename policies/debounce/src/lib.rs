//! The standard `debounce` policy: a restart is asked for; do it?
//!
//! ```text
//! lib.rs       the decision
//! settings.rs  the window, and what to do with another cause
//! ```
//!
//! To a probe, a worker that restarts looks dead, and each probe asks for the next restart. So this
//! policy drops requests within a window of a restart's start, or while the restart is in flight,
//! and the host counts them. A request with *another* cause (a second secret) may not be covered by
//! the restart in flight. A pool can have such a request deferred: the host then restarts once
//! more, after a fresh heartbeat.

mod settings;

use reeve_policy_sdk::debounce::{Choice, Input, Verdict};
use reeve_policy_sdk::policy;
use reeve_policy_sdk::text::duration;

pub use settings::{DifferentCause, Settings};

policy!(debounce: decide, Settings);

/// How long a drop is valid if only a restart in flight is in the way. It can end at any moment.
const IN_FLIGHT_VALID_MS: u32 = 1_000;

/// Lets a restart through unless one is in flight or began within the window.
pub fn decide(input: &Input, settings: &Settings) -> Verdict {
    let age_ms = input.last_started.ms();
    let window_left_ms = age_ms.map_or(0, |ms| settings.window_ms.saturating_sub(ms));
    if !input.in_flight && window_left_ms == 0 {
        return go(input, age_ms);
    }
    if input.same_cause || settings.different_cause == DifferentCause::Drop {
        return drop_it(input, window_left_ms);
    }
    defer(input)
}

fn go(input: &Input, age_ms: Option<u32>) -> Verdict {
    let Some(ms) = age_ms else {
        return Choice::Go(input.kind).because("first-restart", "No restart came before.");
    };
    let text = format!(
        "The last restart began {} ago and is not in flight.",
        duration(ms)
    );
    Choice::Go(input.kind).because("window-over", text)
}

fn drop_it(input: &Input, window_left_ms: u32) -> Verdict {
    let so_far = input.dropped;
    if window_left_ms > 0 {
        let text = format!(
            "A restart began less than the window ago, {} of which is left; {so_far} dropped before.",
            duration(window_left_ms)
        );
        return Choice::Drop
            .because("within-window", text)
            .valid_for_ms(window_left_ms);
    }
    let text =
        format!("The window is over, but the restart is still in flight; {so_far} dropped before.");
    Choice::Drop
        .because("in-flight", text)
        .valid_for_ms(IN_FLIGHT_VALID_MS)
}

/// A deferred restart starts after this request, so it covers this cause too.
fn defer(input: &Input) -> Verdict {
    if input.deferred {
        let text = "The restart that waits for a fresh heartbeat covers this cause too.";
        return Choice::Drop.because("already-deferred", text);
    }
    let text = format!(
        "`{}` is not why the last restart began; it follows once that one is done.",
        input.cause
    );
    Choice::Defer(0).because("different-cause", text)
}
