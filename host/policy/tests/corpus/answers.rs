//! Verdicts and descriptions out of bounds, and those within that mislead.

use reeve_core::point::Point;
use serde_json::json;

use super::Ends::{Breaks, Fails, Harmless};
use super::{ESCAPES, Ends, Hostile};
use crate::support::{About, Fixture};

pub(super) fn all() -> Vec<Hostile> {
    let mut all = reasons();
    all.extend(instances());
    all.extend(numbers());
    all.extend(descriptions());
    all
}

fn at(
    point: Point,
    name: &'static str,
    tries: &'static str,
    ends: Ends,
    change: impl FnOnce(&mut Fixture),
) -> Hostile {
    let mut fixture = Fixture::at(point);
    change(&mut fixture);
    Hostile::new(name, tries, ends, fixture)
}

fn reasons() -> Vec<Hostile> {
    let new = |name, tries, ends: Ends, change: fn(&mut Fixture)| {
        at(Point::Resolve, name, tries, ends, change)
    };
    let bounds = Fails("out-of-bounds");
    vec![
        new("no-code", "a reason without a code", bounds, |one| {
            one.code.clear()
        }),
        new(
            "code-in-capitals",
            "a code with other characters than accepted",
            bounds,
            |one| one.code = b"All Is Well".to_vec(),
        ),
        new(
            "code-of-65-bytes",
            "a code of a byte more than accepted",
            bounds,
            |one| one.code = vec![b'x'; 65],
        ),
        new("code-escapes", "escapes in its code", bounds, |one| {
            one.code = ESCAPES.into()
        }),
        new(
            "text-of-513-bytes",
            "a text of a byte more than accepted",
            bounds,
            |one| one.text = vec![b'x'; 513],
        ),
        new(
            "text-escapes",
            "escapes in its text; they are shown escaped",
            Harmless,
            |one| one.text = ESCAPES.into(),
        ),
        new(
            "memo-of-1025-bytes",
            "a memo of a byte more than accepted",
            bounds,
            |one| one.memo = vec![b'm'; 1025],
        ),
        new("memo-escapes", "escapes in its memo", Harmless, |one| {
            one.memo = ESCAPES.into()
        }),
        new(
            "refusal",
            "a refusal of each question",
            Fails("refused"),
            |one| one.result_case = 1,
        ),
        new(
            "refusal-escapes",
            "a refusal with escapes",
            Fails("refused"),
            |one| {
                one.result_case = 1;
                one.code = ESCAPES.into();
            },
        ),
        new(
            "refusal-long",
            "a refusal of 2,000 bytes",
            Fails("refused"),
            |one| {
                one.result_case = 1;
                one.code = "\u{202e}".repeat(666).into();
            },
        ),
        at(
            Point::Reap,
            "reap-memo-long",
            "a memo of 4,000 bytes about an instance",
            bounds,
            |one| one.memo = vec![b'm'; 4000],
        ),
        at(
            Point::Debounce,
            "debounce-no-code",
            "a restart without a reason",
            bounds,
            |one| one.code.clear(),
        ),
    ]
}

fn instances() -> Vec<Hostile> {
    let named = |name, tries, point, case, id: &str| {
        at(point, name, tries, Fails("out-of-bounds"), |one| {
            one.next_case = case;
            one.id = Some(id.into());
        })
    };
    vec![
        named(
            "serve-made-up",
            "the address of an instance that is not in its input",
            Point::Resolve,
            0,
            "i-made-up",
        ),
        named(
            "serve-nothing",
            "the address of an instance without a name",
            Point::Resolve,
            0,
            "",
        ),
        named(
            "serve-escapes",
            "the address of an instance with escapes in its name",
            Point::Resolve,
            0,
            ESCAPES,
        ),
        named(
            "start-made-up",
            "the start of an instance that is not in its input",
            Point::Resolve,
            2,
            "i-0",
        ),
        named(
            "replace-made-up",
            "the end of an instance that is not in its input",
            Point::Resolve,
            4,
            "i-0",
        ),
        named(
            "take-made-up",
            "an instance that is no candidate",
            Point::Adopt,
            0,
            "i-0",
        ),
    ]
}

