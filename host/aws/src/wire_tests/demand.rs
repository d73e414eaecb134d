//! Tests demand metrics over the wire.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, CloudErrorKind, Query, Reading};
use reeve_core::demand::{Metric, Sample, Statistic};
use reeve_core::id::WorkerId;
use reeve_core::time::{Instant, Millis};
use serde_json::{Value, json};

use super::cbor::{self, Found, page, refusal};
use crate::demand::BATCH_METRICS_MAX;
use crate::testing::{ScriptedServer, Step};

const MINUTE: Millis = Millis::from_secs(60);
/// The start of a minute.
const SINCE_S: u64 = 1_760_428_800;

type Answers = BTreeMap<WorkerId, Result<Vec<Sample>, CloudError>>;

/// The start of this minute of the window.
fn minute(number: u64) -> Instant {
    Instant::from_ms((SINCE_S + number * 60) * 1000)
}

fn name(number: usize) -> WorkerId {
    WorkerId::from(format!("w-{number:04}").as_str())
}

/// A query for the metrics of this many workers over ten minutes.
fn demand(workers: usize) -> Query {
    let metric = |number: usize| Metric {
        namespace: "Gpu".to_owned(),
        name: "Invocations".to_owned(),
        statistic: Statistic::Sum,
        dimensions: BTreeMap::from([("InstanceId".to_owned(), format!("i-{number}"))]),
        instance: format!("i-{number}").as_str().into(),
    };
    let metrics = (0..workers).map(|number| (name(number), metric(number)));
    Query::Demand {
        region: "us-east-1".into(),
        period: MINUTE,
        since: minute(0),
        until: minute(10),
        metrics: metrics.collect(),
    }
}

/// A complete result for one metric: 0 in the first two minutes.
fn zeros(id: &str) -> Found<'_> {
    const TIMES: [Instant; 2] = [
        Instant::from_ms(SINCE_S * 1000),
        Instant::from_ms((SINCE_S + 60) * 1000),
    ];
    Found {
        id,
        times: &TIMES,
        values: &[0.0, 0.0],
        status: "Complete",
    }
}

async fn ask(query: Query, script: Vec<Step>) -> (Result<Reading, CloudError>, ScriptedServer) {
    let server = ScriptedServer::start(script);
    let answer = server.cloud().await.ask(query).await;
    (answer, server)
}

fn answers(answer: Result<Reading, CloudError>) -> Answers {
    match answer {
        Ok(Reading::Demand(answers)) => answers,
        other => panic!("no demand: {other:?}"),
    }
}

/// The samples of one metric after these responses.
async fn one(script: Vec<Step>) -> Result<Vec<Sample>, CloudError> {
    let (answer, _) = ask(demand(1), script).await;
    answers(answer).remove(&name(0)).unwrap()
}

fn samples(counts: &[(u64, u64)]) -> Vec<Sample> {
    let sample = |&(minutes, count): &(u64, u64)| Sample {
        at: minute(minutes),
        count,
    };
    counts.iter().map(sample).collect()
}

fn bodies(server: &ScriptedServer) -> Vec<Value> {
    let requests = server.requests();
    requests
        .iter()
        .map(|request| cbor::json(&request.bytes))
        .collect()
}

#[tokio::test]
async fn a_metric_is_asked_for_by_name_dimensions_statistic_and_window() {
    let (answer, server) = ask(demand(1), vec![page(&[zeros("m0")], "")]).await;
    let expected = Answers::from([(name(0), Ok(samples(&[(0, 0), (1, 0)])))]);
    assert_eq!(answers(answer), expected);
    let [body] = bodies(&server).try_into().unwrap();
    assert_eq!(
        body,
        json!({
            "MetricDataQueries": [{
                "Id": "m0",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "Gpu",
                        "MetricName": "Invocations",
                        "Dimensions": [{ "Name": "InstanceId", "Value": "i-0" }],
                    },
                    "Period": 60,
                    "Stat": "Sum",
                },
            }],
            "StartTime": SINCE_S,
            "EndTime": SINCE_S + 600,
        })
    );
    let [request] = server.requests().try_into().unwrap();
    assert!(request.header_contains("/operation/getmetricdata"));
    assert!(request.header_contains("/us-east-1/monitoring/aws4_request"));
}

#[tokio::test]
async fn five_hundred_metrics_are_one_call_and_one_more_is_another() {
    let ids: Vec<_> = (0..BATCH_METRICS_MAX).map(|n| format!("m{n}")).collect();
    let all: Vec<_> = ids.iter().map(|id| zeros(id)).collect();
    let script = || vec![page(&all, ""), page(&[zeros("m0")], "")];
    for (workers, calls) in [
        (BATCH_METRICS_MAX, vec![500]),
        (BATCH_METRICS_MAX + 1, vec![500, 1]),
    ] {
        let (answer, server) = ask(demand(workers), script()).await;
        let answers = answers(answer);
        assert_eq!(answers.len(), workers);
        assert!(answers.values().all(Result::is_ok));
        let asked = bodies(&server);
        let asked = asked
            .iter()
            .map(|body| body["MetricDataQueries"].as_array().unwrap().len());
        assert_eq!(asked.collect::<Vec<_>>(), calls);
    }
}

