//! I1. The watchdog has stopped A and left the pointer at it; B runs, healthy, and nobody looks for it.
//! Three times in the next half hour somebody asks once, is told to come back, and does not. Meanwhile
//! the watchdog reads `Invocations` every minute, and the encoder client launches a new one whenever none
//! is up, on a path of its own that does not write the pointer.

use reeve_core::time::Millis;

use super::{BEGINS, TAG, pointer, worker};
use crate::stage::{Act, Setting};
use crate::world::{Boot, World};

/// Any number does; the same one gives the same story.
const SEED: u64 = 1;
/// Long enough for four instances in a row to live their 10 to 21 minutes.
const LENGTH: Millis = Millis::from_secs(45 * 60);

pub(super) fn setting() -> Setting {
    let mut world = World::new(SEED, BEGINS);
    let stopped = world.place_stopped("i-aaaa", TAG);
    world.place_pointer(&pointer(), stopped.as_str());

    let boot = Boot {
        pending: Millis::ZERO,
        address_after: Millis::ZERO,
    };
    let ask = |caller| Act::Ask {
        caller,
        comes_back: 0,
    };
    let tell = |who, what| Act::Tell { who, what };
    let mut script = vec![
        (
            Millis::ZERO,
            tell(
                "watchdog",
                "has stopped i-aaaa; the pointer still says i-aaaa",
            ),
        ),
        (
            Millis::ZERO,
            Act::Launch {
                who: "encoder",
                id: "i-bbbb",
                boot,
            },
        ),
        (Millis::from_secs(5), ask("chat")),
        (Millis::from_secs(15 * 60), ask("ingest")),
        (Millis::from_secs(32 * 60), ask("chat")),
    ];
    for minute in 1..45 {
        script.push((Millis::from_secs(minute * 60), Act::ReadDemand));
        script.push((
            Millis::from_secs(minute * 60 + 30),
            Act::LaunchIfNoneIsUp {
                who: "encoder",
                id: "i-cccc",
            },
        ));
    }
    Setting {
        world,
        begins: BEGINS,
        length: LENGTH,
        script,
        worker: worker(),
        tag: TAG,
        software: None,
        idle_limit: None,
    }
}
