//! Components that answer the questions of a trial and fail at those of a host.

use reeve_core::point::Point;

use super::Ends::{GivesWay, Harmless};
use super::{Ends, Hostile};
use crate::support::Fixture;

pub(super) fn all() -> Vec<Hostile> {
    let new = |name, tries, point, ends: Ends, body: &str| {
        let fixture = Fixture::at(point).doing_in_service(body);
        Hostile::new(name, tries, ends, fixture)
    };
    // The first word of the answer says whether it is one, the next one what was chosen, the one after
    // that where the name of an instance stands.
    let refuses =
        "(i32.store (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 2048))
        (i32.store (i32.const 1032) (i32.const 5))";
    let serves =
        "(i32.store (i32.const 1028) (i32.const 0)) (i32.store (i32.const 1032) (i32.const 2048))
        (i32.store (i32.const 1036) (i32.const 5))";
    let resolve = Point::Resolve;
    vec![
        new(
            "late-trap",
            "a trap",
            resolve,
            GivesWay("trap"),
            "unreachable",
        ),
        new(
            "late-loop",
            "a loop without end",
            resolve,
            GivesWay("fuel-exhausted"),
            "(loop $again (br $again))",
        ),
        new(
            "late-memory",
            "4 GiB of memory",
            resolve,
            GivesWay("memory-exceeded"),
            "(drop (memory.grow (i32.const 65535)))",
        ),
        new(
            "late-nonsense",
            "an answer outside its memory",
            resolve,
            GivesWay("malformed"),
            "(return (i32.const -16))",
        ),
        new(
            "late-refusal",
            "a refusal",
            resolve,
            GivesWay("refused"),
            refuses,
        ),
        new(
            "late-made-up",
            "an instance that is not in its input",
            resolve,
            GivesWay("out-of-bounds"),
            serves,
        ),
        new(
            "late-adopt",
            "a trap where an instance could be adopted",
            Point::Adopt,
            GivesWay("trap"),
            "unreachable",
        ),
        new(
            "late-retry-ip",
            "a trap where an address is awaited",
            Point::RetryIp,
            GivesWay("trap"),
            "unreachable",
        ),
        new(
            "late-debounce",
            "a loop where a restart is asked for",
            Point::Debounce,
            GivesWay("fuel-exhausted"),
            "(loop $again (br $again))",
        ),
        new(
            "late-reap",
            "a trap where an instance could be ended",
            Point::Reap,
            GivesWay("trap"),
            "unreachable",
        ),
        new(
            "late-wait",
            "another answer in service than at the trial",
            resolve,
            Harmless,
            "(i32.store (i32.const 1032) (i32.const 0))",
        ),
    ]
}
