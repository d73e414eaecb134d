//! Many worlds, several at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reeve_sim::swarm::Report;

use crate::tally::Tally;
use crate::troupe::Troupe;

/// The number of worlds between two progress lines.
const WORLDS_BETWEEN_LOOKS: u64 = 10_000;

/// The seeds to play.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds {
    /// The first seed.
    pub(crate) from: u64,
    /// The number of seeds to play at least.
    pub(crate) at_least: u64,
    /// Further seeds follow until the run has taken this long; `None`: none follow.
    pub(crate) until: Option<Duration>,
    /// The run ends after this many failed worlds.
    pub(crate) violations_max: usize,
}

/// Plays all seeds. `look` gets the sums after every [`WORLDS_BETWEEN_LOOKS`] worlds, so that a
/// killed run has shown something.
pub(crate) fn run(
    seeds: Seeds,
    threads: usize,
    play: impl Fn(u64) -> Report + Sync,
    look: impl Fn(&Tally) + Sync,
) -> Tally {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.from);
    let enough = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let beyond = seed >= seeds.from + seeds.at_least;
                    if beyond && seeds.until.is_none_or(|until| began.elapsed() >= until) {
                        break;
                    }
                    let report = play(seed);
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.enter(seed, &report);
                    if tally.seeds.is_multiple_of(WORLDS_BETWEEN_LOOKS) {
                        tally.measured(began.elapsed(), threads);
                        look(&tally);
                    }
                    if tally.violations.len() >= seeds.violations_max {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.measured(began.elapsed(), threads);
    tally
}

/// The names of the casts that play.
pub(crate) fn names(troupe: &Troupe, legacy: bool) -> Vec<String> {
    match legacy {
        true => troupe.casts.names(),
        false => troupe.casts.sound.clone(),
    }
}
