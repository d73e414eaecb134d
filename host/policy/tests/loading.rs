//! Tests which components are accepted as policies, and the error texts of refusals.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use reeve_core::id::Digest;
use reeve_core::point::Point;
use reeve_policy::{Allocation, Limits, LoadError, LoadErrorKind, LoadedPolicy, PolicyEngine};
use support::{About, Fixture, engine, engine_with, load, question, whole};

fn refused(bytes: &[u8]) -> LoadError {
    LoadedPolicy::load(&engine(), "odd.wasm", bytes)
        .err()
        .expect("it is refused")
}

fn refused_with(bytes: &[u8], code: &str, parts: &[&str]) {
    let error = refused(bytes);
    let text = whole(&error);
    assert_eq!(error.kind.code(), code, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

fn with_about(change: impl FnOnce(&mut About)) -> Vec<u8> {
    let mut about = About::default();
    change(&mut about);
    Fixture {
        about: Some(about),
        ..Fixture::sound()
    }
    .bytes()
}

#[test]
fn the_error_names_policy_and_digest() {
    let error = refused(b"something else");
    assert_eq!(error.policy.name, "odd.wasm");
    assert_eq!(error.policy.digest, Digest::of(b"something else"));
    let start = format!(
        "policy odd.wasm ({}) cannot be loaded: ",
        error.policy.digest.short()
    );
    assert!(error.to_string().starts_with(&start), "{error}");
}

#[test]
fn bytes_that_are_no_component_are_refused_by_kind() {
    refused_with(b"", "empty", &["empty"]);
    refused_with(b"#!/bin/sh\n", "not-wasm", &["not WebAssembly"]);
    let module = wat::parse_str("(module (func (export \"decide\")))").expect("valid text");
    refused_with(
        &module,
        "core-module",
        &["core Wasm module", "reeve policy build", "wit-component"],
    );
}

#[test]
fn a_truncated_component_is_refused_wherever_it_was_cut() {
    let whole = Fixture::sound().bytes();
    for length in (9..whole.len()).step_by(7) {
        let error = refused(&whole[..length]);
        assert!(
            matches!(
                error.kind,
                LoadErrorKind::Invalid(_) | LoadErrorKind::NothingOffered { .. }
            ),
            "{length} bytes: {error}"
        );
    }
}

#[test]
fn a_component_over_the_size_limit_is_refused_before_it_is_compiled() {
    let bytes = Fixture::sound().bytes();
    let size = bytes.len() as u64;
    let load = |component_bytes_max| {
        let engine = engine_with(Limits {
            component_bytes_max,
            ..Limits::default()
        });
        LoadedPolicy::load(&engine, "big.wasm", &bytes).map(drop)
    };
    assert!(load(size).is_ok());
    match load(size - 1).expect_err("one byte too many").kind {
        LoadErrorKind::TooLarge { found, max } => assert_eq!((found, max), (size, size - 1)),
        other => panic!("expected too large, got {other}"),
    }
}

#[test]
fn an_import_is_refused_by_name() {
    let mut fixture = Fixture::sound();
    fixture.prelude = r#"
      (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))
      (import "print" (func (param "text" string)))"#
        .to_owned();
    refused_with(
        &fixture.bytes(),
        "imports",
        &[
            "wasi:clocks/wall-clock@0.2.0, print",
            "empty linker",
            "wasm32-unknown-unknown",
        ],
    );
}

#[test]
fn an_import_that_only_names_types_is_no_import() {
    let mut fixture = Fixture::sound();
    fixture.prelude = r#"
      (import "reeve:policy/types@0.1.0" (instance
        (type (variant (case "none") (case "ms" u32)))
        (export "age" (type (eq 0)))))"#
        .to_owned();
    let policy = load(&fixture).expect("it loads");
    assert!(policy.decide(&question()).is_ok());
}

#[test]
fn a_component_that_answers_nothing_is_refused_with_what_it_exports() {
    let empty = wat::parse_str("(component)").expect("valid text");
    refused_with(
        &empty,
        "nothing-offered",
        &["exports nothing", "reeve:policy/resolve@0.1.0"],
    );
}

#[test]
fn another_version_of_the_contract_is_not_taken_for_this_one() {
    for version in ["0.1.1", "0.2.0", "1.0.0"] {
        let mut fixture = Fixture::sound();
        fixture.version = version.to_owned();
        let found = format!("exports reeve:policy/retry-ip@{version}");
        refused_with(&fixture.bytes(), "nothing-offered", &[&found]);
    }
}

#[test]
fn an_export_of_another_type_is_refused_at_load() {
    let other_parameters = wat::parse_str(
        r#"(component
          (core module $code (func (export "decide") (param i32) (result i32) (local.get 0)))
          (core instance $code (instantiate $code))
          (func $decide (param "input" u32) (result u32) (canon lift (core func $code "decide")))
          (instance $reap (export "decide" (func $decide)))
          (export "reeve:policy/reap@0.1.0" (instance $reap)))"#,
    )
    .expect("valid text");
    refused_with(
        &other_parameters,
        "wrong-type",
        &["reeve:policy/reap@0.1.0", "record"],
    );

    let no_function = wat::parse_str(
        r#"(component (instance $adopt) (export "reeve:policy/adopt@0.1.0" (instance $adopt)))"#,
    )
    .expect("valid text");
    refused_with(
        &no_function,
        "wrong-type",
        &["reeve:policy/adopt@0.1.0", "no function \"decide\""],
    );
}

