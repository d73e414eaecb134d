//! The host loads a component that was built against each version of the contract.

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

fn built_against(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(format!("contract-{version}"))
}

/// Asks a component of this version about an input that is neutral but for these fields.
#[track_caller]
fn ask(version: &str, point: Point, fields: Value) -> Verdict {
    let name = format!("{point}.wasm");
    let bytes = std::fs::read(built_against(version).join(&name)).unwrap();
    let engine = PolicyEngine::new(Limits::default()).unwrap();
    let policy = LoadedPolicy::load(&engine, &name, &bytes).unwrap();
    assert!(policy.offers(point));
    let mut input = serde_json::to_value(Input::neutral(point).unwrap()).unwrap();
    for (field, value) in fields.as_object().unwrap() {
        input[point.as_str()][field] = value.clone();
    }
    let input: Input = serde_json::from_value(input).unwrap();
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
        }),
    );
    assert_eq!(verdict.summary(), "serve i-0123456789abcdef0");
}

#[test]
fn adopt_0_1_0_takes_the_running_candidate() {
    let candidate = json!({
        "facts": instance("running", true),
        "origin": "unclaimed",
        "generation": "unknown",
        "outdated": false,
        "bad-signals": [],
        "tags": [],
    });
    let input = json!({"candidates": [candidate]});
    let verdict = ask("0.1.0", Point::Adopt, input);
    assert_eq!(verdict.summary(), "take i-0123456789abcdef0");
}

#[test]
fn retry_ip_0_1_0_looks_again_after_half_a_second() {
    let verdict = ask("0.1.0", Point::RetryIp, json!({}));
    assert_eq!(verdict.summary(), "look again in 0.5s");
}

#[test]
fn debounce_0_1_0_goes_as_asked_and_drops_within_the_window() {
    let first = json!({"kind": "reboot"});
    assert_eq!(
        ask("0.1.0", Point::Debounce, first).summary(),
        "go (reboot)"
    );
    let again = json!({"last-started": {"ms": 1_000}, "in-flight": true, "same-cause": true});
    assert_eq!(ask("0.1.0", Point::Debounce, again).summary(), "drop");
}

#[test]
fn reap_0_1_0_keeps_an_instance_with_a_busy_lease() {
    let usage = |busy_remaining_ms| {
        json!({"usage": {
            "handed-out": {"ms": 7_200_000},
            "last-activity": {"ms": 7_200_000},
            "heartbeat": "none",
            "work-in-flight": 0,
            "busy-remaining-ms": busy_remaining_ms,
        }, "instance": instance("running", true), "memo": "idle:1"})
    };
    let long_up = |mut fields: Value| {
        fields["instance"]["in-state"] = json!({"ms": 7_200_000});
        fields["instance"]["launched"] = json!({"ms": 7_200_000});
        ask("0.1.0", Point::Reap, fields).summary()
    };
    assert_eq!(long_up(usage(1_000)), "keep");
    assert_eq!(long_up(usage(0)), "end");
}
