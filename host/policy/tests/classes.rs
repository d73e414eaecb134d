//! Tests that a pool's class bounds its policies, and that a binding may name the one content that it
//! accepts.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Point;
use reeve_policy::{Binding, Class, Limits, Registry};
use support::{Fixture, engine_with, question, setup};

/// Pages of 20 MiB.
const PAGES: u32 = 20 * 16;

fn bind(pool: &str, class: Class, file: &str) -> Binding {
    Binding {
        file: file.to_owned(),
        class,
        ..Binding::standard(&PoolName::new(pool), Point::RetryIp)
    }
}

fn registry(directory: &Path, bindings: Vec<Binding>) -> Registry {
    let engine = engine_with(Limits::of(Class::Large));
    Registry::new(engine, directory.to_owned(), bindings).expect("the bindings make sense")
}

#[test]
fn memory_that_the_large_class_has_is_refused_to_a_pool_of_the_small_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let greedy = Fixture {
        pages: PAGES,
        ..Fixture::sound()
    };
    for file in ["a.wasm", "b.wasm"] {
        fs::write(directory.path().join(file), greedy.bytes()).expect("written");
    }
    let bindings = vec![
        bind("small", Class::Small, "a.wasm"),
        bind("large", Class::Large, "b.wasm"),
    ];
    let registry = registry(directory.path(), bindings);
    let report = registry.reload();
    let refused: Vec<_> = report.refused().collect();
    assert_eq!(refused.len(), 1, "{report:?}");
    let (file, error) = refused[0];
    assert_eq!((file, error.code()), ("a.wasm", "trial-failed"));
    assert!(
        error.text().contains("may have 16777216"),
        "{}",
        error.text()
    );
    let decided = registry.slots().decide(&PoolName::new("large"), question());
    assert!(decided.verdict.is_ok(), "{decided:?}");
}

#[test]
fn a_file_has_the_largest_class_of_the_pools_that_bind_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let greedy = Fixture {
        pages: PAGES,
        ..Fixture::sound()
    };
    fs::write(directory.path().join("a.wasm"), greedy.bytes()).expect("written");
    let bindings = vec![
        bind("small", Class::Small, "a.wasm"),
        bind("large", Class::Large, "a.wasm"),
    ];
    assert!(registry(directory.path(), bindings).reload().is_good());
}

#[test]
fn a_pinned_file_accepts_its_one_content() {
    let directory = tempfile::tempdir().expect("a directory");
    let (good, other) = (setup::answering(1), setup::answering(2));
    let path = directory.path().join("a.wasm");
    let pinned = Binding {
        digest: Some(Digest::of(&good)),
        ..bind("gpu", Class::Small, "a.wasm")
    };
    let registry = registry(directory.path(), vec![pinned]);

    fs::write(&path, &other).expect("written");
    let report = registry.reload();
    let (_, error) = report.refused().next().expect("it is refused");
    assert_eq!(error.code(), "not-pinned");
    for digest in [Digest::of(&good), Digest::of(&other)] {
        assert!(
            error.text().contains(&digest.to_string()),
            "{}",
            error.text()
        );
    }

    fs::write(&path, &good).expect("written");
    assert!(registry.reload().is_good());
    fs::write(&path, &other).expect("written");
    assert!(!registry.reload().is_good());
    assert_eq!(registry.status()[0].digest, Some(Digest::of(&good)));
}
