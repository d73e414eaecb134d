//! Imports, exports that are not the contract's, and features of Wasm that policies do not have.

use super::Ends::{Crashes, Exceeds, Harmless, Refused};
use super::{ESCAPES, Ends, Hostile};
use crate::support::Fixture;
use crate::support::bomb::parse;
use reeve_policy::Bound;

pub(super) fn all() -> Vec<Hostile> {
    let mut all = imports();
    all.extend(exports());
    all.extend(features());
    all
}

fn imports() -> Vec<Hostile> {
    let importing = |name, tries, prelude: &str| {
        let fixture = Fixture {
            prelude: prelude.to_owned(),
            ..Fixture::sound()
        };
        Hostile::new(name, tries, Refused("imports"), fixture)
    };
    let long = "n".repeat(1000);
    let names: String = (0..500)
        .map(|one| format!("(import \"{long}{one}\" (func))"))
        .collect();
    let escapes = Fixture {
        prelude: format!(
            "(core module $x (import {ESCAPES:?} \"{long}\" (func))) (core instance (instantiate $x))"
        ),
        ..Fixture::sound()
    };
    vec![
        importing(
            "imports-wasi",
            "files and sockets by WASI",
            r#"(import "wasi:filesystem/types@0.2.0" (instance (export "f" (func))))
               (import "wasi:sockets/tcp@0.2.0" (instance (export "f" (func))))"#,
        ),
        importing(
            "imports-function",
            "a function of the host",
            r#"(import "print" (func (param "text" string)))"#,
        ),
        importing(
            "imports-resource",
            "a resource of the host",
            r#"(import "wasi:io/poll@0.2.0" (instance (export "pollable" (type (sub resource)))))"#,
        ),
        importing(
            "imports-flood",
            "500 imports with names of 1,000 bytes, to flood the log",
            &names,
        ),
        Hostile::new(
            "imports-escapes",
            "escapes in the name of a module's import",
            Refused("invalid"),
            escapes,
        ),
    ]
}

fn exports() -> Vec<Hostile> {
    let refused = |name, tries, code, text: &str| {
        Hostile::new(
            name,
            tries,
            Refused(code),
            parse(&format!("(component {text})")),
        )
    };
    let long = "n".repeat(200);
    let flood: String = (0..500)
        .map(|one| format!("(export \"{long}{one}\" (instance $i))"))
        .collect();
    let number = r#"(core module $m (func (export "f") (result i32) i32.const 0))
        (core instance $i (instantiate $m)) (func $f (result u32) (canon lift (core func $i "f")))"#;
    let resource = r#"(type $r (resource (rep i32))) (instance $i (export "r" (type $r)))
        (export "reeve:policy/resolve@0.1.0" (instance $i))"#;
    let other = Fixture {
        version: "0.1.1".to_owned(),
        ..Fixture::sound()
    };
    let about = Fixture {
        more: r#"(instance $about (export "describe" (func $decide)) (export "validate" (func $decide)))
            (export "reeve:policy/about@0.1.0" (instance $about))"#
            .to_owned(),
        ..Fixture::sound()
    };
    vec![
        Hostile::new(
            "other-version",
            "another version of the contract",
            Refused("nothing-offered"),
            other,
        ),
        refused(
            "exports-flood",
            "500 exports with names of 200 bytes",
            "nothing-offered",
            &format!("(instance $i) {flood}"),
        ),
        refused(
            "no-decide",
            "an interface of the contract without its function",
            "wrong-type",
            &format!(
                r#"{number} (instance $x (export "other" (func $f))) (export "reeve:policy/resolve@0.1.0" (instance $x))"#
            ),
        ),
        refused(
            "decide-of-other-type",
            "its function with another type",
            "wrong-type",
            &format!(
                r#"{number} (instance $x (export "decide" (func $f))) (export "reeve:policy/resolve@0.1.0" (instance $x))"#
            ),
        ),
        refused(
            "decide-is-no-function",
            "a type with an interface's name",
            "wrong-type",
            resource,
        ),
        Hostile::new(
            "about-of-other-type",
            "`about` with the types of `decide`",
            Refused("wrong-type"),
            about,
        ),
    ]
}

/// Each stands in a component that is sound without it.
fn features() -> Vec<Hostile> {
    let with = |name, tries, ends: Ends, core: &str| {
        let fixture = Fixture {
            core: core.to_owned(),
            ..Fixture::sound()
        };
        Hostile::new(name, tries, ends, fixture)
    };
    let invalid = |name, tries, core: &str| with(name, tries, Refused("invalid"), core);
    let tail_call = Fixture {
        core: "(func $again (return_call $again))".to_owned(),
        ..Fixture::deciding("(call $again)")
    };
    let module = |fields: &str| Fixture {
        prelude: format!("(core module {fields})"),
        ..Fixture::sound()
    };
    vec![
        Hostile::new(
            "memory64",
            "a memory with 64-bit addresses",
            Refused("invalid"),
            module("(memory i64 1)"),
        ),
        Hostile::new(
            "shared-memory",
            "a memory shared by threads",
            Refused("invalid"),
            module("(memory 1 1 shared)"),
        ),
        Hostile::new(
            "small-pages",
            "a memory with pages of one byte",
            Refused("invalid"),
            module("(memory 1 (pagesize 1))"),
        ),
        Hostile::new(
            "imported-memories",
            "a second memory by import",
            Exceeds(Bound::MemoriesOfModule, 2),
            module(r#"(import "a" "m" (memory 1)) (memory 1)"#),
        ),
        invalid(
            "relaxed-simd",
            "an operation whose result depends on the machine",
            "(func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))",
        ),
        invalid(
            "gc-types",
            "structures of the garbage collector",
            "(type $s (struct (field i32))) (func (param (ref null $s)))",
        ),
        invalid("exceptions", "exceptions", "(tag $t) (func (throw $t))"),
        invalid(
            "stack-switching",
            "a second stack",
            "(type $f (func)) (type $c (cont $f)) (func (param (ref null $c)))",
        ),
        invalid(
            "wide-arithmetic",
            "128-bit arithmetic",
            "(func (param i64 i64) (result i64 i64) (i64.mul_wide_s (local.get 0) (local.get 1)))",
        ),
        with(
            "simd",
            "vectors, which are the same on each machine",
            Harmless,
            "(func (param v128) (result v128) (f32x4.sqrt (local.get 0)))",
        ),
        Hostile::new(
            "tail-calls",
            "calls without end that take no stack",
            Crashes("fuel-exhausted"),
            tail_call,
        ),
    ]
}
