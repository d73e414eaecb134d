//! Tests changes of policy files under a running host.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{POINTER, Stage, end, eventually, get, http, standard_policies};
use reeve::RunningHost;
use reeve_policy::{LoadedPolicy, Loader};
use serde_json::Value;

/// The status of `resolve.wasm` in `/v1/policies`.
async fn resolve_policy(host: &RunningHost) -> Value {
    policy(host, "resolve.wasm").await
}

/// The status of this file in `/v1/policies`.
async fn policy(host: &RunningHost, file: &str) -> Value {
    let policies = get(host, "/v1/policies").await.json();
    let policies = policies["policies"].as_array().unwrap().clone();
    policies
        .into_iter()
        .find(|policy| policy["file"] == file)
        .unwrap()
}

/// Replaces a file like a deployment: writes a new file, then renames it.
fn replace(path: &Path, bytes: &[u8]) {
    let new_file = path.with_extension("new");
    fs::write(&new_file, bytes).unwrap();
    fs::rename(new_file, path).unwrap();
}

fn other_policy() -> Vec<u8> {
    fs::read(standard_policies().join("legacy-stale-pointer.wasm")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbage_file_is_refused_and_the_last_good_version_stays_active() {
    let stage = Stage::with_own_policies();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    let host = stage.start().await;
    let good = resolve_policy(&host).await;
    assert_eq!(good["last_error"], Value::Null);

    let file = stage.policies().join("resolve.wasm");
    let bytes = fs::read(&file).unwrap();
    replace(&file, b"garbage");
    let reply = http::tcp(host.address(), "POST", "/v1/policies/reload", "localhost").await;
    assert_eq!(reply.status, 422, "{}", reply.body);
    let files = reply.json()["files"].as_array().unwrap().clone();
    let refused: Vec<_> = files
        .iter()
        .filter(|file| file["outcome"] == "refused")
        .collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["file"], "resolve.wasm");

    let bad = resolve_policy(&host).await;
    assert_eq!(bad["digest"], good["digest"]);
    assert!(
        bad["last_error"]
            .as_str()
            .unwrap()
            .contains("not WebAssembly"),
        "{bad}"
    );
    let resolved = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(resolved.status, 200);
    assert_eq!(resolved.json()["digest"], good["digest"]);
    let ready = get(&host, "/readyz").await.json();
    assert!(
        ready["warnings"][0]
            .as_str()
            .unwrap()
            .contains("resolve.wasm"),
        "{ready}"
    );

    replace(&file, &bytes);
    let reply = http::tcp(host.address(), "POST", "/v1/policies/reload", "localhost").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(resolve_policy(&host).await["last_error"], Value::Null);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_policies_starts_serves_what_runs_and_is_not_ready() {
    let stage = Stage::with_own_policies();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-a");
    fs::remove_file(stage.policies().join("resolve.wasm")).unwrap();
    let host = stage.start().await;
    let ready = get(&host, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.json()["reasons"][0]
            .as_str()
            .unwrap()
            .contains("resolve.wasm"),
        "{}",
        ready.body
    );
    let resolved = get(&host, "/v1/workers/chat/resolve").await;
    assert_eq!(resolved.status, 200, "the safe default: {}", resolved.body);
    assert_eq!(resolved.json()["digest"], Value::Null);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_becomes_active_by_itself() {
    let stage = Stage::with_own_policies();
    let host = stage.start().await;
    let before = resolve_policy(&host).await;
    replace(&stage.policies().join("resolve.wasm"), &other_policy());
    changed(&host, &before).await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchanged_link_inside_the_directory_is_noticed_as_kubernetes_makes_it() {
    let stage = Stage::with_own_policies();
    let dir = stage.policies().to_owned();
    for (generation, bytes) in [
        ("..1", fs::read(dir.join("resolve.wasm")).unwrap()),
        ("..2", other_policy()),
    ] {
        fs::create_dir(dir.join(generation)).unwrap();
        fs::write(dir.join(generation).join("resolve.wasm"), bytes).unwrap();
    }
    fs::remove_file(dir.join("resolve.wasm")).unwrap();
    symlink("..1", dir.join("..data")).unwrap();
    symlink("..data/resolve.wasm", dir.join("resolve.wasm")).unwrap();
    let host = stage.start().await;
    let before = resolve_policy(&host).await;
    symlink("..2", dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    changed(&host, &before).await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchanged_directory_is_noticed_and_watched_from_then_on() {
    let stage = Stage::with_own_policies();
    let dir = stage.policies().to_owned();
    let first = stage.dir.path().join("release-1");
    let second = stage.dir.path().join("release-2");
    fs::rename(&dir, &first).unwrap();
    fs::create_dir(&second).unwrap();
    for entry in fs::read_dir(&first).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, second.join(path.file_name().unwrap())).unwrap();
    }
    let standard = fs::read(first.join("resolve.wasm")).unwrap();
    fs::write(second.join("resolve.wasm"), other_policy()).unwrap();
    symlink("release-1", &dir).unwrap();
    let host = stage.start().await;
    let before = resolve_policy(&host).await;

    symlink("release-2", stage.dir.path().join("next")).unwrap();
    fs::rename(stage.dir.path().join("next"), &dir).unwrap();
    let after = changed(&host, &before).await;

    replace(&second.join("resolve.wasm"), &standard);
    let back = changed(&host, &after).await;
    assert_eq!(back["digest"], before["digest"]);
    end(host).await;
}

/// The content on which [`panicking`] panics.
const PANICS: &[u8] = b"panic";

/// A loader that panics on bytes that begin with [`PANICS`].
fn panicking() -> Box<Loader> {
    Box::new(|engine, name, bytes| {
        assert!(!bytes.starts_with(PANICS), "no component at all");
        LoadedPolicy::load(engine, name, bytes)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_over_one_file_is_its_error_and_the_other_files_reload() {
    let stage = Stage::with_loader(panicking());
    let host = stage.start().await;
    let before = resolve_policy(&host).await;
    let adopt = stage.policies().join("adopt.wasm");
    let standard = fs::read(&adopt).unwrap();

    replace(&adopt, PANICS);
    replace(&stage.policies().join("resolve.wasm"), &other_policy());
    changed(&host, &before).await;
    let shown = eventually("the panic as an error", async || {
        let bad = policy(&host, "adopt.wasm").await;
        Some(bad["last_error"].as_str()?.to_owned())
    })
    .await;
    assert!(shown.contains("panicked: no component at all"), "{shown}");
    assert!(policy(&host, "adopt.wasm").await["digest"].is_string());
    let ready = get(&host, "/readyz").await;
    assert_eq!(
        ready.status, 200,
        "the last good one serves: {}",
        ready.body
    );
    assert!(
        ready.body.contains("panicked: no component"),
        "{}",
        ready.body
    );
    let metrics = get(&host, "/metrics").await.body;
    assert!(
        metrics.contains(r#"reeve_panics_total{place="policy"}"#),
        "{metrics}"
    );

    replace(&adopt, &standard);
    eventually("the good file taken", async || {
        let good = policy(&host, "adopt.wasm").await;
        good["last_error"].is_null().then_some(())
    })
    .await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_starts_with_its_good_files_when_one_panics() {
    let stage = Stage::with_loader(panicking());
    replace(&stage.policies().join("adopt.wasm"), PANICS);
    let host = stage.start().await;
    assert!(resolve_policy(&host).await["digest"].is_string());
    assert_eq!(policy(&host, "adopt.wasm").await["digest"], Value::Null);
    let ready = get(&host, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready
            .body
            .contains("adopt.wasm: no version could be loaded"),
        "{}",
        ready.body
    );
    end(host).await;
}

/// Waits until another component is active.
async fn changed(host: &RunningHost, before: &Value) -> Value {
    let look =
        async || Some(resolve_policy(host).await).filter(|now| now["digest"] != before["digest"]);
    eventually("another active policy", look).await
}
