//! Components made of components, which call each other through code that wasmtime writes.

use std::fmt::Write as _;

use super::Ends::{Crashes, Exceeds, Harmless, Refused};
use super::{Ends, Hostile};
use crate::support::bomb::parse;
use reeve_policy::Bound;

/// One decides, and gets its text from the other.
const COMPOSED: &str = include_str!("../support/composed.wat");
/// The call of the other one.
const CALL: &str = "(call $echo (i32.const 2064) (i32.const 19) (i32.const 2100))";
/// The other one's answer.
const ECHO: &str = "(i32.store (i32.const 16) (local.get $at))";

pub(super) fn all() -> Vec<Hostile> {
    let new = |name, tries, ends: Ends, changes: &[(&str, &str)]| {
        Hostile::new(name, tries, ends, parse(&composed(changes)))
    };
    let calls_for_ever = format!("(loop $again {CALL} (br $again))");
    let long = "(loop $again (call $echo (i32.const 65536) (i32.const 900000) (i32.const 2100)) (br $again))";
    let pages = (
        r#"(memory (export "memory") 1)"#,
        r#"(memory (export "memory") 32)"#,
    );
    let far = (
        "(result i32) (i32.const 4096))",
        "(result i32) (i32.const 1000000))",
    );
    let utf16 = (
        r#"(canon lift (core func $code "echo")"#,
        r#"(canon lift (core func $code "echo") string-encoding=utf16"#,
    );
    vec![
        new(
            "calls-inside",
            "calls between its parts without end",
            Crashes("fuel-exhausted"),
            &[(CALL, &calls_for_ever)],
        ),
        new(
            "texts-inside",
            "texts of 900 KB between its parts without end, which cost no fuel",
            Crashes("deadline"),
            &[(CALL, long), pages, far],
        ),
        new(
            "utf-16-inside",
            "texts between its parts that are translated to UTF-16 and back",
            Harmless,
            &[utf16],
        ),
        new(
            "trap-inside",
            "a trap in the part that is called",
            Crashes("trap"),
            &[(ECHO, "unreachable")],
        ),
        new(
            "pointer-inside",
            "a pointer outside the memory, to the other part",
            Crashes("trap"),
            &[(ECHO, "(i32.store (i32.const 16) (i32.const -9))")],
        ),
        new(
            "realloc-inside",
            "an allocator that gives an address outside the memory, to the other part",
            Crashes("malformed"),
            &[(
                "(result i32) (i32.const 4096))",
                "(result i32) (i32.const -9))",
            )],
        ),
        new(
            "no-utf-8-inside",
            "bytes that are no UTF-8, to the other part",
            Crashes("malformed"),
            &[("went there", "\\ff\\fet there")],
        ),
        Hostile::new(
            "nine-memories",
            "nine memories",
            Refused("invalid"),
            parse(&with_instances("(memory 1)", 7)),
        ),
        Hostile::new(
            "too-many-modules",
            "65 modules in force",
            Exceeds(Bound::CoreInstances, 65),
            parse(&with_instances("", 62)),
        ),
        Hostile::new(
            "memories-together",
            "five memories of 14 MiB, each within the limit",
            Ends::Breaks("memory-exceeded"),
            parse(&with_instances("(memory 224)", 5)),
        ),
        Hostile::new(
            "resources",
            "resources without end, which the host keeps",
            Crashes("malformed"),
            parse(&resources("(drop (call $new (i32.const 1)))")),
        ),
        Hostile::new(
            "resource-made-up",
            "a resource that it never made",
            Crashes("malformed"),
            parse(&resources("(call $drop (i32.const 7))")),
        ),
    ]
}

/// The composed component with these texts replaced.
fn composed(changes: &[(&str, &str)]) -> String {
    changes
        .iter()
        .fold(COMPOSED.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        })
}

/// The composed component with so many instances of a module more.
fn with_instances(module: &str, count: usize) -> String {
    let mut text = COMPOSED
        .trim()
        .strip_suffix(')')
        .expect("a component")
        .to_owned();
    write!(
        text,
        "(core module $more {module}) {})",
        "(core instance (instantiate $more)) ".repeat(count)
    )
    .expect("a string takes all");
    text
}

/// The composed component, in which the part that is called does this with resources of its own, again
/// and again.
fn resources(does: &str) -> String {
    let module = r#"(core module $code
      (memory (export "memory") 1)"#;
    let module_with = r#"(type $resource (resource (rep i32)))
    (core func $new (canon resource.new $resource))
    (core func $drop (canon resource.drop $resource))
    (core module $code
      (import "resource" "new" (func $new (param i32) (result i32)))
      (import "resource" "drop" (func $drop (param i32)))
      (memory (export "memory") 1)"#;
    let instance = "(core instance $code (instantiate $code))";
    let instance_with = r#"(core instance $code (instantiate $code
      (with "resource" (instance (export "new" (func $new)) (export "drop" (func $drop))))))"#;
    let again = format!("(loop $again {does} (br $again))");
    composed(&[
        (module, module_with),
        (instance, instance_with),
        (ECHO, &again),
    ])
}
