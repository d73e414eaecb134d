//! Tests that good files become active all at once, and that bad files change nothing.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reeve_core::id::{Digest, PoolName};
use reeve_core::point::{Input, Point};
use reeve_policy::{Binding, Failure, LoadedPolicy, Outcome, PANICKED, Registry};
use serde_json::json;
use support::setup::{FILE, Setup, answering, binding, pool};
use support::{again_ms, engine, question};

#[test]
fn before_the_first_reload_nothing_is_bound() {
    let setup = Setup::new(json!({}));
    let decision = setup.registry.slots().decide(&pool(), question());
    assert_eq!(decision.policy, None);
    let error = decision.verdict.expect_err("nothing decides");
    assert_eq!(error.failure, Failure::NotBound);
    assert!(error.to_string().contains("retry-ip"), "{error}");
}

#[test]
fn a_good_file_is_activated_and_decides_with_the_pool_s_settings() {
    let bytes = answering(100);
    let setup = Setup::new(json!({ "tries": 3 }));
    setup.write(&bytes);
    assert!(setup.registry.reload().is_good());

    let decision = setup.registry.slots().decide(&pool(), question());
    let policy = decision.policy.expect("one is bound");
    assert_eq!(
        (policy.name.as_str(), policy.digest),
        ("fixture", Digest::of(&bytes))
    );
    assert!(decision.fuel_used > 0);
    match decision.input {
        Input::RetryIp(input) => assert_eq!(input.settings, r#"{"tries":3}"#),
        other => panic!("another question: {other:?}"),
    }
    let other_pool = PoolName::new("agents");
    assert_eq!(
        setup
            .registry
            .slots()
            .decide(&other_pool, question())
            .policy,
        None
    );
}

#[test]
fn status_shows_what_serves_whom() {
    let bytes = answering(100);
    let setup = Setup::serving(&bytes);
    let status = serde_json::to_value(setup.registry.status()).expect("plain data");
    assert_eq!(
        status,
        json!([{
            "file": FILE,
            "digest": Digest::of(&bytes).to_string(),
            "name": "fixture",
            "version": "1.0.0",
            "offers": ["retry-ip"],
            "bound": [{ "pool": "gpu", "point": "retry-ip" }],
            "last_error": null,
            "failing": null,
        }])
    );
}

#[test]
fn the_same_bytes_are_not_loaded_again() {
    let setup = Setup::serving(&answering(100));
    let before = setup
        .registry
        .slots()
        .get(&pool(), Point::RetryIp)
        .expect("bound");
    setup.write(&answering(100));
    assert!(matches!(setup.reload(), Outcome::Unchanged { .. }));
    let after = setup
        .registry
        .slots()
        .get(&pool(), Point::RetryIp)
        .expect("bound");
    assert!(std::sync::Arc::ptr_eq(before.policy(), after.policy()));
}

#[test]
fn changed_bytes_replace_the_old_ones() {
    let setup = Setup::serving(&answering(100));
    setup.write(&answering(200));
    match setup.reload() {
        Outcome::Activated { old, new } => {
            assert_eq!(old, Some(Digest::of(&answering(100))));
            assert_eq!(new, Digest::of(&answering(200)));
        }
        other => panic!("expected an activation, got {other:?}"),
    }
    assert_eq!(setup.decided_ms(), 200);
}

#[test]
fn a_bad_file_leaves_the_last_good_one_serving_and_says_so() {
    let good = answering(100);
    let setup = Setup::serving(&good);
    let bad: [(&str, &[u8], &str); 3] = [
        ("empty", b"", "it is empty"),
        ("not-wasm", b"garbage", "it is not WebAssembly"),
        ("invalid", &good[..good.len() / 2], "it does not compile"),
    ];
    for (code, bytes, part) in bad {
        setup.write(bytes);
        let (text, found, serving) = setup.refusal();
        assert_eq!((found, serving), (code, Some(Digest::of(&good))));
        assert!(text.contains(part) && text.contains(FILE), "{text}");
        assert_eq!(setup.last_error(), Some(text));
        assert_eq!(setup.decided_ms(), 100);
    }
    setup.write(&good);
    assert!(matches!(setup.reload(), Outcome::Unchanged { .. }));
    assert_eq!(setup.last_error(), None);
}

#[test]
fn a_file_that_is_gone_or_no_file_leaves_the_last_good_one_serving() {
    let setup = Setup::serving(&answering(100));
    fs::remove_file(setup.path()).expect("removed");
    assert_eq!(setup.refusal().1, "unreadable");
    fs::create_dir(setup.path()).expect("created");
    assert_eq!(setup.refusal().1, "not-a-file");
    fs::remove_dir(setup.path()).expect("removed");
    let huge = fs::File::create(setup.path()).expect("created");
    huge.set_len(1 << 40).expect("sparse");
    assert_eq!(setup.refusal().1, "too-large");
    assert_eq!(setup.decided_ms(), 100);
}

#[test]
fn at_the_start_a_bad_file_is_reported_and_nothing_serves() {
    let setup = Setup::new(json!({}));
    setup.write(b"garbage");
    let (_, code, serving) = setup.refusal();
    assert_eq!((code, serving), ("not-wasm", None));
    let status = setup.registry.status().remove(0);
    assert_eq!(status.digest, None);
    assert!(status.last_error.is_some());
}

#[test]
fn settings_that_a_policy_refuses_keep_it_out_with_the_field_s_name() {
    let setup = Setup::new(json!({ "trise": 33 }));
    setup.write(&answering(100));
    let (text, code, _) = setup.refusal();
    assert_eq!(code, "settings-refused");
    assert!(text.contains("unknown field `trise`"), "{text}");
    assert!(text.contains("pool gpu, point retry-ip"), "{text}");
}

#[test]
fn a_file_that_does_not_answer_its_point_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(FILE), answering(100)).expect("written");
    let bindings = vec![binding(Point::Reap, json!({}))];
    let registry = Registry::new(engine(), directory.path().to_owned(), bindings)
        .expect("the bindings make sense");
    let report = registry.reload();
    let (file, error) = report.refused().next().expect("refused");
    assert_eq!((file, error.code()), (FILE, "not-offered"));
    let text = error.text();
    assert!(
        text.contains("point reap") && text.contains("offers retry-ip"),
        "{text}"
    );
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_changing() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |file: &str, bytes: &[u8]| {
        fs::write(directory.path().join(file), bytes).expect("written");
    };
    let bind = |pool: &str| Binding {
        pool: PoolName::new(pool),
        file: format!("{pool}.wasm"),
        ..binding(Point::RetryIp, json!({}))
    };
    let bindings = vec![bind("a"), bind("b")];
    let registry = Registry::new(engine(), directory.path().to_owned(), bindings).expect("sound");
    write("a.wasm", &answering(1));
    write("b.wasm", &answering(2));
    assert!(registry.reload().is_good());

    write("a.wasm", b"garbage");
    write("b.wasm", &answering(3));
    let report = registry.reload();
    let refused: Vec<_> = report.refused().map(|(file, _)| file).collect();
    assert_eq!(refused, ["a.wasm"]);
    for (pool, ms) in [("a", 1), ("b", 3)] {
        let decision = registry.slots().decide(&PoolName::new(pool), question());
        assert_eq!(again_ms(&decision.verdict.expect("it decides")), ms);
    }
}

