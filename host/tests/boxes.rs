//! Tests boxes and applications over real sockets: registrations, heartbeats and reports.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::http::{self, Reply};
use common::{POINTER, Stage, end, get};
use reeve::{BoxesOptions, Host, HostOptions, Proofs, RunningHost};
use reeve_core::boxes::ProofKind;
use reeve_core::instance::InstanceState;
use reeve_core::spec::BoxSpec;
use reeve_core::store::{StoreError, StoreErrorKind};
use reeve_core::time::Instant;
use reeve_identity::testing::Issuer;
use reeve_identity::{Document, Verifier};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const INSTANCE: &str = "i-0123456789abcdef0";
const SECRET: &str = "a secret that is too long to be guessed";
const NONCE: &str = "drawn by the box at random";

fn options(stage: &Stage, proof: ProofKind) -> HostOptions {
    let mut options = stage.options();
    for pool in options.spec.pools.values_mut() {
        pool.boxes = Some(BoxSpec::new(proof));
    }
    let verifier = Verifier::pinned()
        .with_certificate("us-east-1".into(), Issuer::new().certificate())
        .unwrap();
    options.boxes = Some(BoxesOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        proofs: Proofs::new(verifier).with_secret("gpu".into(), SECRET),
        peer_connections_max: 64,
    });
    options
}

/// A host whose worker runs and was handed out.
async fn serving(stage: &Stage, proof: ProofKind) -> RunningHost {
    stage.world.add_running(INSTANCE, "chat");
    stage.world.point(POINTER, INSTANCE);
    let host = Host::start(options(stage, proof)).await.unwrap();
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    host
}

fn document(issuer: &Issuer, instance: &str) -> String {
    issuer.sign(&Document {
        instance: instance.into(),
        region: "us-east-1".into(),
        account: "123456789012".to_owned(),
        launched_at: Instant::from_ms(1_760_000_000_000),
    })
}

/// Sends a POST to the interface for boxes.
async fn to_boxes(host: &RunningHost, path: &str, token: Option<&str>, body: &str) -> Reply {
    http::post(host.boxes_address().unwrap(), path, token, body).await
}

async fn register(host: &RunningHost, instance: &str, nonce: &str) -> Reply {
    let body = json!({"nonce": nonce, "document": document(&Issuer::new(), instance)});
    let path = "/v1/workers/chat/register";
    to_boxes(host, path, None, &body.to_string()).await
}

async fn heartbeat(host: &RunningHost, token: &str) -> Reply {
    to_boxes(host, "/v1/workers/chat/heartbeat", Some(token), "").await
}

/// Sends a POST to the interface for applications.
async fn as_application(host: &RunningHost, path: &str, body: &str) -> Reply {
    http::post(host.address(), path, None, body).await
}

