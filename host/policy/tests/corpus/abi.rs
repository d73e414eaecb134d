//! Lies in the canonical ABI: answers that cannot be read, allocators that do not allocate.

use super::Ends::{Crashes, Harmless};
use super::{Ends, Hostile};
use crate::support::Fixture;
use reeve_core::point::Point;

pub(super) fn all() -> Vec<Hostile> {
    let mut all = answers();
    all.extend(allocators());
    all.extend(afterwards());
    all
}

fn answers() -> Vec<Hostile> {
    let new = |name, tries, change: fn(&mut Fixture)| {
        let mut fixture = Fixture::sound();
        change(&mut fixture);
        Hostile::new(name, tries, Crashes("malformed"), fixture)
    };
    let mut all = vec![
        new("no-such-result", "neither a verdict nor an error", |one| {
            one.result_case = 9
        }),
        new(
            "no-such-choice",
            "a case that the contract does not have",
            |one| one.next_case = 7,
        ),
        new("no-utf-8", "a text that is no UTF-8", |one| {
            one.text = vec![b'a', 0xff, 0xfe]
        }),
        new("half-a-letter", "a text that ends within a letter", |one| {
            one.text = "ü".as_bytes()[..1].to_vec()
        }),
        new("surrogate", "half of a pair of UTF-16, in UTF-8", |one| {
            one.text = vec![0xed, 0xa0, 0x80]
        }),
        new(
            "text-outside",
            "a text at the end of the address space",
            |one| one.text_at = Some((0xffff_fff0, 4)),
        ),
        new(
            "text-across-the-end",
            "a text that begins inside its memory",
            |one| one.text_at = Some((65_530, 100)),
        ),
        new("text-of-4-gib", "a text of 4 GiB", |one| {
            one.text_at = Some((0, u32::MAX))
        }),
        new("text-that-wraps", "a text whose end wraps around", |one| {
            one.text_at = Some((u32::MAX, u32::MAX))
        }),
        new(
            "text-of-12-mb",
            "a text of 12 MB inside its memory",
            |one| {
                one.pages = 200;
                one.text_at = Some((65_536, 12_000_000));
            },
        ),
        new("answer-outside", "an answer outside its memory", |one| {
            one.decide = "(i32.const 0xfffffff0)".to_owned()
        }),
        new("answer-not-aligned", "an answer at an odd address", |one| {
            one.decide = "(i32.const 1025)".to_owned()
        }),
        new("odd-utf-16", "a text in UTF-16 at an odd address", |one| {
            one.lift = "string-encoding=utf16".to_owned();
            one.text_at = Some((4097, 2));
        }),
        new("lone-surrogate", "half of a pair in UTF-16", |one| {
            one.lift = "string-encoding=utf16".to_owned();
            one.text = vec![0x00, 0xd8];
        }),
        new(
            "tagged-length",
            "a length tagged as UTF-16, far outside",
            |one| {
                one.lift = "string-encoding=latin1+utf16".to_owned();
                one.text_at = Some((4096, 0xffff_ffff));
            },
        ),
    ];
    let no_id = Fixture {
        next_case: 0,
        id: Some(vec![0xff]),
        ..Fixture::at(Point::Resolve)
    };
    let nowhere = Fixture {
        next_case: 9,
        ..Fixture::at(Point::Reap)
    };
    let overlapping = Fixture {
        text_at: Some((2048, 5)),
        ..Fixture::sound()
    };
    all.extend([
        Hostile::new(
            "id-no-utf-8",
            "an instance whose name is no UTF-8",
            Crashes("malformed"),
            no_id,
        ),
        Hostile::new(
            "no-such-end",
            "a way to end an instance that does not exist",
            Crashes("malformed"),
            nowhere,
        ),
        Hostile::new(
            "overlapping",
            "one place for two texts",
            Harmless,
            overlapping,
        ),
    ]);
    all
}

fn allocators() -> Vec<Hostile> {
    let new = |name, tries, ends: Ends, body: &str| {
        let fixture = Fixture {
            realloc: body.to_owned(),
            ..Fixture::at(Point::Resolve)
        };
        Hostile::new(name, tries, ends, fixture)
    };
    vec![
        new(
            "realloc-outside",
            "room outside its memory",
            Crashes("malformed"),
            "(i32.const -16)",
        ),
        new(
            "realloc-not-aligned",
            "room at an odd address",
            Crashes("malformed"),
            "(i32.const 32769)",
        ),
        new(
            "realloc-loops",
            "an allocator without end",
            Crashes("fuel-exhausted"),
            "(loop $again (br $again)) (i32.const 8)",
        ),
        new(
            "realloc-traps",
            "an allocator that traps",
            Crashes("trap"),
            "unreachable",
        ),
        new(
            "realloc-grows",
            "memory without end for each text",
            Crashes("memory-exceeded"),
            "(drop (memory.grow (i32.const 100))) (i32.const 32768)",
        ),
        new(
            "realloc-recursion",
            "an allocator that calls itself",
            Crashes("trap"),
            "(call $realloc (local.get 0) (local.get 1) (local.get 2) (local.get 3))",
        ),
        new(
            "realloc-the-same",
            "the same room for all texts, where its answer stands",
            Crashes("malformed"),
            "(i32.const 1024)",
        ),
    ]
}

/// What is called after the answer was read.
fn afterwards() -> Vec<Hostile> {
    let new = |name, tries, code, body: &str| {
        let fixture = Fixture {
            core: format!("(func (export \"after\") (param i32) {body})"),
            lift: "(post-return (core func $code \"after\"))".to_owned(),
            ..Fixture::sound()
        };
        Hostile::new(name, tries, Crashes(code), fixture)
    };
    vec![
        new(
            "after-loops",
            "an end of its call without end",
            "fuel-exhausted",
            "(loop $again (br $again))",
        ),
        new(
            "after-traps",
            "a trap after its answer",
            "trap",
            "unreachable",
        ),
        new(
            "after-grows",
            "all memory after its answer",
            "memory-exceeded",
            "(drop (memory.grow (i32.const 65000)))",
        ),
    ]
}
