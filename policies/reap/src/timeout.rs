//! How long quiet is long enough.

use reeve_policy_sdk::types::LocalTime;

use crate::settings::{Hours, Settings};
use crate::signs::Told;

/// An idle timeout.
pub(crate) struct Timeout {
    pub(crate) ms: u32,
    /// Why this timeout applies, for the reason's text.
    pub(crate) why: &'static str,
}

/// The timeout of this hour. Without a demand reading or a valid local time the longest of the
/// three timeouts applies: the policy cannot tell that the worker is inactive.
pub(crate) fn idle(told: &Told, now: &LocalTime, settings: &Settings) -> Timeout {
    let longest = |why| Timeout {
        ms: settings
            .active_hours_ms
            .max(settings.quiet_hours_ms)
            .max(settings.default_ms),
        why,
    };
    if let Told::Nothing(why) = told {
        return longest(why);
    }
    if !(1..=7).contains(&now.weekday) || now.hour > 23 || now.minute > 59 {
        return longest("the local time is malformed");
    }
    if settings.active_hours.is_empty() {
        return Timeout {
            ms: settings.default_ms,
            why: "no active hours are set",
        };
    }
    if settings.active_hours.iter().any(|hours| covers(hours, now)) {
        return Timeout {
            ms: settings.active_hours_ms,
            why: "an active hour",
        };
    }
    Timeout {
        ms: settings.quiet_hours_ms,
        why: "a quiet hour",
    }
}

/// Whether the local time is within these hours. Hours that run past midnight belong to the day on
/// which they begin.
fn covers(hours: &Hours, now: &LocalTime) -> bool {
    let yesterday = if now.weekday == 1 { 7 } else { now.weekday - 1 };
    let began_today = hours.days.contains(&now.weekday) && now.hour >= hours.from;
    if hours.from < hours.to {
        return began_today && now.hour < hours.to;
    }
    began_today || (hours.days.contains(&yesterday) && now.hour < hours.to)
}
