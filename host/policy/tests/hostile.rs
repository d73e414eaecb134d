//! Tests the limits of a call, and what its errors say. `corpus.rs` has the list of what a policy may try.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use reeve_core::point::Point;
use reeve_policy::{Failure, Limits, LoadedPolicy};
use support::{Fixture, again_ms, engine, engine_with, load, neutral, question};

/// The failure of a decision with this fixture.
fn failure_of(fixture: &Fixture) -> Failure {
    let policy = load(fixture).expect("it loads");
    policy.decide(&question()).expect_err("it fails").failure
}

fn out_of_bounds(fixture: &Fixture, part: &str) {
    match failure_of(fixture) {
        Failure::OutOfBounds(text) => assert!(text.contains(part), "{text}"),
        other => panic!("expected out of bounds, got {other:?}"),
    }
}

const ENDLESS: &str = "(loop $again (br $again))";

#[test]
fn a_harmless_component_decides() {
    let policy = load(&Fixture::sound()).expect("it loads");
    let decided = policy.decide(&question()).expect("it decides");
    assert_eq!(again_ms(&decided.verdict), 500);
    assert_eq!(decided.verdict.reason().code, "again");
}

#[test]
fn an_endless_loop_uses_up_its_fuel() {
    let policy = load(&Fixture::deciding(ENDLESS)).expect("it loads");
    let error = policy.decide(&question()).expect_err("it never ends");
    let fuel = Limits::default().fuel;
    assert_eq!(error.failure, Failure::FuelExhausted { fuel });
    assert_eq!(error.fuel_used, fuel);
    assert_eq!(error.code(), "fuel-exhausted");
}

#[test]
fn fuel_is_counted_the_same_every_time_and_on_every_engine() {
    let countdown = r#"
      (loop $again
        (local.set $waited (i32.sub (local.get $waited) (i32.const 1)))
        (br_if $again (local.get $waited)))"#;
    let bytes = Fixture::deciding(countdown).bytes();
    let used_with = |fuel| {
        let engine = engine_with(Limits {
            fuel,
            ..Limits::default()
        });
        let policy = LoadedPolicy::load(&engine, "countdown", &bytes).expect("it loads");
        let first = policy.decide(&question()).map(|decided| decided.fuel_used);
        let second = policy.decide(&question()).map(|decided| decided.fuel_used);
        assert_eq!(first, second);
        first
    };
    let used = used_with(50_000_000).expect("it ends");
    assert!(used > 1500, "{used}");
    assert_eq!(used_with(used + 1), Ok(used));
    // Fuel is checked once per round of the loop.
    let too_little = used - 20;
    let error = used_with(too_little).expect_err("a few rounds short");
    assert_eq!(error.failure, Failure::FuelExhausted { fuel: too_little });
}

#[test]
fn ticks_end_a_call_that_fuel_does_not() {
    let engine = engine_with(Limits {
        fuel: u64::MAX / 2,
        ..Limits::default()
    });
    let bytes = Fixture::deciding(ENDLESS).bytes();
    let policy = LoadedPolicy::load(&engine, "endless", &bytes).expect("it loads");
    let ended = AtomicBool::new(false);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                engine.tick();
                std::thread::yield_now();
            }
        });
        let error = policy.decide(&question());
        ended.store(true, Ordering::Relaxed);
        error.expect_err("it never ends")
    });
    assert_eq!(error.failure, Failure::Deadline { ticks: 10 });
}

#[test]
fn memory_grows_up_to_the_limit_and_not_beyond() {
    let grow_to =
        |pages: u32| Fixture::deciding(&format!("(drop (memory.grow (i32.const {})))", pages - 1));
    let max = Limits::default().memory_bytes_max;
    let pages_max = u32::try_from(max / 65536).expect("few");
    let policy = load(&grow_to(pages_max)).expect("it loads");
    assert!(policy.decide(&question()).is_ok());
    assert_eq!(
        failure_of(&grow_to(pages_max + 1)),
        Failure::MemoryExceeded {
            what: "bytes of memory",
            wanted: max + 65536,
            max,
        }
    );
}

#[test]
fn a_reason_out_of_bounds_is_refused() {
    for code in ["", "With Capitals", "under_score", "naïve", &"x".repeat(65)] {
        let mut fixture = Fixture::sound();
        fixture.code = code.as_bytes().to_vec();
        out_of_bounds(&fixture, "reason.code");
    }
    let mut fixture = Fixture::sound();
    fixture.text = vec![b'x'; 513];
    out_of_bounds(&fixture, "reason.text has 513 bytes");
    fixture.text = vec![b'x'; 512];
    assert!(
        load(&fixture)
            .expect("it loads")
            .decide(&question())
            .is_ok()
    );
}

