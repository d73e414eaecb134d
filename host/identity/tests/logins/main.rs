//! Logins by AWS IAM against an STS that verifies signatures: which are accepted, that no mutant of
//! a sound one is, and that no mutant of a reply names another identity.
//!
//! `REEVE_MUTATED=100000 cargo test -p reeve-identity --test logins -- --nocapture` makes more
//! mutants than an ordinary run, and `REEVE_SEED=17` makes others. Each kind of mutant has its own
//! random stream, so that a new kind does not change the others.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test, which can be given a seed and says what it did"
)]

mod behaviour;
mod chance;
mod kinds;
mod replies;
mod world;

use std::collections::BTreeMap;

use self::chance::Chance;
use self::kinds::{KINDS, Kind};
use self::world::{Attempt, World};

/// The results for one kind of mutant.
#[derive(Default)]
struct Tally {
    refused: usize,
    /// Mutants that mean the same as a sound login. They are accepted once in its place, because
    /// they have its signature.
    same_meaning: usize,
    codes: BTreeMap<String, usize>,
}

#[test]
fn no_mutated_login_is_accepted() {
    let seed = number("REEVE_SEED", 20_480);
    let mutants = usize::try_from(number("REEVE_MUTATED", 20_000)).expect("a number of mutants");
    println!("seed {seed}, {mutants} mutants");
    let world = World::new();
    let weights: usize = KINDS.iter().map(|kind| kind.weight).sum();
    let mut refused = 0;
    for (stream, kind) in (0..).zip(KINDS) {
        let count = (mutants * kind.weight).div_ceil(weights);
        let tally = play(kind, count, &world, &mut Chance::new(seed, stream), seed);
        println!(
            "{:>6} refused, {:>3} the same meaning: {}: {:?}",
            tally.refused, tally.same_meaning, kind.name, tally.codes
        );
        refused += tally.refused;
    }
    println!("{refused:>6} refused, none accepted");
    assert!(refused >= mutants);
}

/// A number from the environment, or the usual one.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn play(kind: &Kind, count: usize, world: &World, chance: &mut Chance, seed: u64) -> Tally {
    let mut tally = Tally::default();
    while tally.refused < count {
        let attempt = (kind.mutate)(world, chance);
        match world.attempt(&attempt) {
            Ok(accepted) if world.means_the_same(&attempt, &accepted) => tally.same_meaning += 1,
            Ok(accepted) => panic!(
                "seed {seed}: {}: accepted as {}: {}",
                kind.name,
                accepted.principal,
                shown(&attempt)
            ),
            Err(code) => {
                *tally.codes.entry(code).or_default() += 1;
                tally.refused += 1;
            }
        }
    }
    tally
}

fn shown(attempt: &Attempt) -> String {
    let Attempt {
        json,
        audience,
        now,
    } = attempt;
    let json = String::from_utf8_lossy(json);
    format!("{audience} at {now}: {json}")
}
