//! Tests components composed of several, as composers and JavaScript toolchains make them.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use reeve_policy::LoadedPolicy;
use support::{again_ms, engine, question, whole};

/// Two inner components: one decides, and calls the other to return its text. Each has its own
/// memory, so the text is copied between them.
const COMPOSED: &str = include_str!("support/composed.wat");

#[test]
fn inner_components_may_pass_texts_to_each_other() {
    let bytes = wat::parse_str(COMPOSED).expect("valid text");
    let policy = LoadedPolicy::load(&engine(), "composed.wasm", &bytes)
        .unwrap_or_else(|error| panic!("{}", whole(&error)));
    let decided = policy.decide(&question()).expect("it decides");
    assert_eq!(again_ms(&decided.verdict), 500);
    assert_eq!(decided.verdict.reason().text, "went there and back");
}

#[test]
fn a_component_has_at_most_64_core_instances_and_8_memories() {
    let with = |modules: usize, memories: usize| {
        let instances = "(core instance (instantiate $empty)) ".repeat(modules)
            + &"(core instance (instantiate $memory)) ".repeat(memories);
        let composed = COMPOSED.trim().strip_suffix(')').expect("a component");
        let text = format!(
            "{composed} (core module $empty) (core module $memory (memory 1)) {instances})"
        );
        let bytes = wat::parse_str(text).expect("valid text");
        LoadedPolicy::load(&engine(), "many.wasm", &bytes).map(drop)
    };
    // The composed component has three core instances, two of them with a memory. wasmtime adds one
    // to copy strings.
    assert!(with(60, 0).is_ok());
    assert!(with(0, 6).is_ok());
    let error = with(62, 0).expect_err("65 core instances");
    assert_eq!(error.kind.code(), "too-complex", "{error}");
    let error = whole(&with(0, 7).expect_err("9 memories"));
    assert!(error.contains("memories"), "{error}");
}
