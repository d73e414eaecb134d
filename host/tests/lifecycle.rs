//! Tests the start and the end of a host.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{POINTER, Stage, end, eventually, get, http};
use reeve::{Host, StartError};
use reeve_core::cloud::MutationKind;
use reeve_core::id::Version;
use reeve_core::instance::InstanceState;
use reeve_core::store::{StoreError, StoreErrorKind, WorkerRecord, Write};
use reeve_core::time::Millis;

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_is_journaled_before_it_is_done_and_its_outcome_after() {
    let stage = Stage::new();
    let host = stage.start().await;
    let reply = get(&host, "/v1/workers/chat/resolve?wait=30s").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["generation"], 1);
    assert_eq!(
        stage.world.pointer(POINTER),
        Some("i-launched-0".to_owned())
    );
    end(host).await;
    let journal = stage.journal();
    let place = |part: &str| {
        journal
            .find(part)
            .unwrap_or_else(|| panic!("{part} is not in {journal}"))
    };
    assert!(place("\"intent\"") < place("\"launched\""), "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_life_uses_no_generation_and_no_decision_again() {
    let stage = Stage::new();
    let host = stage.start().await;
    let first = get(&host, "/v1/workers/chat/resolve?wait=30s").await.json();
    end(host).await;
    let host = stage.start().await;
    let status = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(status["generation"], 1);
    let again = get(&host, "/v1/workers/chat/resolve").await.json();
    assert!(
        again["decision"].as_u64() > first["decision"].as_u64(),
        "{first} {again}"
    );
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_answers_as_the_real_run_would_and_writes_nothing() {
    let stage = Stage::new();
    stage
        .world
        .add("i-old", "chat", InstanceState::Stopped, None);
    stage.world.add_running("i-live", "chat");
    stage.world.point(POINTER, "i-old");
    let mut options = stage.options();
    options.spec.dry_run = true;
    let host = Host::start(options).await.unwrap();
    for _ in 0..3 {
        let reply = get(&host, "/v1/workers/chat/resolve?wait=30s").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.json()["instance"], "i-live");
    }
    let status = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(status["record"]["phase"], "running", "{status}");
    end(host).await;
    assert_eq!(stage.world.mutations(), []);
    assert_eq!(stage.world.pointer(POINTER), Some("i-old".to_owned()));
    assert!(stage.store.read_all_now().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_ends_answers_who_waits_and_lets_its_mutation_end() {
    let stage = Stage::new();
    let all = u32::try_from(stage.world.mutations.available_permits()).unwrap();
    let held = stage.world.mutations.acquire_many(all).await.unwrap();
    let host = stage.start().await;
    let address = host.address();
    let caller = tokio::spawn(async move {
        http::tcp(
            address,
            "GET",
            "/v1/workers/chat/resolve?wait=60s",
            "localhost",
        )
        .await
    });
    let launching = async || {
        let status = get(&host, "/v1/workers/chat").await.json();
        status["in_flight"].get("launching").map(|_| ())
    };
    eventually("a launch under way", launching).await;

    host.shutdown().begin();
    let ended = tokio::spawn(host.join());
    let answer = caller.await.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.json()["code"], "draining");
    assert!(!ended.is_finished(), "the launch has not ended yet");

    drop(held);
    ended.await.unwrap().unwrap();
    let kinds: Vec<_> = stage
        .world
        .mutations()
        .iter()
        .map(|mutation| mutation.kind())
        .collect();
    assert_eq!(kinds, [MutationKind::Launch, MutationKind::WritePointer]);
    let journal = stage.journal();
    assert!(journal.contains("\"launched\""), "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_delays_no_other_request() {
    let stage = Stage::new();
    let all = u32::try_from(stage.world.mutations.available_permits()).unwrap();
    let held = stage.world.mutations.acquire_many(all).await.unwrap();
    let host = stage.start().await;
    let request = http::tcp(
        host.address(),
        "GET",
        "/v1/workers/chat/resolve?wait=60s",
        "localhost",
    );
    let gone = tokio::time::timeout(Duration::from_millis(200), request).await;
    assert!(gone.is_err(), "it should have waited");
    assert_eq!(get(&host, "/healthz").await.status, 200);
    drop(held);
    assert_eq!(
        get(&host, "/v1/workers/chat/resolve?wait=30s").await.status,
        200
    );
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_same_state_or_port_is_refused_and_says_why() {
    let stage = Stage::new();
    let host = stage.start().await;
    let second = Host::start(stage.options()).await.map(|_| ());
    let Err(StartError::Journal(error)) = second else {
        panic!("{second:?}");
    };
    assert!(
        error.to_string().contains("in use by another reeve"),
        "{error}"
    );

    let mut options = stage.options();
    options.listen = host.address();
    options.state_dir = stage.dir.path().join("other");
    let third = Host::start(options).await.map(|_| ());
    let Err(StartError::Listen(error)) = third else {
        panic!("{third:?}");
    };
    assert!(
        error
            .to_string()
            .contains(&host.address().unwrap().to_string()),
        "{error}"
    );
    end(host).await;
    assert_eq!(
        Arc::strong_count(&stage.world),
        1,
        "the failed start left no file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_the_host_starts_serves_nothing_new_and_says_why() {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    stage.store.fail(Some(StoreError {
        doing: "read the records".to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the test says so".to_owned(),
    }));
    let host = stage.start().await;
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["code"], "store_unreachable");
    let ready = get(&host, "/readyz").await;
    assert_eq!(ready.status, 503);
    let reasons = ready.json()["reasons"].to_string();
    assert!(
        reasons.contains("the workers' records cannot be read"),
        "{reasons}"
    );
    assert_eq!(stage.world.mutations(), []);

    stage.store.fail(None);
    let reply = get(&host, "/v1/workers/chat/resolve?wait=30s").await;
    assert_eq!(reply.status, 200, "{:?}", reply.json());
    let worker = get(&host, "/v1/workers/chat").await.json();
    assert_eq!(worker["record"]["phase"], "running", "{worker}");
    assert_eq!(get(&host, "/readyz").await.status, 200);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_a_warning_and_its_own_workers_503() {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    let names = [("must-understand".to_owned(), serde_json::json!(["leash"]))];
    let record = WorkerRecord {
        unknown: BTreeMap::from(names).into(),
        ..WorkerRecord::default()
    };
    let write = Write {
        worker: "chat".into(),
        expected: Version::default(),
        record,
        if_idle: None,
    };
    stage.store.commit_now(&write).unwrap();
    let host = stage.start().await;
    let reply = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (503, &"store_unreachable".into())
    );
    assert!(
        reply.body.contains("`leash` must be understood"),
        "{}",
        reply.body
    );
    let warning = eventually("readiness", async || {
        let reply = get(&host, "/readyz").await;
        (reply.status == 200).then(|| reply.json()["warnings"][0].to_string())
    })
    .await;
    assert!(
        warning.contains("worker chat: ") && warning.contains("`leash`"),
        "{warning}"
    );
    assert_eq!(stage.world.mutations(), []);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_ready_after_one_good_scan_and_stays_so() {
    for dry_run in [false, true] {
        let stage = Stage::new();
        stage.world.add_running("i-a", "chat");
        stage.world.point(POINTER, "i-a");
        stage.world.unreachable.store(true, Ordering::SeqCst);
        let mut options = stage.options();
        options.spec.dry_run = dry_run;
        let limits = &mut options.spec.pools.values_mut().next().unwrap().limits;
        limits.scan_interval = Millis::new(20);
        let host = Host::start(options).await.unwrap();

        let refused = eventually("a failed scan", async || {
            let reply = get(&host, "/readyz").await;
            assert_eq!(reply.status, 503, "{}", reply.body);
            let reason = reply.json()["reasons"][0].as_str()?.to_owned();
            reason.contains("Connection: no route").then_some(reason)
        })
        .await;
        assert!(refused.starts_with("pool gpu: "), "{refused}");
        assert!(refused.contains("reaches AWS"), "{refused}");

        stage.world.unreachable.store(false, Ordering::SeqCst);
        eventually("readiness", async || {
            let reply = get(&host, "/readyz").await;
            (reply.status == 200).then_some(())
        })
        .await;

        stage.world.unreachable.store(true, Ordering::SeqCst);
        let judgement = eventually("a warning of the next failed scan", async || {
            let reply = get(&host, "/readyz").await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            let judgement = reply.json();
            judgement["warnings"][0].as_str()?;
            Some(judgement)
        })
        .await;
        assert_eq!(judgement["reasons"], serde_json::json!([]));
        let warning = judgement["warnings"][0].as_str().unwrap();
        assert!(warning.contains("no route"), "{warning}");
        end(host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_workers_is_ready_without_a_cloud() {
    let stage = Stage::new();
    stage.world.unreachable.store(true, Ordering::SeqCst);
    let mut options = stage.options();
    options.spec.workers.clear();
    let host = Host::start(options).await.unwrap();
    let reply = get(&host, "/readyz").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(stage.world.queries(), 0);
    end(host).await;
}
