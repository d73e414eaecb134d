use super::*;

const MINUTE: Millis = Millis::from_secs(60);

fn spec() -> DemandSpec {
    DemandSpec {
        namespace: "Gpu".to_owned(),
        metric: "Invocations".to_owned(),
        statistic: Statistic::Sum,
        dimensions: BTreeMap::new(),
        period: MINUTE,
        window: Millis::from_secs(600),
        samples_min: 2,
        every: MINUTE,
    }
}

fn minute(number: u64) -> Instant {
    Instant::from_ms(number * MINUTE.get())
}

/// Samples of successive minutes, beginning with minute `first`.
fn samples(first: u64, counts: &[u64]) -> Vec<Sample> {
    let sample = |(minutes, count): (u64, &u64)| Sample {
        at: minute(first + minutes),
        count: *count,
    };
    (0..).zip(counts).map(sample).collect()
}

fn requests(count: u32, minutes: u64, until: Instant) -> DemandReading {
    DemandReading::Requests {
        count,
        window: Millis::new(minutes * MINUTE.get()),
        until,
    }
}

#[test]
fn placeholders_in_dimensions_are_filled_in_for_each_worker() {
    let dimensions = [
        ("a", "{instance}"),
        ("b", "{worker}-{tag_value}!"),
        ("c", "x{other}{y"),
    ];
    let spec = DemandSpec {
        dimensions: dimensions
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..spec()
    };
    let metric = spec.metric_of(&"chat".into(), "{instance}", &"i-1".into());
    let values: Vec<_> = metric.dimensions.into_values().collect();
    assert_eq!(values, ["i-1", "chat-{instance}!", "x{other}{y"]);
}

#[test]
fn only_complete_periods_are_asked_for() {
    let at = |ms| spec().window_at(Instant::from_ms(ms));
    let twelve = minute(12).as_ms();
    assert_eq!(at(twelve), (minute(2), minute(12)));
    assert_eq!(at(twelve + 59_999), (minute(2), minute(12)));
    assert_eq!(at(twelve - 1), (minute(1), minute(11)));
    assert_eq!(at(0), (minute(0), minute(0)));
}

#[test]
fn a_window_is_the_time_that_its_samples_cover() {
    let reading = |counts: &[u64]| spec().reading_of(&samples(20, counts), minute(0));
    assert_eq!(reading(&[0, 2, 1]), requests(3, 3, minute(23)));
    assert_eq!(reading(&[0; 10]), requests(0, 10, minute(30)));
    assert_eq!(
        reading(&[u64::MAX, 1]),
        requests(u32::MAX, 2, minute(22)),
        "saturates"
    );
}

#[test]
fn fewer_samples_than_the_minimum_are_too_few_to_tell() {
    let reading = |counts: &[u64]| spec().reading_of(&samples(20, counts), minute(0));
    assert_eq!(reading(&[]), DemandReading::TooFew);
    assert_eq!(reading(&[7]), DemandReading::TooFew);
    assert_eq!(reading(&[7, 0]), requests(7, 2, minute(22)));
}

#[test]
fn the_window_is_no_longer_than_the_instance_has_lived() {
    let ten = samples(20, &[5, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let in_minute_27 = minute(27) + Millis::new(30_000);
    let lived = DemandReading::Requests {
        count: 0,
        window: Millis::new(150_000),
        until: minute(30),
    };
    assert_eq!(spec().reading_of(&ten, in_minute_27), lived);
    assert_eq!(
        spec().reading_of(&ten, minute(29)),
        DemandReading::TooFew,
        "one minute of its life is one sample"
    );
    assert_eq!(
        spec().reading_of(&ten, minute(31)),
        DemandReading::TooFew,
        "a metric of before its life says nothing of it"
    );
}