#[tokio::test]
async fn pages_are_followed_and_add_up_in_order() {
    let first = Found {
        id: "m0",
        times: &[minute(3), minute(1)],
        values: &[3.0, 1.0],
        status: "PartialData",
    };
    let second = Found {
        id: "m0",
        times: &[minute(2), minute(3)],
        values: &[2.0, 3.0],
        status: "Complete",
    };
    let script = vec![page(&[first], "page-2"), page(&[second], "")];
    let (answer, server) = ask(demand(1), script).await;
    let found = answers(answer).remove(&name(0)).unwrap();
    assert_eq!(found, Ok(samples(&[(1, 1), (2, 2), (3, 3)])));
    let [first, second] = bodies(&server).try_into().unwrap();
    assert_eq!(first.get("NextToken"), None);
    assert_eq!(second["NextToken"], "page-2");
    assert_eq!(first["MetricDataQueries"], second["MetricDataQueries"]);
}

#[tokio::test]
async fn a_page_that_names_itself_as_the_next_is_an_error_and_not_the_end() {
    let script = vec![page(&[], "again"), page(&[zeros("m0")], "again")];
    let (answer, _) = ask(demand(1), script).await;
    assert_eq!(answer.unwrap_err().code, "Response");
}

#[tokio::test]
async fn a_second_page_or_batch_that_is_refused_is_an_error_of_all() {
    let denied = || refusal(403, "AccessDenied");
    for (workers, token) in [(1, "page-2"), (BATCH_METRICS_MAX + 1, "")] {
        let script = vec![page(&[zeros("m0")], token), denied()];
        let (answer, server) = ask(demand(workers), script).await;
        assert_eq!(answer.unwrap_err().kind, CloudErrorKind::Denied);
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn periods_without_values_are_left_out_and_not_zero() {
    let nothing = Found {
        id: "m0",
        times: &[],
        values: &[],
        status: "Complete",
    };
    assert_eq!(one(vec![page(&[nothing], "")]).await, Ok(Vec::new()));
    let gap = Found {
        id: "m0",
        times: &[minute(7), minute(2)],
        values: &[0.0, 5.0],
        status: "Complete",
    };
    let expected = samples(&[(2, 5), (7, 0)]);
    assert_eq!(one(vec![page(&[gap], "")]).await, Ok(expected));
}

#[tokio::test]
async fn an_incomplete_metric_is_an_error_of_that_worker_alone() {
    for (status, kind) in [
        ("PartialData", CloudErrorKind::Transient),
        ("InternalError", CloudErrorKind::Transient),
        ("Forbidden", CloudErrorKind::Denied),
        ("SomethingNew", CloudErrorKind::Transient),
    ] {
        let part = Found {
            status,
            ..zeros("m0")
        };
        let (answer, _) = ask(demand(2), vec![page(&[part, zeros("m1")], "")]).await;
        let answers = answers(answer);
        let error = answers[&name(0)].as_ref().unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, status));
        assert!(answers[&name(1)].is_ok());
    }
}

#[tokio::test]
async fn a_metric_that_the_answer_leaves_out_is_an_error_and_not_an_empty_one() {
    let (answer, _) = ask(demand(2), vec![page(&[zeros("m1")], "")]).await;
    let answers = answers(answer);
    assert_eq!(answers[&name(0)].as_ref().unwrap_err().code, "Response");
    assert!(answers[&name(1)].is_ok());
}

#[tokio::test]
async fn an_invalid_count_is_garbled_and_a_fraction_is_rounded_up() {
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        let odd = Found {
            values: &[0.0, value],
            ..zeros("m0")
        };
        let error = one(vec![page(&[odd], "")]).await.unwrap_err();
        assert_eq!(error.code, "Response", "{value}");
    }
    let short = Found {
        values: &[0.0],
        ..zeros("m0")
    };
    let error = one(vec![page(&[short], "")]).await.unwrap_err();
    assert!(error.message.contains("2 times and 1 values"), "{error}");
    let half = Found {
        values: &[0.25, 1e300],
        ..zeros("m0")
    };
    let expected = samples(&[(0, 1), (1, u64::MAX)]);
    assert_eq!(one(vec![page(&[half], "")]).await, Ok(expected));
}

#[tokio::test]
async fn samples_from_outside_the_window_are_left_out() {
    let outside = Found {
        times: &[minute(9), minute(10)],
        ..zeros("m0")
    };
    assert_eq!(
        one(vec![page(&[outside], "")]).await,
        Ok(samples(&[(9, 0)]))
    );
}

#[tokio::test]
async fn a_call_that_is_throttled_is_asked_again_and_given_up_after_three_attempts() {
    let throttled = || refusal(400, "ThrottlingException");
    let script = vec![throttled(), page(&[zeros("m0")], "")];
    assert_eq!(one(script).await, Ok(samples(&[(0, 0), (1, 0)])));
    let cases = [
        (throttled(), CloudErrorKind::Throttled),
        (
            refusal(500, "InternalServiceFault"),
            CloudErrorKind::Transient,
        ),
    ];
    for (step, kind) in cases {
        let Step::Answer {
            status,
            headers,
            body,
        } = step
        else {
            panic!("a refusal is an answer");
        };
        let script = (0..4).map(|_| Step::Answer {
            status,
            headers,
            body: body.clone(),
        });
        let (answer, server) = ask(demand(1), script.collect()).await;
        assert_eq!(answer.unwrap_err().kind, kind);
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn an_answer_that_is_no_cbor_is_an_error() {
    let script = (0..3).map(|_| Step::answer(200, "<cut off"));
    let (answer, _) = ask(demand(1), script.collect()).await;
    assert_eq!(answer.unwrap_err().kind, CloudErrorKind::Transient);
}
