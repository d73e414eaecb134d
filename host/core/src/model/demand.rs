//! What a metric outside the host says of the demand for a worker: which metric it is, and what its
//! samples prove.
//!
//! Absence proves nothing here. A window that is not covered by samples is not counted as quiet, too few
//! samples are "too few to tell" and never zero, and what was counted before the instance came up is not
//! held against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::id::{InstanceId, WorkerId};
use crate::model::time::{Instant, Millis};

/// The metric of a pool's workers, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandSpec {
    /// The namespace it is published in.
    pub namespace: String,
    /// Its name.
    pub metric: String,
    /// What is asked of each period.
    pub statistic: Statistic,
    /// The dimensions it is published with. `{worker}`, `{tag_value}` and `{instance}` in a value stand for
    /// the worker's name, its tag's value and the instance that embodies it.
    pub dimensions: BTreeMap<String, String>,
    /// The length of one sample: whole minutes.
    pub period: Millis,
    /// How far back is looked: whole periods. 10 minutes.
    pub window: Millis,
    /// Fewer samples in the window are too few to tell. 2 (docs/incidents.md#frozen-activity).
    pub samples_min: u32,
    /// How often it is read, at least the period: each reading of each worker's metric costs money. 60 s.
    pub every: Millis,
}

/// What is asked of each period of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The values added up: for a metric that counts requests.
    Sum,
    /// How many values were published: for a metric that says something of each request, as its latency.
    SampleCount,
}

impl Statistic {
    /// The provider's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "Sum",
            Self::SampleCount => "SampleCount",
        }
    }
}

/// One metric to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metric {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is asked of each period.
    pub statistic: Statistic,
    /// Its dimensions, filled in.
    pub dimensions: BTreeMap<String, String>,
    /// The instance that embodied the worker when it was asked for. An answer says nothing of any other.
    pub instance: InstanceId,
}

/// What a metric counted over one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sample {
    /// When the period began.
    pub at: Instant,
    /// What was counted, rounded up: a part of a request is one.
    pub count: u64,
}

/// What is known of the demand for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// What the metric said.
    pub reading: DemandReading,
    /// The instance it said it of; `None`: of the worker, whichever instance embodies it.
    pub instance: Option<InstanceId>,
    /// Until when it counts; `None`: its own age says enough.
    pub good_until: Option<Instant>,
}

impl Demand {
    /// What somebody else read of the worker's metric.
    pub fn told(reading: DemandReading) -> Self {
        Self {
            reading,
            instance: None,
            good_until: None,
        }
    }
}

impl DemandSpec {
    /// The worker's metric while this instance embodies it.
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

    /// The window to ask for at `now`: complete periods only, because what is still being counted would
    /// look like less than it is.
    pub fn window_at(&self, now: Instant) -> (Instant, Instant) {
        let period_ms = self.period.get().max(1);
        let until_ms = now.as_ms() / period_ms * period_ms;
        let since_ms = until_ms.saturating_sub(self.window.get());
        (Instant::from_ms(since_ms), Instant::from_ms(until_ms))
    }

    /// What these samples of the window prove of an instance that is up since `up_since`. The window is the
    /// time that they cover, within the instance's life: of a minute for which nothing has arrived nothing is
    /// known.
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

/// The text with each `{name}` replaced by what `value` gives for it; one that it gives nothing for stays.
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
        /// How many.
        count: u32,
        /// The window's length.
        window: Millis,
        /// The window's end.
        until: Instant,
    },
}

#[cfg(test)]
mod tests;
