//! Tests `reeve policy test` with policies whose verdicts are valid and do harm, or that give none.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::hostile::Hostile;
use common::standard_policies;

/// Runs `reeve policy test` with so many worlds: its exit code, output and errors.
fn test(component: &Path, worlds: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_reeve"))
        .args(["policy", "test"])
        .arg(component)
        .args(["--worlds", worlds, "--policies-dir"])
        .arg(standard_policies())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), out, errors)
}

/// A hostile policy fails the test, and the output has each of these texts.
#[track_caller]
fn is_charged(hostile: &Hostile, worlds: &str, with: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let (code, text, errors) = test(&hostile.write(dir.path()), worlds);
    assert_eq!(code, Some(1), "{text}{errors}");
    for part in with {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_policy_that_ends_every_instance_is_charged_although_the_guard_holds() {
    let texts = [
        "it ends too many: ",
        "it thrashes: ",
        "every guarantee held",
    ];
    is_charged(&Hostile::reaping(1), "25", &texts);
}

#[test]
fn a_policy_that_never_serves_is_charged_and_the_run_ends_early() {
    let texts = [
        "Liveness did not hold",
        "5 of the worlds went wrong",
        "15 worlds are left out",
    ];
    is_charged(&Hostile::waiting(), "20", &texts);
}

#[test]
fn a_policy_that_changes_its_answer_each_time_is_charged() {
    is_charged(&Hostile::flip_flopping(), "2", &["it flip-flops: "]);
}

#[test]
fn a_policy_that_gives_no_verdict_is_given_up_in_the_first_world() {
    let texts = [
        "1 random worlds, ",
        "25 of them failed",
        "resolve: ",
        "the other worlds are left out",
    ];
    is_charged(&Hostile::looping(), "100", &texts);
}

#[test]
fn a_policy_that_keeps_every_instance_passes() {
    let dir = tempfile::tempdir().unwrap();
    let component = Hostile::reaping(0).write(dir.path());
    let (code, text, errors) = test(&component, "2");
    assert_eq!(code, Some(0), "{text}{errors}");
    assert_eq!(errors, "1 of 2 worlds\n", "progress");
}

#[test]
fn the_standard_policies_pass() {
    for policy in ["resolve", "adopt", "retry-ip", "debounce", "reap"] {
        let component = standard_policies().join(format!("{policy}.wasm"));
        let (code, text, errors) = test(&component, "3");
        assert_eq!(code, Some(0), "{policy}: {text}{errors}");
    }
}
