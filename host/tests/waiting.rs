//! Callers that wait, and clients that only hold connections: the host answers all others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Stage, all, end, http};
use reeve_core::instance::InstanceState;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Callers that wait at once, each on a connection of its own.
const WAITING: usize = 2_000;
/// Connections that send nothing, or half a head, more than the host keeps.
const HOLDING: usize = 6_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_door_stays_open_while_callers_wait_and_others_hold_connections() {
    let stage = Stage::new();
    // It is there and has no address, so its callers wait.
    stage.world.add("i-a", "chat", InstanceState::Pending, None);
    let host = stage.start().await;
    let address = host.address();
    let path = "/v1/workers/chat/resolve?wait=300s";
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..WAITING {
        waiting.spawn(async move { http::tcp(address, "POST", path, "localhost").await.status });
    }
    let mut holding = Vec::new();
    for number in 0..HOLDING {
        let mut stream = TcpStream::connect(address.unwrap()).await.unwrap();
        if number % 2 == 0 {
            let _ = stream
                .write_all(b"GET /healthz HTTP/1.1\r\nHost: loc")
                .await;
        }
        holding.push(stream);
    }
    for _ in 0..200 {
        let asking = http::tcp(address, "GET", "/healthz", "localhost");
        let reply = tokio::time::timeout(Duration::from_secs(5), asking).await;
        let reply = reply.unwrap_or_else(|_| panic!("the probe got no response"));
        assert_eq!(reply.status, 200);
    }
    assert_eq!(waiting.len(), WAITING, "none was answered before");
    assert!(waiting.try_join_next().is_none(), "all wait");

    // Those beyond the host's bound are answered at once.
    let briefly = "/v1/workers/chat/resolve?wait=8s";
    let more = (0..100).map(|_| async {
        let asked = Instant::now();
        let reply = http::tcp(address, "POST", briefly, "localhost").await;
        (reply.status, asked.elapsed() < Duration::from_secs(5))
    });
    let more = all(more.collect()).await;
    let at_once = more.iter().filter(|it| **it == (503, true)).count();
    assert!(at_once >= 52, "{at_once}");
    waiting.shutdown().await;
    end(host).await;
}
