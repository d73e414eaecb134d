//! The case files, and the counts of docs/incidents.md#self-fire over time.

use reeve_debounce::Settings;
use reeve_policy_sdk::debounce::{Choice, Input, Kind};
use reeve_policy_sdk::testing::{Cases, neutral};
use reeve_policy_sdk::types::Age;

const GO: Choice = Choice::Go(Kind::StopStart);
const DROP: Choice = Choice::Drop;

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("debounce", reeve_debounce::decide)
        .finish();
}

/// The choices for requests at these seconds, for a worker whose restart takes 25 s.
fn choices(request_seconds: &[u32], cause: impl Fn(usize) -> &'static str) -> Vec<Choice> {
    let mut restart: Option<(u32, &str)> = None;
    let mut dropped = 0;
    let mut choices = Vec::new();
    for (index, &now) in request_seconds.iter().enumerate() {
        let age = restart.map(|(started, _)| now - started);
        let input = Input {
            cause: cause(index).to_owned(),
            last_started: age.map_or(Age::None, |seconds| Age::Ms(seconds * 1_000)),
            in_flight: age.is_some_and(|seconds| seconds < 25),
            same_cause: restart.is_some_and(|(_, first)| first == cause(index)),
            dropped,
            ..neutral()
        };
        let verdict = reeve_debounce::decide(&input, &Settings::default());
        match verdict.choice {
            Choice::Go(_) => (restart, dropped) = (Some((now, cause(index))), 0),
            Choice::Drop => dropped += 1,
            Choice::Defer(_) => {}
        }
        choices.push(verdict.choice);
    }
    choices
}

#[test]
fn one_trigger_and_four_probes_are_one_restart_and_four_drops() {
    let cause = |index| {
        if index == 0 {
            "secret-changed"
        } else {
            "probe-failed"
        }
    };
    let got = choices(&[0, 3, 9, 20, 29], cause);
    assert_eq!(got, [GO, DROP, DROP, DROP, DROP]);
}

#[test]
fn five_rapid_calls_are_dropped_and_one_after_the_window_goes() {
    let got = choices(&[0, 1, 1, 2, 2, 3, 61], |_| "secret-changed");
    assert_eq!(got, [GO, DROP, DROP, DROP, DROP, DROP, GO]);
}
