//! Many worlds, several at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reeve_sim::swarm::Report;

use crate::tally::Tally;
use crate::troupe::Troupe;

/// Between two looks at how far it has come.
const WORLDS_BETWEEN_LOOKS: u64 = 10_000;

/// Which seeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds {
    /// The first.
    pub(crate) from: u64,
    /// How many there are at least.
    pub(crate) at_least: u64,
    /// Until when further ones follow.
    pub(crate) until: Option<Duration>,
    /// So many failing worlds are enough.
    pub(crate) violations_max: usize,
}

/// Lets `play` run all of them; `look` sees the sums now and then, so that a run that is killed has told something.
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

/// The casts that play.
pub(crate) fn names(troupe: &Troupe, legacy: bool) -> Vec<String> {
    match legacy {
        true => troupe.casts.names(),
        false => troupe.casts.sound.clone(),
    }
}
