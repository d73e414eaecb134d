//! Checks that none of 10,000 mutants of good documents is proved.
//!
//! Each kind of mutant has its own random stream, so that a new kind does not change the others.
//! `REEVE_SEED=17 cargo test -p reeve-identity --test mutants` runs another seed than the fixed
//! one.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test, which can be given a seed and says what it did"
)]

mod kinds;
mod originals;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use self::kinds::KINDS;
use self::originals::Originals;

/// The results for one kind of mutant.
#[derive(Default)]
struct Tally {
    refused: usize,
    /// Texts with the bytes of a good document, which are no mutants.
    same_bytes: usize,
    codes: BTreeMap<&'static str, usize>,
}

#[test]
fn no_mutant_of_ten_thousand_is_proved() {
    let seed = std::env::var("REEVE_SEED").map_or(20_480, |seed| seed.parse().expect("a number"));
    println!("seed {seed}");
    let originals = Originals::new();
    for (name, text) in originals.texts() {
        assert!(originals.verifier.verify(&text).is_ok(), "{name} is good");
    }
    let mut refused = 0;
    for (stream, kind) in (0..).zip(KINDS) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let tally = play(kind, &originals, &mut rng, seed);
        println!(
            "{:>6} refused, {:>3} the same bytes: {}: {:?}",
            tally.refused, tally.same_bytes, kind.name, tally.codes
        );
        refused += tally.refused;
    }
    println!("{refused:>6} refused, none proved");
    assert_eq!(refused, 10_000);
}

fn play(kind: &kinds::Kind, originals: &Originals, rng: &mut ChaCha8Rng, seed: u64) -> Tally {
    let mut tally = Tally::default();
    while tally.refused < kind.count {
        let text = (kind.mutate)(originals, rng);
        if originals.are_the_bytes_of(&text) {
            tally.same_bytes += 1;
            continue;
        }
        match originals.verifier.verify(&text) {
            Ok(document) => panic!("seed {seed}: {}: proved {document:?}:\n{text}", kind.name),
            Err(error) => *tally.codes.entry(error.code()).or_default() += 1,
        }
        tally.refused += 1;
    }
    tally
}
