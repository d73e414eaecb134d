//! Reads demand metrics from CloudWatch: many workers in one call, and no invented values for
//! missing ones.
//!
//! A period without published values is missing in the response and stays missing. A metric that
//! CloudWatch did not return in full is an error of that worker alone. A failed call is an error of
//! all workers in it.
//!
//! CloudWatch speaks CBOR to this SDK, and no emulator does. So this module was tested against
//! recorded responses over the wire, and not against an account.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric as CloudWatchMetric, MetricDataQuery, MetricDataResult, MetricStat,
    StatusCode,
};
use reeve_core::cloud::{CloudError, CloudErrorKind};
use reeve_core::demand::{Metric, Sample};
use reeve_core::id::WorkerId;
use reeve_core::time::{Instant, Millis};

use crate::error;

const OPERATION: &str = "GetMetricData";

/// The most metrics per call (CloudWatch API reference, GetMetricData, `MetricDataQueries`).
pub(crate) const BATCH_METRICS_MAX: usize = 500;

/// The time range to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) period: Millis,
    pub(crate) since: Instant,
    pub(crate) until: Instant,
}

/// Each worker's samples, or why there are none.
type Answers = BTreeMap<WorkerId, Result<Vec<Sample>, CloudError>>;

/// Reads all these metrics.
pub(crate) async fn read(
    cloudwatch: &Client,
    window: Window,
    metrics: BTreeMap<WorkerId, Metric>,
) -> Result<Answers, CloudError> {
    let all: Vec<(WorkerId, Metric)> = metrics.into_iter().collect();
    let mut answers = Answers::new();
    for batch in all.chunks(BATCH_METRICS_MAX) {
        let mut found = read_batch(cloudwatch, window, batch).await?;
        for (number, (worker, _)) in batch.iter().enumerate() {
            let series = found.remove(&query_id(number));
            let samples = series.unwrap_or_default().into_samples(window);
            answers.insert(worker.clone(), samples);
        }
    }
    Ok(answers)
}

/// The values of one metric from the pages read so far.
#[derive(Debug, Default)]
struct Series {
    samples: BTreeMap<Instant, u64>,
    /// The latest status: whether the metric is complete.
    status: Option<StatusCode>,
    garbled: Option<CloudError>,
}

/// Reads all pages of one batch. The keys are the ids of the queries in the call.
async fn read_batch(
    cloudwatch: &Client,
    window: Window,
    batch: &[(WorkerId, Metric)],
) -> Result<BTreeMap<String, Series>, CloudError> {
    let asked = (0..).zip(batch);
    let queries: Vec<_> = asked
        .map(|(number, (_, metric))| query(number, metric, window.period))
        .collect();
    let mut found: BTreeMap<String, Series> = BTreeMap::new();
    let mut token: Option<String> = None;
    loop {
        let page = cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries.clone()))
            .start_time(date_time(window.since))
            .end_time(date_time(window.until))
            .set_next_token(token.clone())
            .send()
            .await
            .map_err(|failure| error::sorted(OPERATION, &failure))?;
        for result in page.metric_data_results() {
            let id = result.id().unwrap_or_default().to_owned();
            found.entry(id).or_default().take_in(result);
        }
        let next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
        if next == token {
            let repeated = "the token of the page it belongs to, so the pages have no end";
            return Err(error::garbled(OPERATION, repeated.to_owned()));
        }
        token = next;
    }
}

/// Ids must begin with a lower-case letter.
fn query_id(number: usize) -> String {
    format!("m{number}")
}

fn query(number: usize, metric: &Metric, period: Millis) -> MetricDataQuery {
    let dimensions = metric.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| {
        let dimension = Dimension::builder().name(name).value(value);
        dimension.build()
    });
    let asked = CloudWatchMetric::builder()
        .namespace(&metric.namespace)
        .metric_name(&metric.name)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let seconds = i32::try_from(period.get() / 1000).unwrap_or(i32::MAX);
    let statistic = MetricStat::builder()
        .metric(asked)
        .period(seconds)
        .stat(metric.statistic.as_str())
        .build();
    MetricDataQuery::builder()
        .id(query_id(number))
        .metric_stat(statistic)
        .build()
}

fn date_time(instant: Instant) -> DateTime {
    DateTime::from_millis(i64::try_from(instant.as_ms()).unwrap_or(i64::MAX))
}

impl Series {
    /// Adds a page. A sample that appears twice counts once.
    fn take_in(&mut self, result: &MetricDataResult) {
        self.status = result.status_code().cloned();
        let (times, values) = (result.timestamps(), result.values());
        if times.len() != values.len() {
            let found = format!("{} times and {} values", times.len(), values.len());
            self.garbled = Some(error::garbled(OPERATION, found));
            return;
        }
        for (time, value) in times.iter().zip(values) {
            match (instant(time), count(*value)) {
                (Some(at), Some(count)) => {
                    self.samples.insert(at, count);
                }
                _ => {
                    let found = format!("the value {value} at {time}");
                    self.garbled = Some(error::garbled(OPERATION, found));
                }
            }
        }
    }

    /// All samples of the window, oldest first, or why they cannot be used.
    fn into_samples(self, window: Window) -> Result<Vec<Sample>, CloudError> {
        if let Some(garbled) = self.garbled {
            return Err(garbled);
        }
        match self.status {
            Some(StatusCode::Complete) => {}
            Some(status) => return Err(incomplete(&status)),
            None => {
                let found = "no status of a metric that was asked for";
                return Err(error::garbled(OPERATION, found.to_owned()));
            }
        }
        let within = self.samples.range(window.since..window.until);
        let sample = |(&at, &count): (&Instant, &u64)| Sample { at, count };
        Ok(within.map(sample).collect())
    }
}

fn incomplete(status: &StatusCode) -> CloudError {
    let kind = match status {
        StatusCode::Forbidden => CloudErrorKind::Denied,
        _ => CloudErrorKind::Transient,
    };
    CloudError {
        operation: OPERATION.to_owned(),
        kind,
        code: status.as_str().to_owned(),
        message: "the metric was not given in full, so demand is unavailable".to_owned(),
        retry_after: None,
    }
}

fn instant(time: &DateTime) -> Option<Instant> {
    let ms = u64::try_from(time.to_millis().ok()?).ok()?;
    Some(Instant::from_ms(ms))
}

/// Rounds up, so that a fraction of a request is not 0. A negative value or NaN is no count.
fn count(value: f64) -> Option<u64> {
    // The cast saturates, which is precise enough for such large numbers.
    (value.is_finite() && value >= 0.0).then(|| value.ceil() as u64)
}
