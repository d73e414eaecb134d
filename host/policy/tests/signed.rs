//! Tests that with keys a file counts only with a signature of its content. `signed/` was made with
//! minisign: a component, its signature, the key's public half and another public key. Should the
//! contract change, sign a new component with a new key.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use reeve_core::point::Point;
use reeve_policy::{Outcome, Registry, SignerKey};
use serde_json::json;
use support::engine;
use support::setup::{FILE, binding};

const COMPONENT: &[u8] = include_bytes!("signed/retry.wasm");
const SIGNATURE: &str = include_str!("signed/retry.wasm.minisig");
const OURS: &str = include_str!("signed/ours.pub");
const OTHER: &str = include_str!("signed/other.pub");

fn registry(directory: &Path, keys: &[&str]) -> Registry {
    let bindings = vec![binding(Point::RetryIp, json!({}))];
    let registry = Registry::new(engine(), directory.to_owned(), bindings).unwrap();
    let keys = keys.iter().map(|key| key.trim().parse().unwrap());
    registry.signed_by(keys.collect())
}

/// The refusal of the only file; `None`: it is active.
fn refusal(registry: &Registry) -> Option<String> {
    match &registry.reload().files[0].outcome {
        Outcome::Refused { error, .. } => {
            assert_eq!(error.code(), "not-signed");
            Some(error.text())
        }
        _ => None,
    }
}

#[test]
fn a_file_with_a_signature_of_one_of_the_keys_is_activated() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(FILE), COMPONENT).unwrap();
    let signature = directory.path().join(format!("{FILE}.minisig"));
    let registry = registry(directory.path(), &[OTHER, OURS]);
    assert!(refusal(&registry).unwrap().contains("retry.wasm.minisig"));
    fs::write(signature, SIGNATURE).unwrap();
    assert_eq!(refusal(&registry), None);
}

#[test]
fn what_is_not_signed_by_one_of_the_keys_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let signature = directory.path().join(format!("{FILE}.minisig"));
    let mut changed = COMPONENT.to_vec();
    // An empty custom section: the component means the same.
    changed.extend([0, 1, 0]);
    let forged = SIGNATURE.replace("timestamp:17", "timestamp:18");
    for (key, content, text, why) in [
        (OTHER, COMPONENT, SIGNATURE, "by a key that is not one"),
        (OURS, &changed, SIGNATURE, "of other content"),
        (OURS, COMPONENT, &forged, "of other content"),
        (OURS, COMPONENT, "", "no signature of minisign"),
        (
            OURS,
            COMPONENT,
            &"x\n".repeat(10_000),
            "cannot be read (too-large)",
        ),
    ] {
        fs::write(directory.path().join(FILE), content).unwrap();
        fs::write(&signature, text).unwrap();
        let text = refusal(&registry(directory.path(), &[key])).unwrap();
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn a_text_that_is_no_key_is_refused() {
    for text in ["", "RWQ", "untrusted comment: minisign", SIGNATURE] {
        assert!(text.parse::<SignerKey>().is_err());
    }
}
