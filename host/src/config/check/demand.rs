//! `[pool.NAME.demand]`: the metric that shows how much a worker is wanted.

use std::collections::BTreeMap;

use reeve_core::demand::{DemandSpec, Statistic};
use reeve_core::time::Millis;
use toml::Spanned;

use super::{Checker, value};
use crate::config::file::PoolDemand;

/// CloudWatch keeps samples of one minute or longer; it drops shorter ones after three hours
/// (CloudWatch API reference, MetricStat, `Period`). A period above an hour is too coarse to show
/// whether a worker is idle.
const PERIOD_MS: (u64, u64) = (60_000, 3_600_000);
/// A day at most: even with the shortest period, one call can return that many samples.
const WINDOW_MS: (u64, u64) = (60_000, 86_400_000);
const EVERY_MS: (u64, u64) = (60_000, 3_600_000);
/// A day of minutes is the most samples a window can hold. One sample alone shows little
/// (docs/incidents.md#frozen-activity).
const SAMPLES_MIN: (u64, u64) = (1, 1_440);
/// CloudWatch API reference: Metric, `Dimensions`; Dimension, `Name` and `Value`; Metric,
/// `Namespace` and `MetricName`.
const DIMENSIONS_MAX: usize = 30;
const NAME_CHARS_MAX: usize = 255;
const DIMENSION_VALUE_CHARS_MAX: usize = 1024;

const MINUTE_MS: u64 = 60_000;
const PERIOD: Millis = Millis::from_secs(60);
const WINDOW: Millis = Millis::from_secs(600);
const EVERY: Millis = Millis::from_secs(60);
/// From docs/incidents.md#frozen-activity: one sample per window was too few to judge.
const SAMPLES: u32 = 2;

const PLACEHOLDERS: [&str; 3] = ["instance", "worker", "tag_value"];

/// The demand metric of a pool's workers.
pub(super) fn of_pool(checker: &mut Checker<'_>, spec: &PoolDemand) -> DemandSpec {
    let period = checker.millis(spec.period_ms.as_ref(), PERIOD_MS, PERIOD);
    if let Some(value) = &spec.period_ms {
        whole(checker, value, MINUTE_MS, "a minute");
    }
    let window = checker.millis(spec.window_ms.as_ref(), WINDOW_MS, window_for(period));
    if let Some(value) = &spec.window_ms {
        whole(checker, value, period.get(), "the period");
    }
    let every = checker.millis(spec.every_ms.as_ref(), EVERY_MS, EVERY.max(period));
    if let Some(value) = spec.every_ms.as_ref().filter(|_| every < period) {
        let found = format!(
            "found {}; accepted: at least the period, {}: there is nothing new to read before, and each \
             reading costs money",
            every.get(),
            period.get()
        );
        checker.refuse(value.span(), found);
    }
    DemandSpec {
        namespace: checker.check(&spec.namespace, |text| value::text(text, NAME_CHARS_MAX)),
        metric: checker.check(&spec.metric, |text| value::text(text, NAME_CHARS_MAX)),
        statistic: statistic(checker, &spec.statistic),
        dimensions: dimensions(checker, spec),
        period,
        window,
        samples_min: samples_min(checker, spec, window, period),
        every,
    }
}

/// Ten minutes, or enough periods to hold the required samples.
fn window_for(period: Millis) -> Millis {
    let periods = WINDOW.get().div_ceil(period.get().max(1));
    Millis::new(period.get() * periods.max(u64::from(SAMPLES)))
}

fn whole(checker: &mut Checker<'_>, value: &Spanned<u64>, unit_ms: u64, unit: &str) {
    if !value.get_ref().is_multiple_of(unit_ms.max(1)) {
        let found = format!(
            "found {}; accepted: a multiple of {unit_ms}, {unit}",
            value.get_ref()
        );
        checker.refuse(value.span(), found);
    }
}

fn statistic(checker: &mut Checker<'_>, value: &Spanned<String>) -> Statistic {
    let kinds = [Statistic::Sum, Statistic::SampleCount];
    let found = kinds
        .into_iter()
        .find(|kind| kind.as_str() == value.get_ref());
    found.unwrap_or_else(|| {
        let text = format!(
            "found the statistic {:?}; accepted: \"Sum\" of a metric that counts requests, \"SampleCount\" of one \
             that is published once for each request",
            value.get_ref()
        );
        checker.refuse(value.span(), text);
        Statistic::Sum
    })
}

fn samples_min(
    checker: &mut Checker<'_>,
    spec: &PoolDemand,
    window: Millis,
    period: Millis,
) -> u32 {
    let asked = spec.samples_min.as_ref();
    let least = asked.map_or(u64::from(SAMPLES), |value| {
        checker.check(value, |number| value::within(*number, SAMPLES_MIN))
    });
    let most = window.get() / period.get().max(1);
    // Either key may be wrong; the finding points at the one in the file.
    let place = asked.or(spec.window_ms.as_ref());
    if let Some(place) = place.filter(|_| least > most) {
        let found = format!(
            "at least {least} samples are wanted of a window that holds {most}, so demand could never be \
             judged; accepted: a longer `window_ms`, or a smaller `samples_min`"
        );
        checker.refuse(place.span(), found);
    }
    u32::try_from(least).unwrap_or(SAMPLES)
}

fn dimensions(checker: &mut Checker<'_>, spec: &PoolDemand) -> BTreeMap<String, String> {
    if let Some((extra, _)) = spec.dimensions.iter().nth(DIMENSIONS_MAX) {
        let found = format!(
            "there are {} dimensions; accepted: at most {DIMENSIONS_MAX}",
            spec.dimensions.len()
        );
        checker.refuse(extra.span(), found);
    }
    let checked = spec.dimensions.iter().map(|(name, filled)| {
        let name = checker.check(name, |text| value::text(text, NAME_CHARS_MAX));
        (name, checker.check(filled, |text| dimension_value(text)))
    });
    checked.collect()
}

/// Refuses misspelt placeholders: CloudWatch would get them verbatim and find no metric.
fn dimension_value(text: &str) -> Result<(), String> {
    value::text(text, DIMENSION_VALUE_CHARS_MAX)?;
    let accepted = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let (name, rest_after) = after.split_once('}').ok_or_else(|| {
            format!("found {text:?}, where a `{{` is not closed; accepted: {accepted}")
        })?;
        if !PLACEHOLDERS.contains(&name) {
            return Err(format!(
                "found the placeholder {{{name}}}; accepted: {accepted}"
            ));
        }
        rest = rest_after;
    }
    Ok(())
}