#[test]
fn a_component_offers_what_it_exports_and_no_more() {
    let policy = load(&Fixture::sound()).expect("it loads");
    assert_eq!(policy.points().collect::<Vec<_>>(), [Point::RetryIp]);
    assert!(policy.description().is_none());
    assert_eq!(policy.policy().name, "hostile.wasm");
}

#[test]
fn the_description_of_a_policy_is_read_at_load() {
    let bytes = with_about(|_| {});
    let policy = LoadedPolicy::load(&engine(), "file.wasm", &bytes).expect("it loads");
    let description = policy.description().expect("it has about");
    assert_eq!(description.name, "fixture");
    assert_eq!(description.version, "1.0.0");
    assert_eq!(policy.policy().name, "fixture");
}

#[test]
fn a_description_out_of_bounds_is_refused() {
    type Spoil = fn(&mut About);
    let cases: [(Spoil, &str); 6] = [
        (
            |about| about.name = "My Policy".to_owned(),
            "name is \"My Policy\"",
        ),
        (
            |about| about.version = "1.0".to_owned(),
            "version is \"1.0\"",
        ),
        (
            |about| about.version = "01.0.0".to_owned(),
            "version is \"01.0.0\"",
        ),
        (
            |about| about.summary = "x".repeat(513),
            "summary has 513 bytes",
        ),
        (|about| about.schema = "[]".to_owned(), "settings-schema"),
        (
            |about| about.settings_lengths.clear(),
            "about.validate of {}",
        ),
    ];
    for (change, part) in cases {
        refused_with(&with_about(change), "trial-failed", &[part]);
    }
}

#[test]
fn settings_are_validated_in_the_policy_s_own_words() {
    let bytes = with_about(|about| about.settings_lengths.push(11));
    let policy = LoadedPolicy::load(&engine(), "file.wasm", &bytes).expect("it loads");
    assert_eq!(policy.validate(r#"{"tries":3}"#), Ok(()));
    let error = policy.validate(r#"{"trise":33}"#).expect_err("a typo");
    assert_eq!(
        error.to_string(),
        format!(
            "policy fixture ({}) does not take these settings: it refused: unknown field `trise`, \
             expected `tries`",
            policy.digest().short()
        )
    );
}

#[test]
fn memory_is_allocated_on_demand_if_slots_cannot_be_reserved() {
    // 8 slots of 2^45 bytes do not fit into the 2^47 bytes of a process.
    let engine = engine_with(Limits {
        memory_bytes_max: 1 << 45,
        ..Limits::default()
    });
    assert_eq!(engine.allocation(), Allocation::OnDemand);
    assert_eq!(
        PolicyEngine::new(Limits::default())
            .map(|engine| engine.allocation())
            .ok(),
        Some(Allocation::Pooled)
    );
}
