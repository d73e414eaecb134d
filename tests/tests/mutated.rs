//! Components with random changes, in the directory of a serving host: each is refused or comes into
//! force, nothing panics, and the other pool's files come into force all the same.
//!
//! `REEVE_SEED=17 REEVE_MUTATED=10000 cargo test -p reeve-tests --test mutated` runs other and more
//! files than the fixed ones, each with the seed after that of the one before it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

#[expect(unreachable_pub, reason = "it is shared with another crate")]
#[path = "../../host/policy/tests/support/mutated.rs"]
mod mutated;

use std::fs;
use std::path::Path;

use mutated::{components, mutated, number};
use reeve_tests::artefacts::policies_dir;
use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{OTHER_FILE, serve_two_pools};
use serde_json::Value;

/// The file that is changed.
const FILE: &str = "reap.wasm";
/// The other pool's file changes with every so many.
const OTHER_EACH: u64 = 10;

/// Reloads, and returns the outcome of the changed file.
fn reload(host: &Reeve) -> Value {
    let reply = host.post("/v1/policies/reload");
    assert!(matches!(reply.status, 200 | 422), "{}", reply.body);
    let mut files = reply.body["files"].as_array().unwrap().iter();
    files.find(|file| file["file"] == FILE).unwrap()["outcome"].clone()
}

fn write(path: &Path, bytes: &[u8]) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, bytes).unwrap();
    fs::rename(fresh, path).unwrap();
}

#[test]
fn mutated_files_harm_no_host_and_no_other_pool() {
    let (first, count) = (number("REEVE_SEED", 1), number("REEVE_MUTATED", 100));
    let emulator = Emulator::start();
    let host = serve_two_pools(&emulator);
    let components = components(&policies_dir());
    let others = ["legacy-self-fire.wasm", "debounce.wasm"];
    let mut others = others.iter().cycle();
    let (mut refused, mut in_force) = (0, 0);
    for seed in first..first + count {
        let component = &components[seed as usize % components.len()];
        write(&host.policies().join(FILE), &mutated(component, seed));
        let changes_other = seed % OTHER_EACH == 0;
        let before = host.active_digest(OTHER_FILE);
        if changes_other {
            let other = policies_dir().join(others.next().unwrap());
            write(&host.policies().join(OTHER_FILE), &fs::read(other).unwrap());
        }
        match reload(&host).as_str() {
            Some("refused") => refused += 1,
            Some("activated" | "unchanged") => in_force += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
        let other_changed = host.active_digest(OTHER_FILE) != before;
        assert_eq!(other_changed, changes_other, "seed {seed}");
    }
    let last = first + count - 1;
    println!("seeds {first} to {last}: {refused} refused, {in_force} in force");
    let metrics = host.get("/metrics").body.to_string();
    assert!(!metrics.contains("reeve_panics_total{"), "{metrics}");
}
