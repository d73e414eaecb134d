//! I5, to the second: at 0:00 (14:57:37) a task is started for a user; at 2:53 the user writes. The watchdog looks once
//! a minute, and the metric has too few samples for the hour to tell. As it was, the task is killed at 30:12, for
//! an inactivity that it never had: 27 minutes after the message.

use reeve_core::time::Millis;

use super::{BEGINS, TAG, worker};
use crate::boxes::Software;
use crate::stage::{Act, Setting};
use crate::world::World;

/// What the write-up settled on, for all its timeouts.
pub(super) const IDLE_LIMIT: Millis = Millis::from_secs(30 * 60);

/// Any number does; the same one gives the same story.
const SEED: u64 = 5;
/// The watchdog is late by this much, as it was.
const WATCHDOG_S: u64 = 12;

pub(super) fn setting() -> Setting {
    let ask = |caller| Act::Ask {
        caller,
        comes_back: 20,
    };
    let mut script = vec![
        (Millis::ZERO, ask("user")),
        (Millis::from_secs(173), ask("user")),
    ];
    let looks =
        (1..=70).map(|minute| (Millis::from_secs(minute * 60 + WATCHDOG_S), Act::ReadDemand));
    script.extend(looks);
    Setting {
        world: World::new(SEED, BEGINS),
        begins: BEGINS,
        length: Millis::from_secs(70 * 60),
        script,
        worker: worker(),
        tag: TAG,
        software: Some(Software::Standard),
        idle_limit: Some(IDLE_LIMIT),
    }
}
