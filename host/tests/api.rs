//! Tests the HTTP interface over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::sync::atomic::Ordering;

use common::{POINTER, Stage, end, get, http};
use serde_json::Value;

/// A stage on which the worker's pointer names a running instance.
fn steady() -> Stage {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolve_answers_with_the_address_and_the_decision_it_rests_on() {
    let stage = steady();
    let host = stage.start().await;
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let body = reply.json();
    assert_eq!(body["worker"], "chat");
    assert_eq!(body["url"], "http://10.0.0.1:8080");
    assert_eq!(body["instance"], "i-a");
    assert_eq!(body["generation"], 0);
    assert!(body["decision"].as_u64().unwrap() > 0);
    assert_eq!(body["digest"].as_str().unwrap().len(), 64);
    assert!(body["valid_for_ms"].as_u64().unwrap() > 0);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn further_resolves_come_from_the_published_route_without_a_call_or_a_decision() {
    let stage = steady();
    let host = stage.start().await;
    let first = get(&host, "/v1/workers/chat/resolve").await.json();
    let queries = stage.world.queries();
    for _ in 0..20 {
        let again = get(&host, "/v1/workers/chat/resolve?wait=1s").await;
        assert_eq!(again.status, 200);
        assert_eq!(again.json()["decision"], first["decision"]);
    }
    assert_eq!(stage.world.queries(), queries);
    let metrics = get(&host, "/metrics").await.body;
    assert!(
        metrics.contains(r#"reeve_resolves_total{worker="chat",answer="route"} 20"#),
        "{metrics}"
    );
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_core_learns_of_hand_outs_from_the_route() {
    let stage = steady();
    let host = stage.start().await;
    let handed_out = async || {
        let status = get(&host, "/v1/workers/chat").await.json();
        status["instances"][0]["handed_out"].as_u64()
    };
    get(&host, "/v1/workers/chat/resolve").await;
    let first = handed_out().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    get(&host, "/v1/workers/chat/resolve").await;
    common::eventually("a later hand-out", async || {
        handed_out().await.filter(|at| *at > first)
    })
    .await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_worker_is_a_problem_with_a_code_and_a_retry_time() {
    let stage = steady();
    stage.world.unreachable.store(true, Ordering::SeqCst);
    let host = stage.start().await;
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 503);
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    let body = reply.json();
    assert_eq!(body["code"], "cloud_unreachable");
    assert_eq!(body["type"], "urn:reeve:problem:cloud_unreachable");
    assert_eq!(body["status"], 503);
    assert_eq!(body["worker"], "chat");
    assert!(body["title"].is_string() && body["detail"].is_string());
    assert!(body["decision"].is_number());
    let retry_after_ms = body["retry_after_ms"].as_u64().unwrap();
    let retry_after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(retry_after, retry_after_ms.div_ceil(1000).max(1));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_panics_takes_neither_the_process_nor_the_worker_with_it() {
    let stage = steady();
    stage.world.panics.store(true, Ordering::SeqCst);
    let host = stage.start().await;
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    stage.world.panics.store(false, Ordering::SeqCst);
    assert_eq!(get(&host, "/v1/workers/chat/resolve").await.status, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_says_what_was_wrong_and_what_is_accepted() {
    let stage = steady();
    let host = stage.start().await;
    let cases = [
        (
            "GET",
            "/v1/workers/unknown/resolve",
            404,
            "unknown_worker",
            "GET /v1/workers shows",
        ),
        (
            "GET",
            "/v1/workers/unknown",
            404,
            "unknown_worker",
            "no worker \"unknown\"",
        ),
        (
            "GET",
            "/v1/workers/%ff/resolve",
            404,
            "unknown_worker",
            "no worker \"%ff\" is configured",
        ),
        (
            "GET",
            "/v1/workers/chat/resolve?wait=soon",
            400,
            "bad_request",
            "such as 5s, 500ms or 2",
        ),
        (
            "GET",
            "/v1/workers/chat/resolve?timeout=5",
            400,
            "bad_request",
            "accepted: wait",
        ),
        ("GET", "/v2", 404, "not_found", "/v1/workers/{name}/resolve"),
        (
            "POST",
            "/v1/workers",
            405,
            "method_not_allowed",
            "POST is not accepted",
        ),
        (
            "DELETE",
            "/v1/workers/chat",
            405,
            "method_not_allowed",
            "DELETE is not accepted",
        ),
        (
            "GET",
            "/v1/policies/reload",
            405,
            "method_not_allowed",
            "POST /v1/policies/reload",
        ),
    ];
    for (method, path, status, code, part) in cases {
        let reply = http::tcp(host.address(), method, path, "localhost").await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
        let body = reply.json();
        assert_eq!(body["code"], code, "{path}");
        assert!(
            body["detail"].as_str().unwrap().contains(part),
            "{path}: {body}"
        );
    }
    let reply = http::tcp(host.address(), "POST", "/v1/workers", "localhost").await;
    assert!(
        reply
            .header("allow")
            .is_some_and(|allow| allow.contains("GET")),
        "{reply:?}"
    );
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_another_hosts_name_is_refused() {
    let stage = steady();
    let host = stage.start().await;
    let reply = http::tcp(host.address(), "GET", "/v1/workers", "evil.example").await;
    assert_eq!(reply.status, 421);
    assert_eq!(reply.json()["code"], "wrong_host");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unix_socket_answers_the_same_and_is_gone_when_the_host_has_ended() {
    let stage = steady();
    let mut options = stage.options();
    options.socket = Some(stage.socket());
    let host = reeve::Host::start(options).await.unwrap();
    let reply = http::unix(&stage.socket(), "GET", "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["instance"], "i-a");
    end(host).await;
    assert!(!stage.socket().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_and_shown_one_by_one() {
    let stage = steady();
    let host = stage.start().await;
    get(&host, "/v1/workers/chat/resolve").await;
    let all = get(&host, "/v1/workers").await.json();
    assert_eq!(all["workers"].as_array().unwrap().len(), 1);
    let one = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(one["condition"], "serving");
    assert_eq!(one["adopted"], "i-a");
    assert_eq!(one["last_decision"]["verdict"], "serve i-a");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_alive_at_once_and_ready_when_it_has_looked_at_the_cloud() {
    let stage = steady();
    let host = stage.start().await;
    assert_eq!(get(&host, "/healthz").await.status, 200);
    let ready = async || {
        let reply = get(&host, "/readyz").await;
        (reply.status == 200).then(|| reply.json())
    };
    let judgement: Value = common::eventually("readiness", ready).await;
    assert_eq!(judgement["ready"], true);
    assert_eq!(judgement["reasons"], serde_json::json!([]));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened_by_name() {
    let stage = steady();
    let host = stage.start().await;
    get(&host, "/v1/workers/chat/resolve").await;
    let reply = get(&host, "/metrics").await;
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    for line in [
        r#"reeve_resolves_total{worker="chat",answer="served"} 1"#,
        r#"reeve_notices_total{worker="chat",step="instance_adopted_by_pointer"} 1"#,
        r#"reeve_decisions_total{pool="gpu",point="resolve",result="verdict"} 1"#,
        r#"reeve_cloud_calls_total{operation="pointer",result="ok"} 1"#,
        r#"reeve_workers{condition="serving"} 1"#,
        "reeve_journal_write_failures_total 0",
    ] {
        assert!(
            reply.body.contains(line),
            "{line} is not in\n{}",
            reply.body
        );
    }
    end(host).await;
}
