//! Reads the input as a policy's file, up to the compiler.
//!
//! Must hold: no panic, a refusal in one short line, and whatever the intake lets pass is validated in
//! seconds and little memory (libFuzzer's own limits).
#![no_main]

use std::io;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use reeve_core::id::Digest;
use reeve_fuzz::{assert_harmless, sections};
use reeve_policy::{Compile, Limits, LoadErrorKind, LoadedPolicy, PolicyEngine};
use wasmparser::Validator;
use wasmtime::component::Component;

/// Validates in the place of the compiler: code is generated only from what is valid.
struct Validates;

impl Compile for Validates {
    fn compile(
        &self,
        _engine: &PolicyEngine,
        _digest: Digest,
        bytes: &[u8],
    ) -> Result<Component, LoadErrorKind> {
        let _ = Validator::new().validate_all(bytes);
        let nothing_compiled = io::Error::other("validated, not compiled");
        Err(LoadErrorKind::NoCompiler(nothing_compiled))
    }
}

static ENGINE: LazyLock<PolicyEngine> = LazyLock::new(|| {
    PolicyEngine::new(Limits::default())
        .expect("an engine")
        .compiling_by(Arc::new(Validates))
});

fuzz_target!(|bytes: &[u8]| {
    let Err(error) = LoadedPolicy::load(&ENGINE, "fuzzed.wasm", bytes) else {
        panic!("a policy without a compiler");
    };
    assert!(!matches!(error.kind, LoadErrorKind::Panicked(_)), "{error}");
    assert_harmless(&error.to_string());
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = sections::mutate(&data[..size], seed, &fuzzer_mutate);
    match changed.filter(|changed| changed.len() <= max_size) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});
