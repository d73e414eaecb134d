//! Tests a worker's health, from a socket on loopback to the status and metrics.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use common::{Stage, end, eventually, get};
use reeve::{Host, RunningHost};
use reeve_core::cloud::Mutation;
use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::instance::InstanceState;
use reeve_core::time::Millis;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The software on the instance. It responds to every request with one status.
struct Software {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

impl Software {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let software = Self {
            address: listener.local_addr().unwrap(),
            status: Arc::new(AtomicU16::new(200)),
            asked: Arc::default(),
        };
        let (status, asked) = (software.status.clone(), software.asked.clone());
        // Ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                asked.fetch_add(1, Ordering::SeqCst);
                let status = status.load(Ordering::SeqCst);
                let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        software
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

/// A host that has adopted the software's instance and probes it ten times a second.
async fn serving(stage: &Stage, software: &Software, restart: RestartRule) -> RunningHost {
    let ip = Some([127, 0, 0, 1]);
    stage.world.add("i-a", "chat", InstanceState::Running, ip);
    let mut options = stage.options();
    for pool in options.spec.pools.values_mut() {
        pool.limits.scan_interval = Millis::new(200);
        pool.health = Some(HealthSpec {
            probe: Some(ProbeSpec {
                kind: ProbeKind::Http {
                    path: "/health".to_owned(),
                    statuses: Vec::new(),
                },
                port: Some(software.address.port()),
                timeout: Millis::new(80),
            }),
            every: Millis::new(100),
            restart,
            ..HealthSpec::default()
        });
    }
    let host = Host::start(options).await.unwrap();
    let reply = get(&host, "/v1/workers/chat/resolve?wait=30s").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    host
}

async fn until(host: &RunningHost, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || async {
        let worker = get(host, "/v1/workers/chat").await.json();
        holds(&worker).then_some(worker)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_result_is_shown_counted_and_reported() {
    let (stage, software) = (Stage::new(), Software::start().await);
    let host = serving(&stage, &software, RestartRule::Never).await;
    let reads = |reading: &'static str| {
        move |worker: &Value| worker["health"]["signals"][0]["reading"] == reading
    };
    let worker = until(&host, "a good reading", reads("good")).await;
    let signal = &worker["health"]["signals"][0];
    assert_eq!(signal["signal"], "http");
    assert_eq!(signal["text"], "it answered HTTP 200");
    assert!(signal["age_ms"].as_u64().unwrap() < 30_000, "{signal}");
    assert_eq!(worker["health"]["held"], Value::Null);
    assert_eq!(worker["condition"], "serving");

    software.answers(500);
    let is = |condition: &'static str| move |worker: &Value| worker["condition"] == condition;
    let worker = until(&host, "an unhealthy worker", is("unhealthy")).await;
    assert!(worker["health"]["unhealthy_since"].is_u64(), "{worker}");
    assert!(worker["health"]["signals"][0]["failures"].as_u64() >= Some(3));
    let counted = get(&host, "/metrics").await.body;
    for line in [
        r#"reeve_workers{condition="unhealthy"} 1"#,
        r#"reeve_health_signals{signal="http",reading="bad"} 1"#,
        r#"reeve_health_signals{signal="http",reading="good"} 0"#,
        r#"reeve_notices_total{worker="chat",step="worker_unhealthy"} 1"#,
        r#"reeve_probes_total{result="answered"}"#,
    ] {
        assert!(counted.contains(line), "{line} is not in\n{counted}");
    }

    software.answers(200);
    until(&host, "a recovered worker", is("serving")).await;
    let counted = get(&host, "/metrics").await.body;
    let line = r#"reeve_notices_total{worker="chat",step="worker_recovered"} 1"#;
    assert!(counted.contains(line), "{counted}");
    end(host).await;
    assert!(software.asked.load(Ordering::SeqCst) >= 5);
    let changed: Vec<_> = stage.world.mutations();
    assert!(
        !changed.iter().any(|it| matches!(it, Mutation::Stop { .. })),
        "{changed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_configuration_says_so_a_worker_that_fails_is_restarted_once() {
    let (stage, software) = (Stage::new(), Software::start().await);
    let host = serving(&stage, &software, RestartRule::Any).await;
    eventually("a first answer", || async {
        (software.asked.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    software.answers(503);
    let restarted = |worker: &Value| worker["restart"]["cause"] == "probe-failed";
    until(&host, "a restart", restarted).await;
    let stops = eventually("the stop", || async {
        let all = stage.world.mutations();
        let stops = all.iter().filter(|it| matches!(it, Mutation::Stop { .. }));
        let count = stops.count();
        (count > 0).then_some(count)
    })
    .await;
    assert_eq!(stops, 1);
    end(host).await;
    assert!(stage.journal().contains("probe-failed"));
}
