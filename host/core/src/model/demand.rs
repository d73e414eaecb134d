//! The demand for a worker by a metric outside the host: which metric is read, and what its samples
//! prove.
//!
//! Missing samples prove nothing. A window that samples do not cover does not count as quiet. Too
//! few samples are "too few to tell", never zero. Samples from before the instance came up do not
//! count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::id::{InstanceId, WorkerId};
use crate::model::time::{Instant, Millis};

/// The demand metric of a pool's workers, and how the host reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandSpec {
    /// The namespace of the metric.
    pub namespace: String,
    /// The name of the metric.
    pub metric: String,
    /// The statistic that is read for each period.
    pub statistic: Statistic,
    /// The dimensions of the metric. `{worker}`, `{tag_value}` and `{instance}` in a value stand
    /// for the worker's name, its tag's value and its adopted instance.
    pub dimensions: BTreeMap<String, String>,
    /// The length of one sample: whole minutes.
    pub period: Millis,
    /// The length of the window: whole periods. 10 minutes.
    pub window: Millis,
    /// The number of samples below which a window is too short to tell. 2
    /// (docs/incidents.md#frozen-activity).
    pub samples_min: u32,
    /// The interval between readings, at least the period: each reading of each worker's metric
    /// costs money. 60 s.
    pub every: Millis,
}

/// The statistic that is read for each period of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Statistic {
    /// The sum of the values, for a metric that counts requests.
    Sum,
    /// The number of published values, for a metric with one value per request, such as latency.
    SampleCount,
}

impl Statistic {
    /// The provider's name of the statistic.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "Sum",
            Self::SampleCount => "SampleCount",
        }
    }
}

/// One worker's metric to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metric {
    /// The namespace of the metric.
    pub namespace: String,
    /// The name of the metric.
    pub name: String,
    /// The statistic that is read for each period.
    pub statistic: Statistic,
    /// The dimensions, with placeholders filled in.
    pub dimensions: BTreeMap<String, String>,
    /// The adopted instance when the metric was asked for. The samples prove nothing about another
    /// instance.
    pub instance: InstanceId,
}

/// The count of a metric over one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sample {
    /// When the period began.
    pub at: Instant,
    /// The count, rounded up: a fraction of a request counts as one.
    pub count: u64,
}

/// The last reading of a worker's demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The reading.
    pub reading: DemandReading,
    /// The instance that the reading belongs to; `None` if it belongs to the worker, on any
    /// instance.
    pub instance: Option<InstanceId>,
    /// Until when the reading counts; `None` if its own age is enough.
    pub good_until: Option<Instant>,
}

impl Demand {
    /// A reading that another program made.
    pub fn told(reading: DemandReading) -> Self {
        Self {
            reading,
            instance: None,
            good_until: None,
        }
    }
}

impl DemandSpec {
    /// The worker's metric while this instance is adopted.
    pub fn metric_of(&self, worker: &WorkerId, tag_value: &str, instance: &InstanceId) -> Metric {
        let fill = |(name, value): (&String, &String)| {
            let filled = filled(value, |placeholder| match placeholder {
                "worker" => Some(worker.as_str()),
                "tag_value" => Some(tag_value),
                "instance" => Some(instance.as_str()),
                _ => None,
            });
            (name.clone(), filled)
        };
        Metric {
            namespace: self.namespace.clone(),
            name: self.metric.clone(),
            statistic: self.statistic,
            dimensions: self.dimensions.iter().map(fill).collect(),
            instance: instance.clone(),
        }
    }

    /// The window to read at `now`. The window has complete periods only, because a period in
    /// progress would count too little.
    pub fn window_at(&self, now: Instant) -> (Instant, Instant) {
        let period_ms = self.period.get().max(1);
        let until_ms = now.as_ms() / period_ms * period_ms;
        let since_ms = until_ms.saturating_sub(self.window.get());
        (Instant::from_ms(since_ms), Instant::from_ms(until_ms))
    }

    /// The reading that these samples of the window make for an instance that is up since
    /// `up_since`. Its window is the time that the samples cover within the instance's life: a
    /// minute without samples proves nothing.
    pub fn reading_of(&self, samples: &[Sample], up_since: Instant) -> DemandReading {
        let end_of = |sample: &Sample| sample.at + self.period;
        let lived = samples.iter().filter(|sample| end_of(sample) > up_since);
        let (mut count, mut number) = (0_u64, 0_u32);
        let mut covers: Option<(Instant, Instant)> = None;
        for sample in lived {
            count = count.saturating_add(sample.count);
            number = number.saturating_add(1);
            let (from, until) = covers.unwrap_or((sample.at, end_of(sample)));
            covers = Some((from.min(sample.at), until.max(end_of(sample))));
        }
        match covers {
            Some((from, until)) if number >= self.samples_min => DemandReading::Requests {
                count: u32::try_from(count).unwrap_or(u32::MAX),
                window: until.since(from.max(up_since)),
                until,
            },
            _ => DemandReading::TooFew,
        }
    }
}

/// The text with each `{name}` replaced by the result of `value`; a name without a result stays.
fn filled<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, behind)) => {
                match value(name) {
                    Some(value) => filled.push_str(value),
                    None => filled.extend(["{", name, "}"]),
                }
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// One reading of a demand metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemandReading {
    /// The metric has too few samples to tell.
    TooFew,
    /// Requests counted over the window that ended at `until`.
    Requests {
        /// The number of requests.
        count: u32,
        /// The window's length.
        window: Millis,
        /// The window's end.
        until: Instant,
    },
}

#[cfg(test)]
mod tests;
