//! Time, memory, tables, stack, and traps.

use super::Ends::{Breaks, Crashes, Harmless};
use super::{Ends, Hostile};
use crate::support::Fixture;

pub(super) fn all() -> Vec<Hostile> {
    let mut all = at_start();
    all.extend(time());
    all.extend(space());
    all.extend(traps());
    all
}

fn at_start() -> Vec<Hostile> {
    let new = |name, tries, code, core: &str| {
        let fixture = Fixture {
            core: core.to_owned(),
            ..Fixture::sound()
        };
        Hostile::new(name, tries, Breaks(code), fixture)
    };
    let table = Fixture {
        core: "(table 1000000 funcref)".to_owned(),
        ..Fixture::sound()
    };
    let large = Fixture {
        pages: 64 * 16 + 1,
        ..Fixture::sound()
    };
    vec![
        new(
            "start-traps",
            "a start function that traps",
            "trap",
            "(func $start unreachable) (start $start)",
        ),
        new(
            "start-loops",
            "a start function without end",
            "fuel-exhausted",
            "(func $start (loop $again (br $again))) (start $start)",
        ),
        new(
            "start-grows",
            "a start function that takes all memory",
            "memory-exceeded",
            "(func $start (drop (memory.grow (i32.const 65000)))) (start $start)",
        ),
        new(
            "data-outside",
            "data outside its memory",
            "trap",
            r#"(data (i32.const 65535) "ab")"#,
        ),
        new(
            "elements-outside",
            "functions outside its table",
            "trap",
            "(table 1 funcref) (func $f) (elem (i32.const 1) $f)",
        ),
        Hostile::new(
            "table-too-large",
            "a table of a million entries",
            Breaks("memory-exceeded"),
            table,
        ),
        Hostile::new(
            "memory-too-large",
            "a memory of a page more than any class has",
            Breaks("memory-exceeded"),
            large,
        ),
    ]
}

/// Does this again and again.
fn looping(core: &str, body: &str) -> Fixture {
    Fixture {
        core: core.to_owned(),
        pages: 200,
        ..Fixture::deciding(&format!("(loop $again {body} (br $again))"))
    }
}

fn time() -> Vec<Hostile> {
    let new = |name, tries, core: &str, body: &str| {
        Hostile::new(name, tries, Crashes("fuel-exhausted"), looping(core, body))
    };
    let table = "(table $t 10000 funcref) (elem declare func $f) (func $f)";
    let slow = "(local.set $tries (i32.const 7000000))
        (loop $again
          (local.set $tries (i32.sub (local.get $tries) (i32.const 1)))
          (br_if $again (local.get $tries)))";
    vec![
        new("loop", "a loop without end", "", ""),
        new(
            "loop-division",
            "divisions without end",
            "",
            "(local.set $tries (i32.div_s (local.get $waited) (i32.const 3)))",
        ),
        new(
            "loop-fill",
            "12 MB written, again and again",
            "",
            "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 12000000))",
        ),
        new(
            "loop-copy",
            "12 MB copied, again and again",
            "",
            "(memory.copy (i32.const 65536) (i32.const 65537) (i32.const 12000000))",
        ),
        new(
            "loop-grow-zero",
            "growth by nothing, which costs the host a call",
            "",
            "(drop (memory.grow (i32.const 0)))",
        ),
        new(
            "loop-table-grow-zero",
            "growth of a table by nothing",
            table,
            "(drop (table.grow $t (ref.null func) (i32.const 0)))",
        ),
        new(
            "loop-table-copy",
            "10,000 entries of a table moved, again and again",
            table,
            "(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 9999))",
        ),
        new(
            "loop-table-fill",
            "10,000 entries of a table written, again and again",
            table,
            "(table.fill $t (i32.const 0) (ref.func $f) (i32.const 10000))",
        ),
        new(
            "loop-references",
            "functions looked up without end",
            table,
            "(drop (ref.func $f))",
        ),
        new(
            "loop-calls",
            "calls through a table without end",
            "(table $t 1 funcref) (func $f) (elem (i32.const 0) $f)",
            "(call_indirect $t (i32.const 0))",
        ),
        Hostile::new(
            "slow",
            "seven million rounds, half of what it may take",
            Harmless,
            Fixture::deciding(slow),
        ),
    ]
}

fn space() -> Vec<Hostile> {
    let new = |name, tries, ends: Ends, core: &str, body: &str| {
        let fixture = Fixture {
            core: core.to_owned(),
            ..Fixture::deciding(body)
        };
        Hostile::new(name, tries, ends, fixture)
    };
    let deep = |parameters: usize| {
        let types = " i64".repeat(parameters);
        let arguments = "(i64.const 1)".repeat(parameters);
        format!(
            "(func $deeper (param{types}) (call $deeper {arguments}) (call $deeper {arguments}))"
        )
    };
    let wide = format!("(call $deeper {})", "(i64.const 1)".repeat(100));
    vec![
        new(
            "memory-bomb",
            "memory page by page without end",
            Crashes("memory-exceeded"),
            "",
            "(loop $again (drop (memory.grow (i32.const 1))) (br $again))",
        ),
        new(
            "memory-at-once",
            "4 GiB of memory at once",
            Crashes("memory-exceeded"),
            "",
            "(drop (memory.grow (i32.const 65535)))",
        ),
        new(
            "memory-touched",
            "16 MiB of memory, all it may have, written once",
            Harmless,
            "",
            "(drop (memory.grow (i32.const 255))) (memory.fill (i32.const 65536) (i32.const 7) (i32.const 16711680))",
        ),
        new(
            "table-bomb",
            "a table of a million entries",
            Crashes("memory-exceeded"),
            "(table $t 1 funcref)",
            "(drop (table.grow $t (ref.null func) (i32.const 1000000)))",
        ),
        new(
            "recursion",
            "a recursion without end",
            Crashes("trap"),
            &deep(0),
            "(call $deeper)",
        ),
        new(
            "recursion-wide",
            "a recursion without end, 800 bytes a step",
            Crashes("trap"),
            &deep(100),
            &wide,
        ),
    ]
}

fn traps() -> Vec<Hostile> {
    let new = |name, tries, core: &str, body: &str| {
        let fixture = Fixture {
            core: core.to_owned(),
            ..Fixture::deciding(body)
        };
        Hostile::new(name, tries, Crashes("trap"), fixture)
    };
    vec![
        new(
            "trap-unreachable",
            "an abort, as a panic in Rust",
            "",
            "unreachable",
        ),
        new(
            "trap-division",
            "a division by zero",
            "",
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
        ),
        new(
            "trap-overflow",
            "a division whose result has no room",
            "",
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
        ),
        new(
            "trap-nan",
            "a whole number of not-a-number",
            "",
            "(drop (i32.trunc_f32_s (f32.const nan)))",
        ),
        new(
            "trap-load",
            "a read outside its memory",
            "",
            "(drop (i32.load (i32.const -4)))",
        ),
        new(
            "trap-load-offset",
            "a read 4 GiB outside its memory",
            "",
            "(drop (i32.load offset=4294967295 (i32.const -1)))",
        ),
        new(
            "trap-null-call",
            "a call of no function",
            "(table $t 1 funcref)",
            "(call_indirect $t (i32.const 0))",
        ),
        new(
            "trap-other-type",
            "a call of a function with another type",
            "(table $t 1 funcref) (func $f (param i32)) (elem (i32.const 0) $f)",
            "(call_indirect $t (i32.const 0))",
        ),
        new(
            "trap-table-outside",
            "a call outside its table",
            "(table $t 1 funcref)",
            "(call_indirect $t (i32.const 9))",
        ),
    ]
}
