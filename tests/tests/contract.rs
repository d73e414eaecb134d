//! The host loads a component that was built against any released version of the contract.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::path::{Path, PathBuf};

use reeve_core::point::{Input, Point, Verdict};
use reeve_policy::{Limits, LoadedPolicy, PolicyEngine};
use serde_json::{Value, json};

fn released(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(format!("contract-{version}"))
}

/// Asks a released component one question, in the journal's form.
#[track_caller]
fn ask(version: &str, point: Point, input: Value) -> Verdict {
    let name = format!("{point}.wasm");
    let bytes = std::fs::read(released(version).join(&name)).unwrap();
    let engine = PolicyEngine::new(Limits::default()).unwrap();
    let policy = LoadedPolicy::load(&engine, &name, &bytes).unwrap();
    assert!(policy.offers(point));
    let input: Input = serde_json::from_value(json!({ point.as_str(): input })).unwrap();
    policy.decide(&input).unwrap().verdict
}

fn instance(state: &str, private: bool) -> Value {
    json!({
        "id": "i-0123456789abcdef0",
        "state": state,
        "observed": {"ms": 100},
        "in-state": {"ms": 60_000},
        "launched": {"ms": 60_000},
        "addresses": {"private": private, "public": false},
    })
}

#[test]
fn resolve_0_1_0_serves_a_running_instance() {
    let verdict = ask(
        "0.1.0",
        Point::Resolve,
        json!({
            "pointer": {"names": "i-0123456789abcdef0"},
            "adopted": {"instance": "i-0123456789abcdef0"},
            "instances": [instance("running", true)],
            "scanned": "none",
            "adoption": "not-asked",
            "in-flight": "nothing",
            "last-failure": "none",
            "settings": "{}",
            "memo": "",
        }),
    );
    assert_eq!(verdict.summary(), "serve i-0123456789abcdef0");
}

#[test]
fn adopt_0_1_0_takes_the_running_candidate() {
    let candidate = json!({"facts": instance("running", true), "tags": []});
    let input = json!({"candidates": [candidate], "settings": "{}"});
    let verdict = ask("0.1.0", Point::Adopt, input);
    assert_eq!(verdict.summary(), "take i-0123456789abcdef0");
}

#[test]
fn retry_ip_0_1_0_looks_again_after_half_a_second() {
    let input = json!({"tries": 1, "waited-ms": 0, "launched": "none", "settings": "{}"});
    let verdict = ask("0.1.0", Point::RetryIp, input);
    assert_eq!(verdict.summary(), "look again in 0.5s");
}

#[test]
fn debounce_0_1_0_drops_within_the_window() {
    let input = json!({
        "cause": "secret-changed",
        "last-started": {"ms": 1_000},
        "in-flight": true,
        "same-cause": true,
        "dropped": 0,
        "deferred": false,
        "settings": "{}",
    });
    assert_eq!(ask("0.1.0", Point::Debounce, input).summary(), "drop");
}

#[test]
fn reap_0_1_0_keeps_an_instance_with_a_busy_lease() {
    let input = json!({
        "instance": instance("running", true),
        "role": "adopted",
        "handed-out": {"ms": 7_200_000},
        "last-activity": {"ms": 7_200_000},
        "work-in-flight": 0,
        "busy-remaining-ms": 1_000,
        "demand": "unavailable",
        "now": {"weekday": 1, "hour": 12, "minute": 0, "offset-min": 0},
        "tags": [],
        "settings": "{}",
        "memo": "",
    });
    assert_eq!(ask("0.1.0", Point::Reap, input).summary(), "keep");
}
