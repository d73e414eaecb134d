//! Chance, from the seed. Each kind of choice has a stream of its own, so that adding one, or
//! leaving out what one has brought about, does not reshuffle the others.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reeve_core::time::Millis;

use super::fault::{Fault, Pace};
use super::options::Options;

/// Choices that are no faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// How long calls take.
    Latency,
    /// What users do, and when.
    Users,
    /// Which host is spoken to.
    Door,
    /// What a fault befalls, and how badly.
    Detail,
    /// What a lying policy says.
    Lies,
}

const STREAMS: usize = 5;
/// Streams of the world have small numbers; ours must be none of them, for the seed is the same.
const FIRST: u64 = 100;

/// All streams of one run.
#[derive(Debug)]
pub(super) struct Chance {
    faults: Vec<ChaCha8Rng>,
    others: Vec<ChaCha8Rng>,
    /// Of a million opportunities; 0: the kind does not come up in this world.
    odds: [u32; Fault::COUNT],
    is_on: [bool; Fault::COUNT],
    fired: [u64; Fault::COUNT],
    muted: BTreeSet<(Fault, u64)>,
    /// Whether faults have ended.
    pub(super) is_calm: bool,
}

impl Chance {
    pub(super) fn new(options: &Options) -> Self {
        let stream = |number: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(FIRST + number as u64);
            rng
        };
        let mut odds = [0; Fault::COUNT];
        let mut is_on = [false; Fault::COUNT];
        for fault in &options.faults {
            is_on[fault.index()] = true;
            if let Pace::PerMillion(of_a_million) = fault.pace() {
                odds[fault.index()] = of_a_million;
            }
        }
        Self {
            others: (0..STREAMS).map(stream).collect(),
            faults: (STREAMS..STREAMS + Fault::COUNT).map(stream).collect(),
            odds,
            is_on,
            fired: [0; Fault::COUNT],
            muted: options.muted.clone(),
            is_calm: false,
        }
    }

    /// Whether the fault befalls this opportunity.
    pub(super) fn happens(&mut self, fault: Fault) -> bool {
        let odds = self.odds[fault.index()];
        if odds == 0 || self.is_calm {
            return false;
        }
        let drawn = self.faults[fault.index()].next_u32() % 1_000_000;
        drawn < odds && self.fire(fault)
    }

    /// Counts an occurrence of a fault that the caller knows to be due; `false`: this one is left
    /// out.
    pub(super) fn fire(&mut self, fault: Fault) -> bool {
        if !self.is_on[fault.index()] || self.is_calm {
            return false;
        }
        let count = &mut self.fired[fault.index()];
        *count += 1;
        !self.muted.contains(&(fault, *count))
    }

    /// Counts what followed from another fault.
    pub(super) fn count(&mut self, fault: Fault) {
        self.fired[fault.index()] += 1;
    }

    /// How long until a fault comes again that comes by time; `None`: it never does.
    pub(super) fn gap(&mut self, fault: Fault) -> Option<Millis> {
        let Pace::EverySecs(mean) = fault.pace() else {
            return None;
        };
        if !self.is_on[fault.index()] {
            return None;
        }
        let mean_ms = mean * 1000;
        let drawn = self.faults[fault.index()].next_u64() % (2 * mean_ms);
        Some(Millis::new(drawn + 1))
    }

    /// A number of the range, both ends included.
    pub(super) fn between(&mut self, stream: Stream, from: u64, to: u64) -> u64 {
        from + self.others[stream as usize].next_u64() % (to - from + 1)
    }

    /// The same, as a length of time.
    pub(super) fn millis(&mut self, stream: Stream, from_ms: u64, to_ms: u64) -> Millis {
        Millis::new(self.between(stream, from_ms, to_ms))
    }

    /// An index below `length`, which is not 0.
    pub(super) fn pick(&mut self, stream: Stream, length: usize) -> usize {
        let drawn = self.others[stream as usize].next_u64() % (length as u64);
        usize::try_from(drawn).unwrap_or(0)
    }

    /// Whether it is so, so many times of a hundred.
    pub(super) fn percent(&mut self, stream: Stream, of_a_hundred: u64) -> bool {
        self.between(stream, 0, 99) < of_a_hundred
    }

    /// How often each kind came up.
    pub(super) fn fired(&self) -> [u64; Fault::COUNT] {
        self.fired
    }
}
