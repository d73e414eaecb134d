//! The standard `reap` policy: may this instance be stopped?
//!
//! ```text
//! lib.rs       the order of the rules
//! signs.rs     signs of use: the instance's ages and the demand metric, and how long it has been quiet
//! timeout.rs   how long quiet is long enough: by the hour of the day and by the demand metric
//! finding.rs   the finding of one reading: keep, or due as idle, unreachable or orphan
//! confirm.rs   several readings before an end, counted in the memo
//! settings.rs  what a pool can set
//! ```
//!
//! ```text
//! not up · reading missing or old · work in flight · busy lease ──▶ keep
//! spare, role: unclaimed ──▶ keep     orphan ──▶ due after its grace
//! adopted, never handed out ──▶ due as unreachable; handed out ──▶ due as idle
//! due in one reading ──▶ keep and look again     due in several in a row ──▶ end
//! ```
//!
//! Three rules carry the rest. An unavailable or malformed reading counts as activity. Every known
//! age counts and the youngest decides, so a missing or absurd time can lengthen a life but not end
//! one. And an instance that no resolve handed out is never called idle: its demand could not have
//! moved.

mod confirm;
mod finding;
mod settings;
mod signs;
mod timeout;

use reeve_policy_sdk::policy;
use reeve_policy_sdk::reap::{Choice, Input, Role, Verdict};
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::{InstanceState, Origin};

use finding::Finding;
pub use settings::{Hours, OrphanAction, Settings, Unclaimed};

policy!(reap: decide, Settings);

/// The host asks again no sooner than a second after a verdict.
const LOOK_AGAIN_MS_MIN: u32 = 1_000;

/// Decides from the input and the settings alone.
pub fn decide(input: &Input, settings: &Settings) -> Verdict {
    let finding = not_up(input, settings)
        .or_else(|| in_use(input))
        .unwrap_or_else(|| by_role(input, settings));
    match finding {
        Finding::Keep {
            code,
            text,
            again_ms,
        } => Choice::Keep
            .because(code, text)
            .look_again_ms(again_ms.clamp(LOOK_AGAIN_MS_MIN, settings.look_again_ms)),
        Finding::Due { choice, code, text } => {
            confirm::verdict(choice, code, text, &input.memo, settings)
        }
    }
}

/// Keeps an instance that is not up, or whose reading is not fresh: neither can be in disuse.
fn not_up(input: &Input, settings: &Settings) -> Option<Finding> {
    let id = &input.instance.id;
    match input.instance.state {
        InstanceState::Pending | InstanceState::Running => {}
        InstanceState::Unknown | InstanceState::NotVisible => {
            let text = format!("The state of {id} is not known, which proves nothing.");
            return Some(Finding::keep("state-unknown", text));
        }
        InstanceState::Stopping
        | InstanceState::Stopped
        | InstanceState::ShuttingDown
        | InstanceState::Terminated => {
            let text = format!("{id} is stopped or on its way there.");
            return Some(Finding::keep("not-running", text));
        }
    }
    let observed_ms = input.instance.observed.ms();
    if observed_ms.is_some_and(|ms| ms <= settings.observed_ms_max) {
        return None;
    }
    let text = match observed_ms {
        Some(ms) => format!(
            "{id} was last read {} ago, which is too long.",
            duration(ms)
        ),
        None => format!("It is not known when {id} was last read."),
    };
    Some(Finding::keep("reading-old", text))
}

/// Keeps an instance with work in flight, whatever its role and its timeouts.
fn in_use(input: &Input) -> Option<Finding> {
    if input.usage.work_in_flight > 0 {
        let text = format!(
            "{} deliveries are not reported processed.",
            input.usage.work_in_flight
        );
        return Some(Finding::keep("work-in-flight", text));
    }
    if input.usage.busy_remaining_ms > 0 {
        let remaining_ms = input.usage.busy_remaining_ms;
        let text = format!(
            "A busy lease is held for another {}.",
            duration(remaining_ms)
        );
        return Some(Finding::keep_for("busy-lease", text, remaining_ms));
    }
    None
}

fn by_role(input: &Input, settings: &Settings) -> Finding {
    if input.origin == Origin::Spare {
        let text = "It waits for a worker to take it over.".to_owned();
        return Finding::keep("spare", text);
    }
    match input.role {
        Role::Orphan => finding::orphan(input, settings),
        Role::Unclaimed if settings.unclaimed == Unclaimed::Keep => Finding::keep(
            "unclaimed",
            "No instance is adopted; the next resolve may adopt this one.".to_owned(),
        ),
        Role::Adopted | Role::Unclaimed => match input.usage.handed_out.ms() {
            None => finding::unreachable(input, settings),
            Some(_) => finding::idle(input, settings),
        },
    }
}
