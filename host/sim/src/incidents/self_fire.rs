//! I4: the worker serves. At 30.0 a changed secret triggers a restart. While the next instance boots, a request,
//! a status poll, and the restart's own trailing "context" call, twice, find the worker dead and each asks for a
//! restart of its own. At 150 s chat asks.

use reeve_core::time::Millis;

use super::{BEGINS, TAG, pointer, worker};
use crate::boxes::Software;
use crate::stage::{Act, Setting};
use crate::world::{Boot, World};

/// Any number does; the same one gives the same story.
const SEED: u64 = 4;

pub(super) fn setting() -> Setting {
    let mut world = World::new(SEED, BEGINS);
    world.launch_elsewhere("i-aaaa", TAG, Boot::instant());
    world.place_pointer(&pointer(), "i-aaaa");
    let ask = |caller| Act::Ask {
        caller,
        comes_back: 20,
    };
    let trigger = Act::Restart {
        who: "secrets",
        cause: "secret-changed",
    };
    let script = vec![
        (Millis::from_secs(10), ask("chat")),
        (Millis::from_secs(30), trigger),
        (Millis::from_secs(36), Act::Probe { who: "request" }),
        (Millis::from_secs(42), Act::Probe { who: "poll" }),
        (Millis::from_secs(46), Act::Probe { who: "context" }),
        (Millis::from_secs(49), Act::Probe { who: "context" }),
        (Millis::from_secs(150), ask("chat")),
    ];
    Setting {
        world,
        begins: BEGINS,
        length: Millis::from_secs(300),
        script,
        worker: worker(),
        tag: TAG,
        software: Some(Software::Standard),
        idle_limit: None,
    }
}
