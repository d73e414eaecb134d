//! Tests an operator's commands over HTTP and with the command line.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::process::{Command, Output};

use common::http::Reply;
use common::{POINTER, Stage, end, eventually, get, http};
use reeve::RunningHost;
use reeve_core::store::{StoreError, StoreErrorKind};
use serde_json::json;

const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn post(host: &RunningHost, command: &str, body: &str) -> Reply {
    let path = format!("/v1/workers/chat/{command}");
    http::post_with(host.address(), &path, &[JSON], body).await
}

/// Runs a `reeve` command against this host.
async fn reeve(host: &RunningHost, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    let address = host.address().unwrap().to_string();
    command.args(arguments).args(["--host", &address]);
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    ran.await.unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_is_not_launched_and_stays_paused_after_a_restart() {
    let stage = Stage::new();
    let host = stage.start().await;
    let reply = post(&host, "pause", r#"{"reason": "disk copy"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = reply.json();
    assert_eq!(body["worker"], "chat");
    assert_eq!(body["condition"], "paused");
    assert_eq!(body["paused"]["reason"], "disk copy");
    assert_eq!(body["changed"], true);
    assert_eq!(body["outcome"], "paused");
    let counted = get(&host, "/metrics").await.body;
    for line in [
        r#"reeve_workers{condition="paused"} 1"#,
        r#"reeve_notices_total{worker="chat",step="worker_paused"} 1"#,
    ] {
        assert!(counted.contains(line), "{line} is not in\n{counted}");
    }
    end(host).await;

    let host = stage.start().await;
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["code"], "paused");
    let paused = "an operator (a program on this machine) has paused the worker: disk copy";
    assert!(reply.body.contains(paused), "{}", reply.body);
    assert_eq!(stage.world.mutations(), []);

    let reply = post(&host, "resume", "").await;
    assert_eq!(reply.json()["outcome"], "resumed");
    assert_eq!(reply.json()["paused"], json!(null));
    let reply = get(&host, "/v1/workers/chat/resolve?wait=30s").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    end(host).await;
    for part in [
        r#""from":"a program on this machine","entry":{"commanded":{"pause":{"reason":"disk copy"}}}"#,
        r#"{"answered":{"Ok":"paused"}}"#,
    ] {
        assert!(stage.journal().contains(part), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_instance_is_served_in_a_pause_and_found_after_a_forget() {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    let host = stage.start().await;
    get(&host, "/v1/workers/chat/resolve").await;
    post(&host, "pause", "").await;
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.json()["instance"], "i-a");
    post(&host, "resume", "").await;

    let reply = post(&host, "forget", "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = reply.json();
    assert_eq!(body["outcome"], "forgotten");
    assert_eq!(body["adopted"], json!(null));
    assert_eq!(body["url"], json!(null));
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.json()["instance"], "i-a");
    assert_eq!(stage.world.mutations(), []);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_not_followed_is_a_problem_with_a_stable_code() {
    let stage = Stage::new();
    let held = stage.world.mutations.acquire_many(1000).await.unwrap();
    let host = stage.start().await;
    let unknown = http::post_with(host.address(), "/v1/workers/unknown/pause", &[], "").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["code"], "unknown_worker");

    get(&host, "/v1/workers/chat/resolve?wait=1s").await;
    let launching = async || {
        let status = get(&host, "/v1/workers/chat").await.json();
        status["in_flight"].get("launching").map(|_| ())
    };
    eventually("a launch under way", launching).await;
    let refused = post(&host, "forget", "").await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(refused.json()["code"], "mutation_in_flight");
    assert_eq!(
        refused.json()["type"],
        "urn:reeve:problem:mutation_in_flight"
    );
    assert_eq!(refused.json()["worker"], "chat");
    drop(held);
    get(&host, "/v1/workers/chat/resolve?wait=30s").await;

    stage.store.fail(Some(StoreError {
        doing: "write the record".to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the test says so".to_owned(),
    }));
    let refused = post(&host, "pause", "").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["code"], "store_unreachable");
    stage.store.fail(None);
    end(host).await;

    let mut options = stage.options();
    options.spec.dry_run = true;
    let host = reeve::Host::start(options).await.unwrap();
    let refused = post(&host, "pause", "").await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["code"], "dry_run");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_reason_is_refused_and_changes_nothing() {
    let stage = Stage::new();
    let host = stage.start().await;
    let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(4096));
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let cases = [
        (JSON, "{", 400, "bad_request"),
        (JSON, r#"{"why": "x"}"#, 400, "bad_request"),
        (JSON, r#"{"reason": 7}"#, 400, "bad_request"),
        (JSON, r#"{"reason": "two\nlines"}"#, 400, "bad_request"),
        (JSON, &long, 413, "too_long"),
        (form, "reason=x", 400, "bad_request"),
    ];
    for (content_type, body, status, code) in cases {
        let path = "/v1/workers/chat/pause";
        let reply = http::post_with(host.address(), path, &[content_type], body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
        assert_eq!(reply.json()["code"], code, "{body}");
    }
    let status = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(status["paused"], json!(null));
    let charset = ("content-type", "Application/JSON; charset=utf-8");
    let path = "/v1/workers/chat/pause";
    let reply = http::post_with(host.address(), path, &[charset], r#"{"reason": "  "}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["paused"]["reason"], json!(null));
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::new();
    let host = stage.start().await;
    let mut stream = tokio::net::TcpStream::connect(host.address().unwrap())
        .await
        .unwrap();
    let head = "POST /v1/workers/chat/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(std::time::Duration::from_secs(20), stream.read(&mut answer));
    let length = read.await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("too_slow"), "{answer}");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_client_that_still_sends_and_its_connection_lives_on() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::new();
    let host = stage.start().await;
    let mut stream = tokio::net::TcpStream::connect(host.address().unwrap())
        .await
        .unwrap();
    // Refused by the head alone, and by a handler that reads no body.
    let refused = [("/v1/nothing", "404"), ("/v1/workers/absent/pause", "404")];
    for (path, status) in refused {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        for _ in 0..4 {
            stream.write_all(&[b'x'; 1000]).await.unwrap();
        }
        let mut answer = vec![0; 8192];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer:?}"
        );
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_can_neither_command_nor_ask() {
    let stage = Stage::new();
    let host = stage.start().await;
    let origin = ("Origin", "http://evil.example");
    let opaque = ("Origin", "null");
    let site = ("Sec-Fetch-Site", "cross-site");
    let neighbour = ("Sec-Fetch-Site", "same-site");
    for header in [origin, opaque, site, neighbour] {
        for path in ["/v1/workers/chat/pause", "/v1/policies/reload"] {
            let reply = http::post_with(host.address(), path, &[header], "").await;
            assert_eq!(reply.status, 403, "{header:?} {path}: {}", reply.body);
            assert_eq!(reply.json()["code"], "cross_site");
        }
    }
    let status = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(status["paused"], json!(null));
    let own = format!("http://{}", host.address().unwrap());
    let own = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    let reply = http::post_with(host.address(), "/v1/workers/chat/pause", &own, "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_in_one_sentence_what_has_come_of_a_command() {
    let stage = Stage::new();
    let host = stage.start().await;
    let cases: [(&[&str], &str); 7] = [
        (
            &["pause", "chat", "--reason", "disk copy"],
            "chat is paused (disk copy): the host changes nothing",
        ),
        (&["pause", "chat"], "chat was paused already (disk copy)"),
        (
            &["pause", "chat", "--reason", "moving"],
            "its reason has changed (moving)",
        ),
        (
            &["forget", "chat"],
            "chat is forgotten and still paused (moving)",
        ),
        (&["resume", "chat"], "chat is resumed"),
        (&["resume", "chat"], "chat is not paused"),
        (
            &["forget", "chat"],
            "chat is forgotten; the next call reads it again from AWS",
        ),
    ];
    for (number, (arguments, part)) in cases.into_iter().enumerate() {
        let arguments = [&["worker"], arguments].concat();
        let text = printed(&reeve(&host, &arguments).await);
        assert!(text.contains(part), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        if number == 2 {
            let listed = printed(&reeve(&host, &["workers"]).await);
            let line = listed.lines().nth(1).unwrap();
            assert!(line.starts_with("chat    paused"), "{listed}");
            let shown = printed(&reeve(&host, &["worker", "show", "chat"]).await);
            assert!(shown.contains(r#""reason": "moving""#), "{shown}");
        }
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_ends_with_1_and_its_code() {
    let stage = Stage::new();
    let mut options = stage.options();
    options.spec.dry_run = true;
    let host = reeve::Host::start(options).await.unwrap();
    for (name, code) in [("chat", "dry_run: "), ("unknown", "unknown_worker: ")] {
        for command in ["pause", "resume", "forget"] {
            let output = reeve(&host, &["worker", command, name]).await;
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{errors}");
            assert!(errors.contains(code), "{command} {name}: {errors}");
        }
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_names_its_cause_and_says_what_came_of_it() {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    let host = stage.start().await;
    get(&host, "/v1/workers/chat/resolve").await;
    let path = "/v1/workers/chat/restart";
    let ask = async |body: &str| http::post(host.address(), path, None, body).await;
    for body in [
        "{}",
        r#"{"cause": ""}"#,
        r#"{"cause": "two words"}"#,
        r#"{"cause": "a", "text": "two\nlines"}"#,
        r#"{"by": "stranger"}"#,
    ] {
        let reply = ask(body).await;
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (400, Some("bad_request")),
            "{body}"
        );
    }
    let begun = ask(r#"{"cause": "secret-changed"}"#).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    assert_eq!(begun.json()["outcome"], "restart_begun");
    assert_eq!(begun.json()["condition"], "restarting");
    let dropped = ask(r#"{"cause": "probe-failed"}"#).await;
    assert_eq!(dropped.json()["outcome"], "restart_dropped");
    assert_eq!(dropped.json()["changed"], false);
    assert_eq!(
        dropped.json()["restart"]["dropped"],
        json!({"probe-failed": 1})
    );
    let joined = ask(r#"{"by": "person"}"#).await;
    assert_eq!(joined.json()["outcome"], "restart_joined");
    let turned_away = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(turned_away.json()["code"], "restarting");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_reach_an_instance_has_it_looked_at() {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    let host = stage.start().await;
    get(&host, "/v1/workers/chat/resolve").await;
    let reply = post(&host, "unreachable", r#"{"instance": "i-b"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["outcome"], "stale");
    assert_eq!(reply.json()["retry_after_ms"], 0);

    let said = reeve(&host, &["worker", "unreachable", "chat", "i-a"]).await;
    assert!(printed(&said).starts_with("chat: i-a is read by its id"));
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.json()["instance"], "i-a", "{}", reply.body);
    let again = post(&host, "unreachable", r#"{"instance": "i-a"}"#).await;
    assert_eq!(again.json()["outcome"], "runs", "{}", again.body);

    let reply = post(&host, "unreachable", "").await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert_eq!(stage.world.mutations(), []);
    end(host).await;
}
