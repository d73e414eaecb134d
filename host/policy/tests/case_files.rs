//! Tests the errors of case files, in the file or in the policy.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use reeve_policy::LoadedPolicy;
use reeve_policy::cases::{CaseReport, run_file};
use serde_json::{Value, json};
use support::{Fixture, engine, whole};

fn run(file: &Value) -> Result<CaseReport, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cases.json");
    std::fs::write(&path, file.to_string()).expect("written");
    let bytes = Fixture::sound().bytes();
    let policy = LoadedPolicy::load(&engine(), "fixture.wasm", &bytes).expect("it loads");
    run_file(&path, &policy).map_err(|error| {
        let text = whole(&error);
        assert!(text.contains("cases.json"), "{text}");
        text
    })
}

fn file(cases: &Value) -> Value {
    json!({
        "point": "retry-ip",
        "cases": cases,
    })
}

fn mismatch(expect: &Value) -> Option<String> {
    let report = run(&file(&json!([{ "name": "it", "expect": expect }]))).expect("it runs");
    report.cases[0].mismatch.clone()
}

#[test]
fn a_case_passes_when_every_expected_field_is_equal() {
    let expect = json!({ "next": { "again": 500 }, "reason": "again", "valid-for-ms": 1000 });
    assert_eq!(mismatch(&expect), None);
}

#[test]
fn a_case_that_fails_shows_what_was_expected_and_got() {
    let text = mismatch(&json!({ "next": { "again": 5 }, "reason": "no" })).expect("it fails");
    assert!(
        text.contains(r#"next: expected {"again":5}, got {"again":500}"#),
        "{text}"
    );
    assert!(
        text.contains(r#"reason: expected "no", got "again""#),
        "{text}"
    );
    let text = mismatch(&json!({ "error": "refused" })).expect("it fails");
    assert!(
        text.contains(r#"expected an error with "refused", got {"#),
        "{text}"
    );
}

#[test]
fn the_report_counts_and_names() {
    let cases = json!([
        { "name": "right", "expect": { "reason": "again" } },
        { "name": "wrong", "input": { "tries": 7 }, "expect": { "reason": "other" } },
    ]);
    let report = run(&file(&cases)).expect("it runs");
    assert!(!report.passed());
    let text = report.to_string();
    assert!(
        text.contains("(retry-ip): 1 passed, 1 failed\n  failed: wrong\n"),
        "{text}"
    );
    assert!(report.cases.iter().all(|case| case.fuel_used > 0));
}

#[test]
fn a_case_file_that_could_not_test_what_it_means_is_an_error() {
    let cases = [
        (json!([]), "no cases"),
        (json!([{ "name": "n", "expect": {} }]), "expects nothing"),
        (
            json!([{ "name": "n", "expct": {} }]),
            "unknown field `expct`",
        ),
        (
            json!([{ "name": "n", "expect": { "nxt": 1 } }]),
            "accepted are next, reason",
        ),
        (
            json!([{ "name": "n", "expect": { "error": "x", "next": 1 } }]),
            "must be alone",
        ),
        (
            json!([{ "name": "n", "input": { "trise": 1 }, "expect": { "reason": "again" } }]),
            "unknown field `trise`",
        ),
        (
            json!([{ "name": "n", "input": { "settings": "{}" }, "expect": { "reason": "again" } }]),
            "next to",
        ),
        (
            json!([
                { "name": "n", "expect": { "reason": "again" } },
                { "name": "n", "expect": { "reason": "again" } },
            ]),
            "two cases are named \"n\"",
        ),
    ];
    for (cases, part) in cases {
        let text = run(&file(&cases)).expect_err("it is refused");
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    let misspelt = json!([{ "name": "n", "input": { "trise": 1 }, "expect": { "reason": "x" } }]);
    let error = run(&file(&misspelt)).expect_err("no such field");
    assert!(error.contains("unknown field `trise`"), "{error}");
    let other = json!({ "point": "reap", "cases": [] });
    assert!(
        run(&other)
            .expect_err("not offered")
            .contains("offers retry-ip")
    );
}
