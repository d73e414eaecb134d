//! What is known of an instance's use, and since when it has been quiet.

use reeve_policy_sdk::reap::{Demand, Input, Sample};
use reeve_policy_sdk::text::duration;
use reeve_policy_sdk::types::Age;

use crate::settings::Settings;

/// What the demand metric tells.
pub(crate) enum Told {
    /// Nothing; the text says why.
    Nothing(&'static str),
    /// A count that can be relied on.
    Count(Sample),
}

impl Told {
    /// Reads the metric. A sample over no time, or one that ended long ago, tells nothing of now.
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

    /// Whether it counted nothing over at least this long.
    pub(crate) fn is_zero_over(&self, span_ms: u32) -> bool {
        matches!(self, Self::Count(sample) if sample.count == 0 && sample.window_ms >= span_ms)
    }
}

/// Since when the instance has been quiet: the youngest of its state, its launch, its last handing out,
/// its last activity and, when `with_demand`, the demand counted for its worker. `None` when the host
/// does not know since when the instance is in its state: then no length of quiet is proven.
pub(crate) fn quiet_ms(input: &Input, with_demand: bool) -> Option<u32> {
    let in_state_ms = input.instance.in_state.ms()?;
    let demand_ms = match &input.demand {
        // Requests came at some time within the window; its end is the latest they can have come.
        Demand::Requests(sample) if with_demand && sample.count > 0 => Some(sample.ago_ms),
        _ => None,
    };
    [
        input.instance.launched.ms(),
        input.handed_out.ms(),
        input.last_activity.ms(),
        demand_ms,
    ]
    .into_iter()
    .flatten()
    .fold(in_state_ms, u32::min)
    .into()
}

/// The ages that a kill is announced with, and whatever is missing among them.
pub(crate) fn in_words(input: &Input) -> String {
    let age = |age: Age| match age.ms() {
        Some(ms) => format!("{} ago", duration(ms)),
        None => "at no known time".to_owned(),
    };
    format!(
        "Handed out {}, last activity {}, launched {}, no work in flight.",
        age(input.handed_out),
        age(input.last_activity),
        age(input.instance.launched),
    )
}
