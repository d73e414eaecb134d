//! `[pool.NAME.demand]`.

use std::collections::BTreeMap;

use reeve_core::demand::{DemandSpec, Statistic};
use reeve_core::id::PoolName;
use reeve_core::time::Millis;

use super::{GOOD, parse};

const DEMAND: &str = r#"
[pool.gpu.demand]
namespace = "Gpu"
metric = "Invocations"
statistic = "Sum"
dimensions = { InstanceId = "{instance}", Name = "{worker}/{tag_value}" }
"#;

fn demand(more: &str) -> DemandSpec {
    let config = parse(&format!("{GOOD}{DEMAND}{more}")).unwrap();
    let pool = &config.fleet.pools[&PoolName::from("gpu")];
    pool.demand.clone().unwrap()
}

fn refused(from: &str, to: &str) -> String {
    let text = format!("{GOOD}{DEMAND}");
    assert!(text.contains(from), "{from}");
    parse(&text.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn without_the_section_there_is_no_metric_and_with_it_there_are_defaults() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.fleet.pools[&PoolName::from("gpu")].demand, None);
    let dimensions = [
        ("InstanceId", "{instance}"),
        ("Name", "{worker}/{tag_value}"),
    ];
    let expected = DemandSpec {
        namespace: "Gpu".to_owned(),
        metric: "Invocations".to_owned(),
        statistic: Statistic::Sum,
        dimensions: dimensions
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        period: Millis::from_secs(60),
        window: Millis::from_secs(600),
        samples_min: 2,
        every: Millis::from_secs(60),
    };
    assert_eq!(demand(""), expected);
}

#[test]
fn omitted_keys_fit_the_period() {
    let of = |period_ms: u64| {
        let spec = demand(&format!("period_ms = {period_ms}\n"));
        (spec.window.get(), spec.every.get())
    };
    assert_eq!(of(300_000), (600_000, 300_000));
    assert_eq!(of(240_000), (720_000, 240_000), "whole periods");
    assert_eq!(of(3_600_000), (7_200_000, 3_600_000), "room for two");
}

#[test]
fn explicit_keys_apply() {
    let spec =
        demand("period_ms = 120000\nwindow_ms = 1200000\nsamples_min = 10\nevery_ms = 180000\n");
    assert_eq!(spec.window, Millis::from_secs(1200));
    assert_eq!((spec.samples_min, spec.every), (10, Millis::from_secs(180)));
    let counted = parse(&format!("{GOOD}{DEMAND}").replace("\"Sum\"", "\"SampleCount\"")).unwrap();
    let pool = &counted.fleet.pools[&PoolName::from("gpu")];
    assert_eq!(
        pool.demand.as_ref().unwrap().statistic,
        Statistic::SampleCount
    );
    let bare = format!("{GOOD}{DEMAND}").replace("dimensions", "# ");
    let pool = &parse(&bare).unwrap().fleet.pools[&PoolName::from("gpu")];
    assert_eq!(pool.demand.as_ref().unwrap().dimensions, BTreeMap::new());
}

#[test]
fn a_metric_that_could_not_be_read_as_written_is_refused() {
    let cases = [
        (
            "\"Sum\"",
            "\"Average\"",
            "found \"Average\"; accepted: `Sum`, `SampleCount`",
        ),
        (
            "{worker}",
            "{wroker}",
            "found the placeholder {wroker}; accepted: {instance}, {worker}, {tag_value}",
        ),
        ("{worker}", "{worker", "the placeholder {worker/{tag_value}"),
        ("{tag_value}", "{tag", "where a `{` is not closed"),
        ("\"Gpu\"", "\"\"", "found a text of 0 characters"),
        (
            "statistic",
            "period_ms = 90000\nstatistic",
            "found 90000; accepted: a multiple of 60000, a minute",
        ),
        (
            "statistic",
            "period_ms = 1000\nstatistic",
            "found 1000; accepted: 60000 to 3600000",
        ),
        (
            "statistic",
            "period_ms = 120000\nwindow_ms = 300000\nstatistic",
            "found 300000; accepted: a multiple of 120000, the period",
        ),
        (
            "statistic",
            "period_ms = 120000\nevery_ms = 60000\nstatistic",
            "found 60000; accepted: at least the period, 120000",
        ),
        (
            "statistic",
            "samples_min = 11\nstatistic",
            "at least 11 samples are wanted of a window that holds 10",
        ),
        (
            "statistic",
            "window_ms = 60000\nstatistic",
            "at least 2 samples are wanted of a window that holds 1",
        ),
        (
            "statistic",
            "samples_min = 0\nstatistic",
            "found 0; accepted: 1 to 1440",
        ),
        (
            "statistic = \"Sum\"",
            "",
            "missing key `statistic` in [pool.gpu.demand]",
        ),
    ];
    for (from, to, expected) in cases {
        let error = refused(from, to);
        assert!(error.contains(expected), "{error}");
    }
}