#[test]
fn a_refusal_is_told_in_the_policy_s_own_words_and_cut_between_two_characters() {
    let mut fixture = Fixture::sound();
    fixture.result_case = 1;
    fixture.code = "setting `tries`: found -1".as_bytes().to_vec();
    assert_eq!(
        failure_of(&fixture),
        Failure::Refused("setting `tries`: found -1".to_owned())
    );
    fixture.code = format!("x{}", "ü".repeat(400)).into_bytes();
    let expected = format!("x{}…", "ü".repeat(254));
    assert_eq!(expected.len(), 512);
    assert_eq!(failure_of(&fixture), Failure::Refused(expected));
}

#[test]
fn a_refusal_is_told_in_one_line_that_only_shows() {
    let mut fixture = Fixture::sound();
    fixture.result_case = 1;
    fixture.code = "no\u{1b}[2J\n2026 INFO all is well\u{202e}"
        .as_bytes()
        .to_vec();
    let expected = r"no\u001b[2J\n2026 INFO all is well\u202e";
    assert_eq!(failure_of(&fixture), Failure::Refused(expected.to_owned()));
}

#[test]
fn nothing_survives_from_one_decision_to_the_next() {
    let mut counting = Fixture::sound();
    counting.core = "(global $calls (mut i32) (i32.const 0))".to_owned();
    counting.decide = r#"
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (i32.store (i32.const 1032) (i32.add (i32.load (i32.const 1032)) (global.get $calls)))
      (i32.const 1024)"#
        .to_owned();
    let policy = load(&counting).expect("it loads");
    for _ in 0..5 {
        let decided = policy.decide(&question()).expect("it decides");
        assert_eq!(again_ms(&decided.verdict), 501);
    }
}

#[test]
fn a_question_it_does_not_offer_is_an_error_that_names_what_it_offers() {
    let policy = load(&Fixture::sound()).expect("it loads");
    let error = policy
        .decide(&neutral(Point::Adopt))
        .expect_err("not offered");
    assert_eq!(error.code(), "not-offered");
    assert!(error.to_string().ends_with("it offers retry-ip"), "{error}");
}

#[test]
fn the_error_names_policy_digest_and_point() {
    let policy = load(&Fixture::deciding("unreachable")).expect("it loads");
    let error = policy.decide(&question()).expect_err("it traps");
    let of = error.policy.clone().expect("a policy was asked");
    assert_eq!(
        (of.name.as_str(), of.digest),
        ("hostile.wasm", policy.digest())
    );
    assert_eq!(error.point, Point::RetryIp);
    let start = format!(
        "policy hostile.wasm ({}) at retry-ip: ",
        policy.digest().short()
    );
    assert!(error.to_string().starts_with(&start), "{error}");
}

#[test]
fn more_callers_than_slots_wait_for_their_turn() {
    let policy = load(&Fixture::sound()).expect("it loads");
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                for _ in 0..20 {
                    policy.decide(&question()).expect("it decides");
                }
            });
        }
    });
}

#[test]
fn a_component_with_any_byte_changed_is_refused_or_harmless() {
    let sound = Fixture::sound().bytes();
    let engine = engine_with(Limits {
        fuel: 100_000,
        ..Limits::default()
    });
    for place in (0..sound.len()).step_by(3) {
        let mut broken = sound.clone();
        broken[place] ^= 1 << (place % 8);
        if let Ok(policy) = LoadedPolicy::load(&engine, "broken", &broken) {
            // Any verdict and any error is acceptable; a panic is not.
            let _ = policy.decide(&question());
        }
    }
}

#[test]
fn an_engine_serves_many_policies_at_a_time() {
    let engine = engine();
    let policies: Vec<_> = (1..=40)
        .map(|ms| {
            let mut fixture = Fixture::sound();
            fixture.next_ms = ms;
            LoadedPolicy::load(&engine, "one of many", &fixture.bytes()).expect("it loads")
        })
        .collect();
    for (policy, ms) in policies.iter().zip(1..) {
        let decided = policy.decide(&question()).expect("it decides");
        assert_eq!(again_ms(&decided.verdict), ms);
    }
}
