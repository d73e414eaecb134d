//! The hunt for the incidents in random stories. The stories are not written to contain them.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use reeve_core::ports::Policies;
use reeve_sim::run::Run;
use reeve_sim::script::{Incident, Script, Variant};
use reeve_sim::timeline;

use crate::troupe::Troupe;

/// One incident, and the seeds in which its harm was found.
struct Hunt {
    incident: Incident,
    /// The first seed in which the incident occurred as it was, and the harm; `None`: it did not.
    as_it_was: Option<(u64, String)>,
    /// The seeds in which the harm of any incident occurred under reeve, with variant and harm.
    under_reeve: Vec<(u64, Variant, String)>,
}

/// Plays the stories. Each legacy policy plays on the host without guarantees until its incident
/// occurs. Then all stories play under reeve, with the legacy policy and with the standard ones.
pub(crate) fn run(troupe: &Troupe, seeds: Range<u64>) -> ExitCode {
    let hunts: Vec<Hunt> = thread::scope(|scope| {
        let hunts = Incident::ALL.map(|incident| {
            let seeds = seeds.clone();
            scope.spawn(move || hunt(troupe, incident, seeds))
        });
        hunts
            .into_iter()
            .filter_map(|hunt| hunt.join().ok())
            .collect()
    });
    let is_one = seeds.end - seeds.start == 1;
    for hunt in &hunts {
        tell(troupe, hunt, is_one);
    }
    let found = hunts.iter().filter(|hunt| hunt.as_it_was.is_some()).count();
    let harmed: usize = hunts.iter().map(|hunt| hunt.under_reeve.len()).sum();
    println!(
        "\n{} stories; as it was, {found} of {} incidents were found; under reeve, {harmed} occurred",
        seeds.end - seeds.start,
        Incident::ALL.len(),
    );
    match found == Incident::ALL.len() && harmed == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn hunt(troupe: &Troupe, incident: Incident, seeds: Range<u64>) -> Hunt {
    let legacy = troupe.cast(incident.legacy().trim_end_matches(".wasm"));
    let as_it_was = seeds.clone().find_map(|seed| {
        let run = play(seed, Variant::AsItWas, &legacy);
        let harm = incident.shows_in(&run)?;
        Some((seed, harm.to_string()))
    });
    let standard = troupe.cast("standard");
    let mut under_reeve = Vec::new();
    for seed in seeds {
        for (variant, policies) in [
            (Variant::LegacyUnderReeve, &legacy),
            (Variant::Standard, &standard),
        ] {
            let run = play(seed, variant, policies);
            let harm = Incident::ALL.iter().find_map(|any| any.shows_in(&run));
            under_reeve.extend(harm.map(|harm| (seed, variant, harm.to_string())));
        }
    }
    Hunt {
        incident,
        as_it_was,
        under_reeve,
    }
}

fn play(seed: u64, variant: Variant, policies: &Arc<dyn Policies>) -> Run {
    Script::random(seed).play(variant, Arc::clone(policies))
}

fn tell(troupe: &Troupe, hunt: &Hunt, with_its_story: bool) {
    let name = hunt.incident.name();
    match &hunt.as_it_was {
        Some((seed, harm)) => println!("{name:<18} as it was: seed {seed}, {harm}"),
        None => println!("{name:<18} as it was: not found"),
    }
    for (seed, variant, harm) in &hunt.under_reeve {
        println!("{name:<18} {}: seed {seed}, {harm}", variant.title());
    }
    if !with_its_story {
        return;
    }
    let legacy = troupe.cast(hunt.incident.legacy().trim_end_matches(".wasm"));
    let as_it_was = hunt
        .as_it_was
        .iter()
        .map(|(seed, _)| (*seed, Variant::AsItWas));
    let under_reeve = hunt
        .under_reeve
        .iter()
        .map(|(seed, variant, _)| (*seed, *variant));
    for (seed, variant) in as_it_was.chain(under_reeve) {
        let policies = match variant {
            Variant::Standard => troupe.cast("standard"),
            Variant::AsItWas | Variant::LegacyUnderReeve => Arc::clone(&legacy),
        };
        println!("\n{name}, {}, seed {seed}", variant.title());
        print!(
            "{}",
            timeline::told(&play(seed, variant, &policies).entries)
        );
    }
}
