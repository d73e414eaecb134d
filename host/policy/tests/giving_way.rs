//! Tests that a policy answers before it comes into force, and that one that fails in force gives way to
//! the version before it.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reeve_core::id::Digest;
use reeve_core::point::{Input, retry_ip};
use reeve_policy::{Failure, Outcome};
use serde_json::json;
use support::setup::{FILE, Setup, pool};
use support::{Fixture, again_ms, question};

const FAILURES: usize = 10;

/// A policy that answers with so many milliseconds, and does this at the given number of tries.
fn at_tries(tries: u32, does: &str, ms: u32) -> Vec<u8> {
    Fixture {
        next_ms: ms,
        ..Fixture::deciding(&format!(
            "(if (i32.eq (local.get $tries) (i32.const {tries})) (then {does}))"
        ))
    }
    .bytes()
}

fn sound(ms: u32) -> Vec<u8> {
    at_tries(0, "unreachable", ms)
}

fn tries(tries: u32) -> Input {
    let Input::RetryIp(input) = question() else {
        panic!("another question");
    };
    Input::RetryIp(retry_ip::Input { tries, ..input })
}

/// The milliseconds of the answer, or the failure.
fn ask(setup: &Setup, number: u32) -> Result<u32, Failure> {
    let decision = setup.registry.slots().decide(&pool(), tries(number));
    let verdict = decision.verdict.map_err(|error| error.failure)?;
    Ok(again_ms(&verdict))
}

fn fail(setup: &Setup, number: u32, times: usize) {
    for _ in 0..times {
        assert!(matches!(ask(setup, number), Err(Failure::Trap(_))));
    }
}

#[test]
fn a_policy_that_crashes_at_a_question_of_the_trial_does_not_come_into_force() {
    let setup = Setup::serving(&sound(500));
    for crash in [
        "unreachable",
        "(loop $l (br $l))",
        "(drop (memory.grow (i32.const 4096)))",
    ] {
        setup.write(&at_tries(100, crash, 700));
        let (text, code, serving) = setup.refusal();
        assert_eq!(
            (code, serving),
            ("trial-failed", Some(Digest::of(&sound(500))))
        );
        assert!(text.contains("pool gpu, point retry-ip"), "{text}");
    }
    assert_eq!(ask(&setup, 3), Ok(500));
}

#[test]
fn a_policy_is_asked_what_the_pool_was_asked_before() {
    let setup = Setup::serving(&sound(500));
    assert_eq!(ask(&setup, 7), Ok(500));
    setup.write(&at_tries(7, "unreachable", 700));
    let (_, code, _) = setup.refusal();
    assert_eq!(code, "trial-failed");
}

#[test]
fn what_no_version_has_answered_is_not_held_against_the_next() {
    let setup = Setup::serving(&at_tries(7, "unreachable", 500));
    fail(&setup, 7, 1);
    setup.write(&at_tries(7, "unreachable", 700));
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
}

#[test]
fn ten_failures_in_a_row_put_the_last_good_version_back_until_the_file_changes() {
    let setup = Setup::serving(&sound(500));
    let heard = Arc::new(AtomicUsize::new(0));
    setup.registry.on_broken({
        let heard = Arc::clone(&heard);
        move |file| {
            assert_eq!(file, FILE);
            heard.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(ask(&setup, 3), Ok(500));
    let broken = at_tries(7, "unreachable", 700);
    setup.write(&broken);
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));

    fail(&setup, 7, FAILURES - 1);
    assert_eq!(ask(&setup, 3), Ok(700), "the row ends");
    fail(&setup, 7, FAILURES - 1);
    assert_eq!(heard.load(Ordering::Relaxed), 0);
    fail(&setup, 7, 3);
    assert_eq!(heard.load(Ordering::Relaxed), 1, "told once");

    for _ in 0..2 {
        let (text, code, serving) = setup.refusal();
        assert_eq!(
            (code, serving),
            ("quarantined", Some(Digest::of(&sound(500))))
        );
        for part in ["10 times", "pool gpu, point retry-ip", "trapped"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(ask(&setup, 7), Ok(500));
    }

    setup.write(&sound(900));
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
    assert_eq!((ask(&setup, 7), setup.last_error()), (Ok(900), None));
}

#[test]
fn a_version_that_never_answered_is_not_put_back() {
    let setup = Setup::serving(&sound(500));
    assert_eq!(ask(&setup, 3), Ok(500));
    for ms in [600, 700] {
        setup.write(&at_tries(7, "unreachable", ms));
        setup.reload();
    }
    fail(&setup, 7, FAILURES);
    let (_, _, serving) = setup.refusal();
    assert_eq!(serving, Some(Digest::of(&sound(500))));
}

#[test]
fn without_an_earlier_version_a_broken_one_stays_and_is_told() {
    let setup = Setup::serving(&at_tries(7, "unreachable", 500));
    fail(&setup, 7, FAILURES);
    assert!(matches!(setup.reload(), Outcome::Unchanged { .. }));
    let failing = || setup.registry.status().remove(0).failing;
    let text = failing().unwrap();
    assert!(text.contains("10 times in a row"), "{text}");
    assert_eq!(ask(&setup, 3), Ok(500));
    assert_eq!(failing(), None);
}

#[test]
fn a_policy_that_refuses_a_question_of_the_trial_comes_into_force() {
    let setup = Setup::new(json!({}));
    setup.write(
        &Fixture {
            result_case: 1,
            ..Fixture::sound()
        }
        .bytes(),
    );
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
}
