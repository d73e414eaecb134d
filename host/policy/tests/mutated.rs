//! Components with random changes, through every check before a compiler: none panics, and each refusal
//! is one short line that only shows.
//!
//! `REEVE_SEED=17 REEVE_MUTATED=1000000 cargo test -p reeve-policy --test mutated` checks other and more
//! of them than the fixed ones.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[expect(unreachable_pub, reason = "it is shared with another crate")]
#[path = "support/mutated.rs"]
mod mutated;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use mutated::{components, mutated, number};
use reeve_core::id::Digest;
use reeve_core::text::is_unsafe;
use reeve_policy::{Compile, Limits, LoadErrorKind, LoadedPolicy, PolicyEngine};
use wasmtime::component::Component;

/// A refusal is no longer than this: a library's words, at most 512 bytes, and the host's own.
const TEXT_BYTES_MAX: usize = 700;

/// Ends each load where a compiler would begin.
struct NoCompiler;

impl Compile for NoCompiler {
    fn compile(&self, _: &PolicyEngine, _: Digest, _: &[u8]) -> Result<Component, LoadErrorKind> {
        let none = std::io::ErrorKind::NotFound.into();
        Err(LoadErrorKind::NoCompiler(none))
    }
}

#[test]
fn mutated_components_panic_no_check() {
    let given = std::env::var_os("REEVE_POLICIES_DIR").map(PathBuf::from);
    let components = components(&given.unwrap_or_else(|| "../../target/policies".into()));
    let (first, count) = (number("REEVE_SEED", 1), number("REEVE_MUTATED", 2_000));
    let engine = PolicyEngine::new(Limits::default()).expect("an engine");
    let engine = engine.compiling_by(Arc::new(NoCompiler));
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let compiled: u64 = thread::scope(|scope| {
        let share = |thread: u64| {
            let (engine, components) = (&engine, &components);
            move || {
                let seeds = (first + thread..first + count).step_by(threads);
                let is_compiled = |seed: &u64| check(engine, components, *seed);
                seeds.filter(is_compiled).count() as u64
            }
        };
        let running: Vec<_> = (0..threads as u64)
            .map(|thread| scope.spawn(share(thread)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("no check panics"))
            .sum()
    });
    let (last, refused) = (first + count - 1, count - compiled);
    println!("seeds {first} to {last}: {refused} refused, {compiled} for the compiler");
}

/// Whether the changed component passes all checks before a compiler.
fn check(engine: &PolicyEngine, components: &[Vec<u8>], seed: u64) -> bool {
    let component = &components[seed as usize % components.len()];
    let loaded = LoadedPolicy::load(engine, "mutated.wasm", &mutated(component, seed));
    let error = loaded.map(drop).expect_err("nothing compiles");
    assert_ne!(error.kind.code(), "panicked", "seed {seed}: {error}");
    let text = error.to_string();
    let only_shows = text.len() <= TEXT_BYTES_MAX && !text.contains(is_unsafe);
    assert!(only_shows, "seed {seed}: {text:?}");
    matches!(error.kind, LoadErrorKind::NoCompiler(_))
}
