//! Each safeguard is needed: without it, a promise breaks.

#![allow(
    clippy::print_stderr,
    reason = "a person reads states, depth, time and the order of events"
)]

use reeve_model::check::{Summary, check, two_hosts};
use reeve_model::model::{LeaseModel, Safeguards};
use reeve_model::state::Shown;

fn without(take_away: impl FnOnce(&mut Safeguards)) -> Summary {
    let mut safeguards = Safeguards::ALL;
    take_away(&mut safeguards);
    let bounds = two_hosts(2).finding(Shown::Stopped);
    let summary = check(LeaseModel::new(bounds).safeguards(safeguards));
    eprintln!("{summary}");
    summary
}

#[test]
fn a_stop_by_an_old_reading_leaves_the_pointer_in_place() {
    let summary = without(|safeguards| safeguards.stop_clears_unless_sure = false);
    assert!(summary.breaks("G3: a stop clears the pointer for good"));
}

#[test]
fn a_slow_pointer_write_names_a_stopped_instance() {
    let summary = without(|safeguards| safeguards.pointer_writes_are_fenced = false);
    assert!(summary.breaks("G3: a stop clears the pointer for good"));
}

#[test]
fn another_host_believes_a_lagging_reading_of_stopped() {
    let summary = without(|safeguards| safeguards.started_settles_everywhere = false);
    assert!(summary.breaks("G4: nothing is brought up while the adopted instance lives"));
}
