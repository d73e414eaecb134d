//! I2, second by second as in the write-up: at 0.0 the watchdog has stopped A, at 0.5 B is launched, at
//! 1.0 it runs without an address, at 1.5 chat asks, and half a second later ingest. The address comes at
//! 3.5, two and a half seconds after `running`.

use reeve_core::time::Millis;

use super::{BEGINS, TAG, pointer, worker};
use crate::stage::{Act, Setting};
use crate::world::{Boot, World};

/// Any number does; the same one gives the same story.
const SEED: u64 = 2;

pub(super) fn setting() -> Setting {
    let mut world = World::new(SEED, BEGINS);
    let stopped = world.place_stopped("i-aaaa", TAG);
    world.place_pointer(&pointer(), stopped.as_str());

    let boot = Boot {
        pending: Millis::new(500),
        address_after: Millis::new(2_500),
    };
    let ask = |caller| Act::Ask {
        caller,
        comes_back: 10,
    };
    let script = vec![
        (
            Millis::ZERO,
            Act::Tell {
                who: "watchdog",
                what: "has stopped i-aaaa; the pointer still says i-aaaa",
            },
        ),
        (
            Millis::new(500),
            Act::Launch {
                who: "encoder",
                id: "i-bbbb",
                boot,
            },
        ),
        (Millis::new(1_500), ask("chat")),
        (Millis::new(2_000), ask("ingest")),
    ];
    Setting {
        world,
        begins: BEGINS,
        length: Millis::from_secs(60),
        script,
        worker: worker(),
        tag: TAG,
        software: None,
        idle_limit: None,
    }
}
