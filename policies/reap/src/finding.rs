//! The finding of one reading about an instance that is up and has no work in flight.

use reeve_policy_sdk::reap::{Choice, Input};
use reeve_policy_sdk::text::duration;

use crate::settings::{OrphanAction, Settings};
use crate::signs::{self, Told, quiet_ms};
use crate::timeout;

/// The finding of one reading.
pub(crate) enum Finding {
    /// The instance is kept. The host asks again after `again_ms`, or the pool's interval if that
    /// is shorter.
    Keep {
        code: &'static str,
        text: String,
        again_ms: u32,
    },
    /// The instance is due, if further readings find the same.
    Due {
        choice: Choice,
        code: &'static str,
        text: String,
    },
}

impl Finding {
    /// Keeps the instance; the host asks again at the pool's interval.
    pub(crate) fn keep(code: &'static str, text: String) -> Self {
        Self::keep_for(code, text, u32::MAX)
    }

    /// Keeps the instance; the host asks again after `again_ms`.
    pub(crate) fn keep_for(code: &'static str, text: String, again_ms: u32) -> Self {
        Self::Keep {
            code,
            text,
            again_ms,
        }
    }
}

/// An instance that was handed out is idle if it has been quiet for this hour's timeout. In
/// addition, an activity must be known to measure from, or the demand metric must have counted
/// nothing for as long.
pub(crate) fn idle(input: &Input, settings: &Settings) -> Finding {
    let Some(quiet_ms) = quiet_ms(input, true) else {
        return times_missing(input);
    };
    let told = Told::by(&input.demand, settings);
    let timeout = timeout::idle(&told, &input.worker.now, settings);
    if quiet_ms < timeout.ms {
        let text = format!(
            "The last sign of use is {} old; the limit is {} ({}).",
            duration(quiet_ms),
            duration(timeout.ms),
            timeout.why
        );
        return Finding::keep_for("active", text, timeout.ms - quiet_ms);
    }
    let is_measured = input.usage.last_activity.ms().is_some() || settings.handed_out_is_activity;
    if !is_measured && !told.is_zero_over(timeout.ms) {
        let text = format!(
            "No activity was ever reported and the demand metric does not show {} without requests, \
             so idleness cannot be told from silence.",
            duration(timeout.ms)
        );
        return Finding::keep("activity-unknown", text);
    }
    let text = format!(
        "Idle for {}; the limit is {} ({}). {}",
        duration(quiet_ms),
        duration(timeout.ms),
        timeout.why,
        signs::in_words(input)
    );
    Finding::Due {
        choice: Choice::End,
        code: "idle",
        text,
    }
}

/// An adopted instance that no resolve handed out could not be reached, so its demand says nothing.
/// It has a timeout of its own.
pub(crate) fn unreachable(input: &Input, settings: &Settings) -> Finding {
    let Some(quiet_ms) = quiet_ms(input, true) else {
        return times_missing(input);
    };
    if quiet_ms < settings.unreachable_ms {
        let text = format!(
            "No resolve has handed it out; it has been up and quiet for {} of {}.",
            duration(quiet_ms),
            duration(settings.unreachable_ms)
        );
        let again_ms = settings.unreachable_ms - quiet_ms;
        return Finding::keep_for("not-handed-out", text, again_ms);
    }
    let text = format!(
        "No resolve has handed it out in {}; the limit is {}. It was unreachable, not idle. {}",
        duration(quiet_ms),
        duration(settings.unreachable_ms),
        signs::in_words(input)
    );
    Finding::Due {
        choice: Choice::End,
        code: "unreachable",
        text,
    }
}

/// An orphan ends after a grace period, in which callers that still know it can finish. The
/// worker's demand does not count here: it is the demand that the adopted instance serves.
pub(crate) fn orphan(input: &Input, settings: &Settings) -> Finding {
    let Some(quiet_ms) = quiet_ms(input, false) else {
        return times_missing(input);
    };
    if quiet_ms < settings.orphan_grace_ms {
        let text = format!(
            "Another instance is adopted; the last sign of use is {} old, the grace is {}.",
            duration(quiet_ms),
            duration(settings.orphan_grace_ms)
        );
        let again_ms = settings.orphan_grace_ms - quiet_ms;
        return Finding::keep_for("orphan-grace", text, again_ms);
    }
    let text = format!(
        "Another instance is adopted, and this one has been quiet for {}; the grace is {}. {}",
        duration(quiet_ms),
        duration(settings.orphan_grace_ms),
        signs::in_words(input)
    );
    Finding::Due {
        choice: match settings.orphan_action {
            OrphanAction::Stop => Choice::End,
            OrphanAction::Terminate => Choice::Terminate,
        },
        code: "orphan",
        text,
    }
}

/// Keeps the instance with a code of its own. The host counts codes, so an operator sees that times
/// are missing.
fn times_missing(input: &Input) -> Finding {
    let text = format!(
        "It is not known since when {} is in its state, so no length of quiet is proven.",
        input.instance.id
    );
    Finding::keep("times-missing", text)
}
