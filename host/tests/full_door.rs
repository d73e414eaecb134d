//! Tests the listener for boxes under a flood: which connections are served, and whose silence
//! counts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::http::{self, Reply};
use common::{POINTER, Stage, end, eventually, get};
use reeve::{BoxesOptions, Host, Proofs, RunningHost};
use reeve_core::boxes::ProofKind;
use reeve_core::health::{HealthSpec, RestartRule};
use reeve_core::spec::BoxSpec;
use reeve_core::time::Millis;
use reeve_identity::Verifier;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const INSTANCE: &str = "i-0123456789abcdef0";
const SECRET: &str = "a secret of many words that is hard to guess";
const REGISTER: &str = "/v1/workers/chat/register";
const HEARTBEAT: &str = "/v1/workers/chat/heartbeat";
/// An address of this machine that is not the box's.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// A host with a box registered from 127.0.0.1, and the box's token. Three heartbeats take 900 ms.
async fn serving(stage: &Stage, peer_connections_max: usize) -> (RunningHost, String) {
    stage.world.add_running(INSTANCE, "chat");
    stage.world.point(POINTER, INSTANCE);
    let mut options = stage.options();
    for pool in options.spec.pools.values_mut() {
        pool.limits.scan_interval = Millis::new(200);
        pool.boxes = Some(BoxSpec {
            heartbeat: Millis::new(300),
            ..BoxSpec::new(ProofKind::SharedSecret)
        });
        pool.health = Some(HealthSpec {
            every: Millis::new(100),
            unhealthy_after: 1,
            restart: RestartRule::Never,
            ..HealthSpec::default()
        });
    }
    options.boxes = Some(BoxesOptions {
        listen: "0.0.0.0:0".parse().unwrap(),
        tls: None,
        proofs: Proofs::new(Verifier::pinned()).with_secret("gpu".into(), SECRET),
        peer_connections_max,
    });
    let host = Host::start(options).await.unwrap();
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = json!({"nonce": "drawn by the box", "instance": INSTANCE, "secret": SECRET});
    let reply = http::post(door(&host), REGISTER, None, &body.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    (host, token)
}

fn door(host: &RunningHost) -> SocketAddr {
    let port = host.boxes_address().unwrap().port();
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn heartbeat(host: &RunningHost, token: &str) -> Reply {
    http::post(door(host), HEARTBEAT, Some(token), "").await
}

/// Sends the beginning of a request from this address, and no more.
async fn begin(host: &RunningHost, from: [u8; 4], sent: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut stream = socket.connect(door(host)).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// Whether the listener closes a new connection of the box without a response.
async fn is_turned_away(host: &RunningHost, token: &str) -> bool {
    let head = format!(
        "POST {HEARTBEAT} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(door(host)).await.unwrap();
    // The listener may have closed the connection already.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer.is_empty()
}

/// Holds the only place of the box's address with a request whose body never arrives.
async fn hold_the_place(host: &RunningHost, token: &str) -> TcpStream {
    let head = "POST /v1/workers/chat/register HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{";
    eventually("the place is taken", || async {
        let held = begin(host, [127, 0, 0, 1], head).await;
        // Until the host has read the head, the connection counts as waiting and could be replaced.
        tokio::time::sleep(Duration::from_millis(200)).await;
        is_turned_away(host, token).await.then_some(held)
    })
    .await
}

async fn heartbeat_signal(host: &RunningHost) -> Value {
    let worker = get(host, "/v1/workers/chat").await.json();
    worker["health"]["signals"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_heartbeat_passes_during_six_hundred_half_sent_heads_of_a_peer() {
    let stage = Stage::new();
    let (host, token) = serving(&stage, 64).await;
    let mut half_sent = Vec::new();
    for _ in 0..600 {
        let sent = "POST /v1/workers/chat/heartbeat HTTP/1.1\r\nHost: a";
        half_sent.push(begin(&host, ELSEWHERE, sent).await);
    }
    for _ in 0..50 {
        let beat = tokio::time::timeout(Duration::from_secs(5), heartbeat(&host, &token)).await;
        let beat = beat.unwrap_or_else(|_| panic!("the heartbeat got no response"));
        assert_eq!(beat.status, 200, "{}", beat.body);
    }
    let metrics = get(&host, "/metrics").await.body;
    let ended = "reeve_connections_turned_away_total{door=\"boxes\",cap=\"peer\"} 536";
    assert!(metrics.contains(ended), "{metrics}");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_silence_of_a_box_that_the_door_turned_away_is_no_sign_of_its_health() {
    let stage = Stage::new();
    let (host, token) = serving(&stage, 1).await;
    assert_eq!(heartbeat(&host, &token).await.status, 200);
    let held = hold_the_place(&host, &token).await;
    for _ in 0..40 {
        assert!(is_turned_away(&host, &token).await);
        let signal = heartbeat_signal(&host).await;
        assert_ne!(signal["reading"], "bad", "{signal}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let signal = heartbeat_signal(&host).await;
    assert_eq!(signal["reading"], "unavailable", "{signal}");

    // The listener has a free place again, so silence counts from here.
    drop(held);
    eventually("a heartbeat is accepted", || async {
        (!is_turned_away(&host, &token).await).then_some(())
    })
    .await;
    eventually("the silence is bad", || async {
        let signal = heartbeat_signal(&host).await;
        (signal["reading"] == "bad").then_some(())
    })
    .await;
    end(host).await;
}
