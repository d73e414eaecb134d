//! The random choices of mutants.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One stream of random choices.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u32::try_from(end).expect("a small number");
        usize::try_from(self.0.next_u32() % end).expect("a small number")
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Random lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, count: usize) -> String {
        let digits: Vec<char> = "0123456789abcdef".chars().collect();
        (0..count).map(|_| *self.pick(&digits)).collect()
    }
}
