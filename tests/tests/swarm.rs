//! A few random worlds with the real components. `cargo xtask swarm` plays thousands of them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

#[path = "../src/bin/swarm/troupe.rs"]
mod troupe;

use std::process::Command;
use std::sync::Arc;

use reeve_sim::script::{Incident, Script, Variant};
use reeve_sim::swarm::{self, Options, Report};
use reeve_tests::artefacts::policies_dir;
use troupe::Troupe;

/// Set in the process that a test starts to play its world a second time.
const CHILD: &str = "REEVE_TEST_SWARM_CHILD";

/// The seed of a world with several hosts.
const TRACED: u64 = 7;

fn troupe() -> Troupe {
    Troupe::load(&policies_dir()).unwrap()
}

fn world(troupe: &Troupe, seed: u64, is_traced: bool) -> Report {
    let options = Options::draw(seed, &troupe.casts.names());
    swarm::run(&options, troupe, &troupe.casts, is_traced)
}

#[test]
fn the_guarantees_hold_in_random_worlds_with_every_cast() {
    let troupe = troupe();
    for seed in 1..=6 {
        let report = world(&troupe, seed, false);
        assert_eq!(report.violation, None, "seed {seed}");
        assert!(report.fired.iter().sum::<u64>() > 0, "seed {seed}");
        assert!(report.decisions > 0, "seed {seed}");
    }
}

/// The trace of the world [`TRACED`], line by line.
fn trace() -> String {
    let report = world(&troupe(), TRACED, true);
    let lines = report.trace.iter().map(|line| format!("{line:?}\n"));
    lines.collect()
}

#[test]
fn the_same_seed_gives_the_same_trace_in_another_process() {
    if std::env::var_os(CHILD).is_some() {
        println!("{}", trace());
        return;
    }
    let me = std::env::current_exe().unwrap();
    let name = "the_same_seed_gives_the_same_trace_in_another_process";
    let child = Command::new(me)
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let there = String::from_utf8(child.stdout).unwrap();
    let here = trace();
    assert!(here.lines().count() > 100, "{here}");
    assert!(there.contains(&here), "the traces differ");
}

#[test]
fn digests_repeat_for_a_seed_and_do_not_change_the_world() {
    let troupe = troupe();
    let digested = |seed, keeps_lines| {
        let options = Options::draw(seed, &troupe.casts.names());
        swarm::run_digested(&options, &troupe, &troupe.casts, keeps_lines)
    };
    let of = |report: &Report| report.digested.as_ref().map(|digested| digested.digests);
    let (one, again) = (digested(TRACED, false), digested(TRACED, true));
    assert!(of(&one).is_some());
    assert_eq!(of(&one), of(&again));
    let other = of(&digested(TRACED + 1, false));
    assert_ne!(of(&one).map(|it| it.strict), other.map(|it| it.strict));
    assert_ne!(
        of(&one).map(|it| it.canonical),
        other.map(|it| it.canonical)
    );

    let plain = world(&troupe, TRACED, false);
    assert_eq!((plain.steps, plain.fired), (one.steps, one.fired));
    assert_eq!(of(&plain), None);

    let lines = again.digested.expect("it was asked for");
    // Two runs of the world, so that neither length bounds the other.
    for lines in [lines.strict, lines.canonical] {
        assert!(lines.len() > 100, "{lines:?}");
    }
}

#[test]
fn incidents_occur_in_random_stories_but_not_under_reeve() {
    let troupe = troupe();
    for incident in Incident::ALL {
        let legacy = troupe.cast(incident.legacy().trim_end_matches(".wasm"));
        let play = |seed, variant| Script::random(seed).play(variant, Arc::clone(&legacy));
        let shows = |seed: &u64| incident.shows_in(&play(*seed, Variant::AsItWas)).is_some();
        let seed = (1..=50).find(shows);
        let seed = seed.unwrap_or_else(|| panic!("{} was not found", incident.name()));
        let contained = play(seed, Variant::LegacyUnderReeve);
        for any in Incident::ALL {
            assert_eq!(any.shows_in(&contained), None, "seed {seed}");
        }
    }
}
