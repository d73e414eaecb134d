//! I3: the worker is gone. At 0.0 the stall watchdog asks for it, at 0.6 an administrator does, and at 0.9 the
//! control plane's own recovery launches an instance past everybody. The boxes boot and register. At 60 s chat
//! delivers its first message; at 120 s the box that serves loses its disk and its token; at 150 s and 420 s chat
//! delivers again.

use reeve_core::time::Millis;

use super::{BEGINS, TAG, worker};
use crate::boxes::Software;
use crate::stage::{Act, Setting};
use crate::world::{Boot, World};

/// With this one the instance that was launched first boots first, and the pointer names the other.
const SEED: u64 = 1;

pub(super) fn setting() -> Setting {
    let world = World::new(SEED, BEGINS);
    let ask = |caller| Act::Ask {
        caller,
        comes_back: 20,
    };
    let recovery = Act::Launch {
        who: "recovery",
        id: "i-cccc",
        boot: Boot {
            pending: Millis::from_secs(25),
            address_after: Millis::from_secs(2),
        },
    };
    let script = vec![
        (Millis::ZERO, Act::Recreate { who: "watchdog" }),
        (Millis::new(600), Act::Recreate { who: "admin" }),
        (Millis::new(900), recovery),
        (Millis::from_secs(60), ask("chat")),
        (Millis::from_secs(120), Act::WipeToken),
        (Millis::from_secs(150), ask("chat")),
        (Millis::from_secs(420), ask("chat")),
    ];
    Setting {
        world,
        begins: BEGINS,
        length: Millis::from_secs(900),
        script,
        worker: worker(),
        tag: TAG,
        software: Some(Software::Standard),
        idle_limit: None,
    }
}