fn numbers() -> Vec<Hostile> {
    let with = |point, name, tries, case, number| {
        at(point, name, tries, Harmless, |one| {
            one.next_case = case;
            one.next_ms = number;
            one.valid_ms = u32::MAX;
        })
    };
    vec![
        at(
            Point::Resolve,
            "launch-option-9",
            "a capacity option that its pool does not have",
            Fails("out-of-bounds"),
            |one| {
                one.next_case = 3;
                one.next_ms = 9;
            },
        ),
        with(
            Point::Resolve,
            "wait-zero",
            "a wait of nothing, valid for ever",
            5,
            0,
        ),
        with(
            Point::Resolve,
            "wait-for-weeks",
            "a wait of 49 days",
            5,
            u32::MAX,
        ),
        with(
            Point::Resolve,
            "unavailable",
            "49 days without a worker",
            6,
            u32::MAX,
        ),
        with(
            Point::RetryIp,
            "again-at-once",
            "a reading again at once, for ever",
            0,
            0,
        ),
        with(
            Point::RetryIp,
            "abandon-always",
            "the end of each instance without an address",
            2,
            0,
        ),
        with(
            Point::Adopt,
            "adopt-nothing",
            "no candidate is ever taken",
            1,
            0,
        ),
        with(Point::Debounce, "restart-always", "each restart goes", 0, 2),
        with(
            Point::Debounce,
            "defer-for-weeks",
            "a restart put off for 49 days",
            2,
            u32::MAX,
        ),
        with(
            Point::Reap,
            "terminate-always",
            "the end of each instance",
            3,
            u32::MAX,
        ),
    ]
}

fn descriptions() -> Vec<Hostile> {
    let new = |name, tries, ends: Ends, change: fn(&mut About)| {
        let mut about = About::default();
        change(&mut about);
        let fixture = Fixture {
            about: Some(about),
            // A long description reaches beyond the first page.
            pages: 2,
            ..Fixture::sound()
        };
        Hostile::new(name, tries, ends, fixture)
    };
    let bounds = Breaks("out-of-bounds");
    vec![
        new(
            "name-in-capitals",
            "a name with other characters than accepted",
            bounds,
            |about| about.name = "My Policy".to_owned(),
        ),
        new("name-escapes", "escapes in its name", bounds, |about| {
            about.name = ESCAPES.to_owned()
        }),
        new(
            "version-escapes",
            "escapes in its version",
            bounds,
            |about| about.version = format!("1.0.0-{ESCAPES}"),
        ),
        new(
            "version-of-two",
            "a version of two numbers",
            bounds,
            |about| about.version = "1.0".to_owned(),
        ),
        new("summary-long", "a summary of 513 bytes", bounds, |about| {
            about.summary = "x".repeat(513)
        }),
        new(
            "summary-escapes",
            "escapes in its summary",
            Harmless,
            |about| about.summary = ESCAPES.to_owned(),
        ),
        new("schema-list", "a schema that is a list", bounds, |about| {
            about.schema = "[]".to_owned()
        }),
        new(
            "schema-deep",
            "a schema of 10,000 lists inside each other",
            bounds,
            |about| {
                about.schema = format!("{{\"a\":{}", "[".repeat(10_000));
            },
        ),
        new("schema-long", "a schema of 70 KB", bounds, |about| {
            about.schema = format!("{{}}{}", " ".repeat(70_000))
        }),
        new(
            "schema-escapes",
            "escapes in its schema",
            Harmless,
            |about| about.schema = json!({ ESCAPES: 1 }).to_string(),
        ),
        new(
            "describe-loops",
            "a description without end",
            Breaks("fuel-exhausted"),
            |about| about.describe = "(loop $again (br $again))".to_owned(),
        ),
        new(
            "describe-traps",
            "a trap in its description",
            Breaks("trap"),
            |about| about.describe = "unreachable".to_owned(),
        ),
        new(
            "describe-outside",
            "a description outside its memory",
            Breaks("malformed"),
            |about| {
                about.describe = "(return (i32.const -4))".to_owned();
            },
        ),
        new(
            "validate-loops",
            "a check of settings without end",
            Breaks("fuel-exhausted"),
            |about| {
                about.validate = "(loop $again (br $again))".to_owned();
            },
        ),
        new(
            "validate-refuses",
            "a refusal, with escapes, of the defaults",
            Breaks("refused"),
            |about| {
                about.settings_lengths.clear();
                about.refusal = ESCAPES.to_owned();
            },
        ),
    ]
}
