//! The standard `debounce` policy: a restart is asked for; do it?
//!
//! ```text
//! lib.rs       the decision, and the component around it
//! settings.rs  the window, and what to do with another cause
//! ```
//!
//! A restart looks like a dead box to whatever probes the worker, and each probe asks for the next
//! restart. So requests within a window of a restart's start, or while it is in flight, are dropped, and
//! counted by the host. What a request with *another* cause wants (a second secret) may not be covered by
//! the restart under way; a pool can have it deferred: done once, after the worker is really there.

mod settings;

use reeve_policy_sdk::about::Description;
use reeve_policy_sdk::debounce::{Choice, Input, Verdict};
use reeve_policy_sdk::settings::parse;
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::Reason;
use reeve_policy_sdk::{about, debounce};

pub use settings::{DifferentCause, SCHEMA, Settings};

/// How long a drop holds that rests on a restart in flight alone: that can end at any moment.
const IN_FLIGHT_VALID_MS: u32 = 1_000;

/// Lets a restart through unless one is under way or began within the window.
///
/// # Errors
/// A sentence about the settings when they cannot be read.
pub fn decide(input: &Input) -> Result<Verdict, String> {
    let settings: Settings = parse(&input.settings)?;
    let age_ms = input.last_started.ms();
    let window_left_ms = age_ms.map_or(0, |ms| settings.window_ms.saturating_sub(ms));
    if !input.in_flight && window_left_ms == 0 {
        return Ok(go(age_ms));
    }
    if input.same_cause || settings.different_cause == DifferentCause::Drop {
        return Ok(drop_it(input, window_left_ms));
    }
    Ok(defer(input))
}

fn go(age_ms: Option<u32>) -> Verdict {
    let (code, text) = match age_ms {
        None => ("first-restart", "No restart came before.".to_owned()),
        Some(ms) => (
            "window-over",
            format!(
                "The last restart began {} ago and is not in flight.",
                duration(ms)
            ),
        ),
    };
    verdict(Choice::Go, code, text, 0)
}

fn drop_it(input: &Input, window_left_ms: u32) -> Verdict {
    let so_far = input.dropped;
    if window_left_ms > 0 {
        let text = format!(
            "A restart began less than the window ago, {} of which is left; {so_far} dropped before.",
            duration(window_left_ms)
        );
        return verdict(Choice::Drop, "within-window", text, window_left_ms);
    }
    let text =
        format!("The window is over, but the restart is still in flight; {so_far} dropped before.");
    verdict(Choice::Drop, "in-flight", text, IN_FLIGHT_VALID_MS)
}

/// A deferred restart starts after this request, so one that waits already covers it.
fn defer(input: &Input) -> Verdict {
    if input.deferred {
        let text = "The restart that waits for a fresh heartbeat covers this cause too.".to_owned();
        return verdict(Choice::Drop, "already-deferred", text, 0);
    }
    let text = format!(
        "`{}` is not why the last restart began; it follows once that one is done.",
        input.cause
    );
    verdict(Choice::Defer, "different-cause", text, 0)
}

fn verdict(choice: Choice, code: &str, text: String, valid_for_ms: u32) -> Verdict {
    Verdict {
        choice,
        reason: Reason::new(code, text),
        valid_for_ms,
    }
}

/// The component.
pub struct Policy;

impl debounce::Guest for Policy {
    fn decide(input: Input) -> Result<Verdict, String> {
        decide(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "debounce".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: debounce);