#[test]
fn the_report_is_plain_data() {
    let setup = Setup::serving(&answering(100));
    setup.write(b"garbage");
    let report = serde_json::to_value(setup.registry.reload()).expect("plain data");
    let file = &report["files"][0];
    assert_eq!(file["file"], FILE);
    assert_eq!(file["outcome"], "refused");
    assert!(
        file["error"]
            .as_str()
            .is_some_and(|text| text.contains("not WebAssembly"))
    );
}

#[test]
fn a_refused_file_is_loaded_again_only_after_it_has_changed() {
    let (setup, loads) = counting(json!({}));
    let bad = answering(100);
    let bad = &bad[..bad.len() / 2];
    setup.write(bad);
    let first = setup.refusal();
    for _ in 0..3 {
        setup.write(bad);
        assert_eq!(setup.refusal(), first);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    setup.write(&answering(100));
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
    setup.write(bad);
    assert_eq!(setup.refusal().1, first.1);
    assert_eq!(loads.load(Ordering::SeqCst), 3);
}

#[test]
fn a_file_whose_settings_are_refused_is_not_compiled_again() {
    let (setup, loads) = counting(json!({ "trise": 33 }));
    setup.write(&answering(100));
    for _ in 0..3 {
        assert_eq!(setup.refusal().1, "settings-refused");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn a_file_that_panics_is_refused_and_not_tried_again() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let setup = Setup::with_loader(
        json!({}),
        Box::new(move |engine, name, bytes| {
            counted.fetch_add(1, Ordering::SeqCst);
            assert!(bytes != b"panic", "no {}", "component");
            LoadedPolicy::load(engine, name, bytes)
        }),
    );
    setup.write(&answering(100));
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
    setup.write(b"panic");
    for _ in 0..2 {
        let (text, code, serving) = setup.refusal();
        assert_eq!(
            (code, serving),
            (PANICKED, Some(Digest::of(&answering(100))))
        );
        assert!(text.contains("panicked: no component"), "{text}");
        assert_eq!(setup.last_error(), Some(text));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    setup.write(&answering(200));
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
    assert_eq!(setup.decided_ms(), 200);
}

/// A setup that counts how often bytes are loaded.
fn counting(settings: serde_json::Value) -> (Setup, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let setup = Setup::with_loader(
        settings,
        Box::new(move |engine, name, bytes| {
            counted.fetch_add(1, Ordering::SeqCst);
            LoadedPolicy::load(engine, name, bytes)
        }),
    );
    (setup, loads)
}
