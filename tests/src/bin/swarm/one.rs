//! One world, told line by line.

use std::process::ExitCode;

use reeve_sim::swarm::{self, Guarantee, Options};
use reeve_sim::timeline;

use crate::many;
use crate::troupe::Troupe;

/// The number of worlds to try for a smaller one: at most a minute's work.
const TRIES_MAX: usize = 2_000;

/// Plays one world and prints its story. A world that fails is first made as small as possible.
pub(crate) fn run(troupe: &Troupe, seed: u64, legacy: bool) -> ExitCode {
    let options = Options::draw(seed, &many::names(troupe, legacy));
    let report = swarm::run(&options, troupe, &troupe.casts, false);
    println!("{options}");
    let report = match &report.violation {
        None => swarm::run(&options, troupe, &troupe.casts, true),
        Some(violation) => {
            if violation.guarantee == Guarantee::NoPanic {
                // Every smaller world has the same panic, which was printed once.
                std::panic::set_hook(Box::new(|_| ()));
            }
            println!("{violation}\nlooking for the smallest world in which it does not hold …");
            let smallest = swarm::shrink(&options, troupe, &troupe.casts, TRIES_MAX);
            println!(
                "{} worlds tried; the smallest is\n{}",
                smallest.tried, smallest.options
            );
            smallest.report
        }
    };
    print!("{}", timeline::told(&report.trace));
    match report.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}
