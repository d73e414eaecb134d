//! Signs of an instance's use, and how long it has been quiet.

use reeve_policy_sdk::reap::Input;
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::{Age, Demand, Sample};

use crate::settings::Settings;

/// The demand metric, as far as the policy relies on it.
pub(crate) enum Told {
    /// The metric tells nothing; the text says why.
    Nothing(&'static str),
    /// The metric counted requests over a time that ended lately.
    Count(Sample),
}

impl Told {
    /// Reads the metric. A sample over no time, or one that ended long ago, tells nothing.
    pub(crate) fn by(demand: &Demand, settings: &Settings) -> Self {
        match demand {
            Demand::Unavailable => Self::Nothing("demand is unavailable"),
            Demand::TooFew => Self::Nothing("demand has too few samples"),
            Demand::Requests(sample) if sample.window_ms == 0 => {
                Self::Nothing("demand was counted over no time")
            }
            Demand::Requests(sample) if sample.ago_ms > settings.demand_ago_ms_max => {
                Self::Nothing("demand was last counted too long ago")
            }
            Demand::Requests(sample) => Self::Count(*sample),
        }
    }

    /// Whether the metric counted no request for at least this long.
    pub(crate) fn is_zero_over(&self, span_ms: u32) -> bool {
        matches!(self, Self::Count(sample) if sample.count == 0 && sample.window_ms >= span_ms)
    }
}

/// How long the instance has been quiet: the youngest of the ages of its state, its launch, the
/// last time it was handed out, its last activity and, if `with_demand`, its worker's demand.
/// `None` if the host does not know since when the instance is in its state: then no length of
/// quiet is proven.
pub(crate) fn quiet_ms(input: &Input, with_demand: bool) -> Option<u32> {
    let in_state_ms = input.instance.in_state.ms()?;
    let demand_ms = match &input.demand {
        // The requests arrived at the end of the window at the latest.
        Demand::Requests(sample) if with_demand && sample.count > 0 => Some(sample.ago_ms),
        _ => None,
    };
    [
        input.instance.launched.ms(),
        input.usage.handed_out.ms(),
        input.usage.last_activity.ms(),
        demand_ms,
    ]
    .into_iter()
    .flatten()
    .fold(in_state_ms, u32::min)
    .into()
}

/// The ages that an end is announced with, the missing ones included.
pub(crate) fn in_words(input: &Input) -> String {
    let age = |age: Age| match age.ms() {
        Some(ms) => format!("{} ago", duration(ms)),
        None => "at no known time".to_owned(),
    };
    format!(
        "Handed out {}, last activity {}, launched {}, no work in flight.",
        age(input.usage.handed_out),
        age(input.usage.last_activity),
        age(input.instance.launched),
    )
}