fn token_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_registers_by_its_document_and_is_known_by_its_token_from_then_on() {
    let stage = Stage::new();
    let host = serving(&stage, ProofKind::InstanceDocument).await;
    let reply = register(&host, INSTANCE, NONCE).await;
    let token = token_of(&reply);
    assert_eq!(reply.json()["worker"], "chat");
    assert_eq!(reply.json()["heartbeat_ms"], 30_000);
    let beat = heartbeat(&host, &token).await;
    assert_eq!(beat.status, 200, "{}", beat.body);
    assert_eq!(
        beat.json(),
        json!({"outcome": "stored", "heartbeat_ms": 30_000})
    );

    let spot = r#"{"instance_action": {"action": "stop", "time": "2026-01-31T08:22:00Z"}, "rebalance": null}"#;
    let path = "/v1/workers/chat/heartbeat";
    let beat = to_boxes(&host, path, Some(&token), spot).await;
    assert_eq!(beat.status, 200, "{}", beat.body);
    let wrong = r#"{"instance_action": {"time": "soon"}}"#;
    let refused = to_boxes(&host, path, Some(&token), wrong).await;
    assert_eq!(refused.status, 400, "{}", refused.body);

    let status = get(&host, "/v1/workers/chat").await.json();
    let announced = json!([{"kind": "reclaim", "at": 1_769_847_720_000_u64}]);
    assert_eq!(status["instances"][0]["notices"], announced);
    assert_eq!(status["registration"]["instance"], INSTANCE);
    assert!(status["activity"]["heartbeat_at"].as_u64().is_some());
    assert_eq!(status["last_error"], json!(null));
    end(host).await;

    // The secret is stored nowhere, and the restarted host accepts the box's token.
    let secret = token.rsplit('.').next().unwrap();
    assert!(!stage.journal().contains(secret));
    assert!(!format!("{:?}", stage.store).contains(secret));
    let host = Host::start(options(&stage, ProofKind::InstanceDocument))
        .await
        .unwrap();
    assert_eq!(heartbeat(&host, &token).await.status, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_and_processed_are_counted_apart_and_shown() {
    let stage = Stage::new();
    let host = serving(&stage, ProofKind::InstanceDocument).await;
    let token = token_of(&register(&host, INSTANCE, NONCE).await);
    let body = json!({"count": 3, "instance": INSTANCE}).to_string();
    for _ in 0..2 {
        let reply = as_application(&host, "/v1/workers/chat/delivered", &body).await;
        assert_eq!(reply.json(), json!({"outcome": "stored"}), "{}", reply.body);
    }
    let path = "/v1/workers/chat/processed";
    let done = to_boxes(&host, path, Some(&token), r#"{"count": 4}"#).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let done = as_application(&host, path, "").await;
    assert_eq!(done.status, 200, "{}", done.body);
    let busy = as_application(&host, "/v1/workers/chat/busy", r#"{"for_ms": 60000}"#).await;
    assert_eq!(busy.status, 200, "{}", busy.body);

    let activity = get(&host, "/v1/workers/chat").await.json()["activity"].clone();
    assert_eq!(activity["delivered"], 6);
    assert_eq!(activity["processed"], 5);
    assert_eq!(activity["in_flight"], 1);
    assert!(activity["busy_until"].as_u64() > activity["delivered_at"].as_u64());

    let elsewhere = r#"{"instance": "i-another"}"#;
    let reply = as_application(&host, "/v1/workers/chat/delivered", elsewhere).await;
    assert_eq!(reply.json(), json!({"outcome": "not_running"}));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_status_its_code_and_where_it_helps_when_to_come_back() {
    let stage = Stage::new();
    stage
        .world
        .add("i-0aaaaaaaaaaaaaaaa", "chat", InstanceState::Running, None);
    stage
        .world
        .add("i-0bbbbbbbbbbbbbbbb", "other", InstanceState::Running, None);
    stage.world.add(
        "i-0dddddddddddddddd",
        "chat",
        InstanceState::Terminated,
        None,
    );
    let host = serving(&stage, ProofKind::InstanceDocument).await;
    let token = token_of(&register(&host, INSTANCE, NONCE).await);
    assert_eq!(heartbeat(&host, &token).await.status, 200);
    let forged = document(&Issuer::other(), INSTANCE);
    let forged = json!({"nonce": NONCE, "document": forged}).to_string();
    let by_secret = json!({"nonce": NONCE, "instance": INSTANCE, "secret": SECRET}).to_string();
    let path = "/v1/workers/chat/register";
    let other = token.replacen("Y2hhdA", "b3RoZXI", 1);
    let replies = [
        (
            register(&host, "i-0aaaaaaaaaaaaaaaa", NONCE).await,
            401,
            "not_adopted",
            true,
        ),
        (
            register(&host, "i-0dddddddddddddddd", NONCE).await,
            409,
            "superseded",
            false,
        ),
        (
            register(&host, "i-0bbbbbbbbbbbbbbbb", NONCE).await,
            403,
            "not_this_workers",
            false,
        ),
        (
            register(&host, "i-0cccccccccccccccc", NONCE).await,
            401,
            "instance_not_visible",
            true,
        ),
        (
            register(&host, INSTANCE, "another nonce of a box").await,
            401,
            "token_live",
            true,
        ),
        (
            to_boxes(&host, path, None, &forged).await,
            403,
            "proof_wrong",
            false,
        ),
        (
            to_boxes(&host, path, None, &by_secret).await,
            403,
            "proof_not_accepted",
            false,
        ),
        (
            heartbeat(&host, "rvt1.nonsense").await,
            401,
            "token_unknown",
            true,
        ),
        (
            heartbeat(&host, &other).await,
            403,
            "token_of_another_worker",
            false,
        ),
        (
            to_boxes(&host, "/v1/workers/chat/heartbeat", None, "").await,
            401,
            "token_unknown",
            true,
        ),
        (
            to_boxes(&host, "/v1/workers/unknown/heartbeat", Some(&token), "").await,
            404,
            "unknown_worker",
            false,
        ),
        (
            to_boxes(&host, "/v1/workers/chat/delivered", Some(&token), "").await,
            404,
            "not_found",
            false,
        ),
        (
            to_boxes(&host, path, None, "{}").await,
            400,
            "bad_request",
            false,
        ),
        (
            to_boxes(&host, path, None, r#"{"nonce": "short", "document": ""}"#).await,
            400,
            "bad_request",
            false,
        ),
        (
            to_boxes(&host, path, None, "\u{0}").await,
            400,
            "bad_request",
            false,
        ),
    ];
    for (reply, status, code, comes_back) in replies {
        assert_eq!(reply.status, status, "{}", reply.body);
        assert_eq!(reply.json()["code"], code, "{}", reply.body);
        assert_eq!(reply.header("retry-after").is_some(), comes_back, "{code}");
        assert_eq!(
            reply.header("www-authenticate").is_some(),
            status == 401,
            "{code}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
    }
    // The good box still works, and the status and metrics show the attempts.
    assert_eq!(heartbeat(&host, &token).await.status, 200);
    let status = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(status["last_error"]["code"], "proof_not_accepted");
    let metrics = get(&host, "/metrics").await.body;
    assert!(
        metrics.contains(r#"reeve_notices_total{worker="chat",step="box_alarm"} 4"#),
        "{metrics}"
    );
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_without_a_document_registers_by_the_shared_secret() {
    let stage = Stage::new();
    let host = serving(&stage, ProofKind::SharedSecret).await;
    let path = "/v1/workers/chat/register";
    let body =
        |secret: &str| json!({"nonce": NONCE, "instance": INSTANCE, "secret": secret}).to_string();
    let wrong = to_boxes(&host, path, None, &body("guessed")).await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].as_str()),
        (403, Some("proof_wrong"))
    );
    let token = token_of(&to_boxes(&host, path, None, &body(SECRET)).await);
    assert_eq!(heartbeat(&host, &token).await.status, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_refused_without_being_taken_in() {
    let stage = Stage::new();
    let host = serving(&stage, ProofKind::InstanceDocument).await;
    let ten_megabytes = "x".repeat(10 << 20);
    let path = "/v1/workers/chat/register";
    let reply = to_boxes(&host, path, None, &ten_megabytes).await;
    assert_eq!(reply.status, 413, "{}", reply.body);
    assert_eq!(reply.json()["code"], "too_long");
    // A body that does not announce its length.
    let mut stream = TcpStream::connect(host.boxes_address().unwrap())
        .await
        .unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "y".repeat(0x10000));
    for _ in 0..3 {
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    let reply = http::read(stream).await;
    assert_eq!(reply.status, 413, "{}", reply.body);
    assert_eq!(get(&host, "/healthz").await.status, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_slow_body_is_refused_and_delays_no_other() {
    let stage = Stage::new();
    let host = serving(&stage, ProofKind::InstanceDocument).await;
    let mut slow = TcpStream::connect(host.boxes_address().unwrap())
        .await
        .unwrap();
    let head = "POST /v1/workers/chat/register HTTP/1.1\r\nHost: any\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let token = token_of(&register(&host, INSTANCE, NONCE).await);
    assert_eq!(heartbeat(&host, &token).await.status, 200);
    let waited = tokio::time::timeout(Duration::from_secs(30), http::read(slow)).await;
    let reply = waited.unwrap();
    assert_eq!(
        (reply.status, reply.json()["code"].as_str()),
        (408, Some("too_slow"))
    );
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_are_told_to_retry_while_the_store_or_the_cloud_is_down() {
    let stage = Stage::new();
    let host = serving(&stage, ProofKind::InstanceDocument).await;
    let token = token_of(&register(&host, INSTANCE, NONCE).await);
    stage.store.fail(Some(StoreError {
        doing: "write".to_owned(),
        kind: StoreErrorKind::NotWritable,
        message: "no room".to_owned(),
    }));
    let body = r#"{"count": 2}"#;
    let reply = as_application(&host, "/v1/workers/chat/delivered", body).await;
    assert_eq!(reply.json(), json!({"outcome": "not_stored"}));
    assert_eq!(
        heartbeat(&host, &token).await.json()["outcome"],
        "not_stored"
    );
    let again = register(&host, INSTANCE, NONCE).await;
    assert_eq!(
        (again.status, again.json()["code"].as_str()),
        (401, Some("token_live"))
    );
    stage.store.fail(None);
    let status = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(
        status["activity"]["delivered"], 2,
        "this host keeps the count"
    );

    stage.world.unreachable.store(true, Ordering::SeqCst);
    let away = register(&host, INSTANCE, "another nonce of a box").await;
    assert_eq!(
        (away.status, away.json()["code"].as_str()),
        (503, Some("cloud_unreachable"))
    );
    assert!(away.header("retry-after").is_some());
    assert_eq!(heartbeat(&host, &token).await.status, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interface_for_boxes_is_there_only_where_it_is_configured() {
    let stage = Stage::new();
    let host = stage.start().await;
    assert_eq!(host.boxes_address(), None);
    let reply = as_application(&host, "/v1/workers/chat/register", "{}").await;
    assert_eq!(reply.status, 404, "{}", reply.body);
    end(host).await;
}
