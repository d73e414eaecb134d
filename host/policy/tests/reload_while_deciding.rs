//! Tests changes of files during decisions: every change is noticed, and no decision fails.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use reeve_core::id::Digest;
use reeve_policy::Outcome;
use serde_json::json;
use support::setup::{FILE, Setup, answering, pool};
use support::{again_ms, question};

/// Points `directory/link` at `target` in one step, like Kubernetes does with `..data`.
#[cfg(unix)]
fn point_at(directory: &Path, link: &str, target: &str) {
    let fresh = directory.join("fresh-link");
    std::os::unix::fs::symlink(target, &fresh).expect("linked");
    fs::rename(fresh, directory.join(link)).expect("renamed");
}

#[cfg(unix)]
#[test]
fn a_swapped_symlink_picks_up_the_new_content() {
    let setup = Setup::new(json!({}));
    let directory = setup.directory.path();
    for (name, ms) in [("..one", 100), ("..two", 200)] {
        fs::create_dir(directory.join(name)).expect("created");
        fs::write(directory.join(name).join(FILE), answering(ms)).expect("written");
    }
    point_at(directory, "..data", "..one");
    std::os::unix::fs::symlink(format!("..data/{FILE}"), setup.path()).expect("linked");
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
    assert_eq!(setup.decided_ms(), 100);

    point_at(directory, "..data", "..two");
    assert!(matches!(setup.reload(), Outcome::Activated { .. }));
    assert_eq!(setup.decided_ms(), 200);
}

#[test]
fn decisions_during_reloads_never_fail_and_each_names_the_code_that_made_it() {
    let (one, two) = (answering(100), answering(200));
    let setup = Setup::serving(&one);
    let by_digest = [(Digest::of(&one), 100), (Digest::of(&two), 200)];
    let (over, decided) = (AtomicBool::new(false), AtomicU32::new(0));

    let seen: BTreeSet<Digest> = std::thread::scope(|scope| {
        let deciding: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = BTreeSet::new();
                    while !over.load(Ordering::Relaxed) {
                        let decision = setup.registry.slots().decide(&pool(), question());
                        let digest = decision.policy.expect("always bound").digest;
                        let ms = again_ms(&decision.verdict.expect("never fails"));
                        assert!(by_digest.contains(&(digest, ms)), "{digest} said {ms}");
                        seen.insert(digest);
                        decided.fetch_add(1, Ordering::Relaxed);
                    }
                    seen
                })
            })
            .collect();
        for round in 0..30 {
            let before = decided.load(Ordering::Relaxed);
            while decided.load(Ordering::Relaxed) < before + 20 {
                std::thread::yield_now();
            }
            match round % 3 {
                0 => setup.write(&two),
                1 => setup.write(b"garbage"),
                _ => setup.write(&one),
            }
            setup.registry.reload();
        }
        over.store(true, Ordering::Relaxed);
        deciding
            .into_iter()
            .flat_map(|thread| thread.join().expect("no decision failed"))
            .collect()
    });
    assert_eq!(seen.len(), 2);
}

/// Tells when the test around it ends, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_one_of_its_contents_or_refused() {
    let (one, two) = (answering(100), answering(200));
    let setup = Setup::serving(&one);
    let good = [Digest::of(&one), Digest::of(&two)];
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // In place: a reader may see an empty file, half a file, or halves of both.
            while !over.load(Ordering::Relaxed) {
                setup.write(&two);
                setup.write(&[two.as_slice(), &one].concat());
                setup.write(&one);
            }
        });
        let _over = Over(&over);
        for _ in 0..300 {
            let serving = match setup.reload() {
                Outcome::Activated { new, .. } => Some(new),
                Outcome::Unchanged { digest } => Some(digest),
                Outcome::Refused { error, serving } => {
                    assert_ne!(error.code(), "panicked", "{}", error.text());
                    serving
                }
            };
            assert!(serving.is_some_and(|serving| good.contains(&serving)));
            assert!([100, 200].contains(&setup.decided_ms()));
        }
    });
    setup.write(&two);
    setup.reload();
    assert_eq!(setup.decided_ms(), 200);
}
