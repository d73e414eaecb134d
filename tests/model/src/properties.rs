//! The properties that must hold in every state, and those that must be reachable.

use stateright::Property;

use crate::marks::{Milestone, Promise};
use crate::model::LeaseModel;
use crate::state::{Id, Mutation, State};

/// G1: at most one instance per generation.
pub const G1_ONE_PER_GENERATION: &str = "G1: at most one instance exists per generation";
/// G2: no instance that reeve launched lives unnoticed next to the adopted one.
pub const G2_NONE_UNNOTICED: &str = "G2: a live instance next to the adopted one is an orphan";

macro_rules! kept {
    ($name:literal, $promise:ident) => {
        Property::always($name, |_, state: &State| {
            !state.broken.has(Promise::$promise)
        })
    };
}

macro_rules! reached {
    ($name:literal, $milestone:ident) => {
        Property::sometimes($name, |model: &LeaseModel, _| {
            model.has_reached(Milestone::$milestone)
        })
    };
}

/// All properties.
pub(crate) fn all() -> Vec<Property<LeaseModel>> {
    let mut all = promises();
    all.extend(milestones());
    all
}

fn promises() -> Vec<Property<LeaseModel>> {
    vec![
        Property::always(G1_ONE_PER_GENERATION, |_, state| one_per_generation(state)),
        Property::always(G2_NONE_UNNOTICED, |_, state| none_unnoticed(state)),
        kept!(
            "G1: a new attempt is a new generation",
            AttemptIsNewGeneration
        ),
        kept!(
            "G1: a launch is given up only on a definite answer",
            LaunchIsFinished
        ),
        kept!(
            "G2: the next adopted instance is not older",
            AdoptedNeverOlder
        ),
        kept!(
            "G3: no pointer write names an older generation",
            PointerNeverOlder
        ),
        kept!("G3: a stop clears the pointer for good", StopClearsPointer),
        kept!(
            "G4: nothing is brought up while the adopted instance lives",
            NothingWhileAdopted
        ),
        kept!(
            "G6: a permit carries its record's epoch",
            PermitCarriesEpoch
        ),
        kept!(
            "G6: a mutation that arrives is announced and current",
            MutationIsAnnounced
        ),
        kept!(
            "G6: a lease that is taken has the next epoch",
            LeaseTakesEpoch
        ),
        kept!("G6: epochs and generations never fall", NeverFalls),
    ]
}

fn milestones() -> Vec<Property<LeaseModel>> {
    vec![
        reached!("another host finishes a launch", InheritedLaunchAdopted),
        reached!("a token is replayed", TokenReplayed),
        reached!("a compare-and-set is lost", CompareLost),
        reached!("a write is carried out and not answered", WrittenUnanswered),
        reached!("a holder sleeps through its lease and loses", SleeperLoses),
        reached!("a stale lease is taken", StaleLeaseTaken),
        reached!("a reading lags", StaleReading),
        reached!("a running instance is found and adopted", FoundAdopted),
        reached!("a stopped instance is started and adopted", StartedAdopted),
        reached!("a stop clears the pointer", PointerCleared),
        reached!("an orphan is ended", OrphanEnded),
        reached!("a mutation arrives late", ArrivedLate),
        reached!("a second generation is launched", LaunchedAgain),
        reached!("a dead host's stop or start is given up", LeftGivenUp),
    ]
}

fn one_per_generation(state: &State) -> bool {
    let mut seen = Vec::new();
    let generations = state.cloud.instances.iter().filter_map(|it| it.generation);
    for generation in generations {
        if seen.contains(&generation) {
            return false;
        }
        seen.push(generation);
    }
    true
}

/// Whether every launched instance that lives is the adopted one, the one being launched, an orphan
/// that the host ends, or, while no live instance is adopted, a candidate for `adopt`.
fn none_unnoticed(state: &State) -> bool {
    let record = &state.store.record;
    let is_noticed = |id: Id, generation: u8| {
        let is_being_launched = record.intent.is_some_and(|intent| {
            intent.generation == generation && matches!(intent.mutation, Mutation::Launch { .. })
        });
        let Some(adopted) = record.adopted else {
            return true;
        };
        let is_orphan = generation < adopted.generation;
        adopted.id == id || is_being_launched || is_orphan || !state.cloud.is_live(adopted.id)
    };
    let launched = |id: Id| state.cloud.instance(id).generation;
    let live = state.cloud.ids().filter(|id| state.cloud.is_live(*id));
    live.filter_map(|id| Some((id, launched(id)?)))
        .all(|(id, generation)| is_noticed(id, generation))
}
