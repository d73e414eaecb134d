//! Tests files that cost the compiler or a parser a thousand times their size: they are refused
//! first.

// Test helpers panic on failure, like tests.
#![allow(clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use reeve_policy::{Bound, Excess, LoadErrorKind, LoadedPolicy, PolicyEngine};
use support::{Fixture, bomb, engine, whole};

/// An unoptimized build on a busy machine needs a hundredth of this; compilation would need far
/// more.
const CHEAP: Duration = Duration::from_secs(2);

/// Loads the component and returns the excess it is refused for. Checks that this is fast and the
/// text short.
fn excess(engine: &PolicyEngine, bytes: &[u8]) -> Excess {
    let start = Instant::now();
    let error = LoadedPolicy::load(engine, "bomb.wasm", bytes).map(drop);
    let (error, took) = (error.expect_err("it is refused"), start.elapsed());
    let text = whole(&error);
    assert!(took < CHEAP, "{took:?}: {text}");
    assert!(text.len() < 700, "{text}");
    match error.kind {
        LoadErrorKind::TooComplex(excess) => {
            assert!(excess.found > excess.max, "{text}");
            assert!(text.contains(&format!("it has {} {}", excess.found, excess.bound)));
            assert!(text.contains(&format!("accepted are at most {}", excess.max)));
            excess
        }
        _ => panic!("expected an excess: {text}"),
    }
}

#[test]
fn components_inside_each_other_are_refused_by_depth() {
    let engine = engine();
    // The last two would take half a gigabyte and 8 GiB in wasmtime.
    for (depth, kilobytes) in [(9, 0), (5_000, 58), (20_000, 238)] {
        let bytes = bomb::nested_components(depth);
        assert_eq!(bytes.len() / 1000, kilobytes);
        let excess = excess(&engine, &bytes);
        assert_eq!((excess.bound, excess.found), (Bound::Nesting, 9));
    }
    let accepted = LoadedPolicy::load(&engine, "nested.wasm", &bomb::nested_components(8));
    let error = accepted.map(drop).expect_err("it offers nothing");
    assert_eq!(error.kind.code(), "nothing-offered");
}

#[test]
fn types_inside_each_other_are_refused_by_depth() {
    let engine = engine();
    // The last one would overflow the stack, which ends the process.
    for depth in [9, 1_000_000] {
        let excess = excess(&engine, &bomb::nested_types(depth));
        assert_eq!((excess.bound, excess.found), (Bound::TypeNesting, 9));
    }
    let accepted = LoadedPolicy::load(&engine, "nested.wasm", &bomb::nested_types(8));
    let error = accepted.map(drop).expect_err("it offers nothing");
    assert_eq!(error.kind.code(), "nothing-offered");
}

#[test]
fn components_that_double_each_other_are_refused_by_instances() {
    let excess = excess(&engine(), &bomb::doubling(60));
    assert_eq!(excess.bound, Bound::ComponentInstances);
}

#[test]
fn an_unknown_component_is_not_instantiated() {
    let texts = [
        "(import \"c\" (component $c)) (component (alias outer 1 0 (component $c)) (instance (instantiate $c)))",
        "(component $c (component $d) (export \"d\" (component $d)))
         (instance $i (instantiate $c)) (alias export $i \"d\" (component $d)) (instance (instantiate $d))",
    ];
    for text in texts {
        let bytes = bomb::parse(&format!("(component {text})"));
        let error = LoadedPolicy::load(&engine(), "unknown.wasm", &bytes).map(drop);
        let error = error.expect_err("it is refused");
        assert_eq!(error.kind.code(), "unknown-component", "{error}");
    }
}

#[test]
fn each_quantity_has_its_bound() {
    let engine = engine();
    let nops = |count: usize| bomb::module(&format!("(func {})", "nop ".repeat(count)));
    let blocks = |count: usize| bomb::module(&format!("(func {})", "(block)".repeat(count)));
    let loops = |count: usize| bomb::module(&format!("(func {})", "(loop)".repeat(count)));
    let locals = |count: usize| bomb::module(&format!("(func (local{}))", " i32".repeat(count)));
    let many = |field: &str, count: usize| bomb::module(&field.repeat(count));
    let named =
        |length: usize| bomb::module(&format!("(import \"{}\" \"x\" (func))", "n".repeat(length)));
    let enums = |cases: usize| {
        let cases: String = (0..cases).map(|case| format!(" \"c{case}\"")).collect();
        bomb::parse(&format!(
            "(component (type (enum{cases})) (type (enum{cases})))"
        ))
    };
    let inner = |count: usize| bomb::parse(&format!("(component {})", "(component)".repeat(count)));
    let cases = [
        (Bound::Parts, inner(65), 65),
        (
            Bound::Imports,
            many("(import \"a\" \"b\" (func))", 50_000),
            1_001,
        ),
        (Bound::NameBytes, named(90_000), 90_000),
        (Bound::Types, many("(type (func))", 100_000), 10_001),
        (Bound::Types, enums(6_000), 12_002),
        (Bound::Functions, many("(func)", 100_000), 100_000),
        (Bound::FunctionBytes, nops(700_000), 700_002),
        (Bound::FunctionBytes, nops(64 * 1024), 64 * 1024 + 2),
        (Bound::Blocks, blocks(20_000), 20_000),
        (
            Bound::Locals,
            bomb::module(&format!("(func (local{}))", " i32".repeat(2_001))),
            2_001,
        ),
        (Bound::Tables, many("(table 1 funcref)", 65), 65),
        (
            Bound::Globals,
            many("(global i32 (i32.const 0))", 5_000),
            5_000,
        ),
        (Bound::Segments, many("(data \"\")", 10_001), 10_001),
        (Bound::Loops, loops(257), 257),
        (Bound::Locals, locals(513), 513),
    ];
    for (bound, bytes, found) in cases {
        let excess = excess(&engine, &bytes);
        assert_eq!((excess.bound, excess.found), (bound, found));
    }
}

#[test]
fn an_error_repeats_little_of_what_the_component_says() {
    let name = "n".repeat(1000);
    let imports: String = (0..500)
        .map(|one| format!("(import \"{name}{one}\" (func))"))
        .collect();
    let mut fixture = Fixture::sound();
    fixture.prelude = imports;
    let error = support::load(&fixture)
        .map(drop)
        .expect_err("it is refused");
    assert_eq!(error.kind.code(), "imports");
    let text = whole(&error);
    assert!(text.len() < 1000 && text.contains("492 more"), "{text}");

    let invalid = bomb::parse(&format!(
        "(component (core module $m (import \"\\1b[31m{name}\" \"x\" (func))) (core instance (instantiate $m)))"
    ));
    let error = LoadedPolicy::load(&engine(), "invalid.wasm", &invalid).map(drop);
    let text = whole(&error.expect_err("nothing is given to the module"));
    assert!(text.len() < 700 && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("nnn"), "{text}");
}
