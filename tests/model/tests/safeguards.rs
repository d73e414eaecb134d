//! What each safeguard is for: without it, its promise breaks.

#![allow(
    clippy::print_stderr,
    reason = "states, depth, time and the order of events are what a person wants to read"
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
fn a_host_that_read_the_pointer_long_ago_stops_what_it_names_and_leaves_it() {
    let summary = without(|safeguards| safeguards.stop_clears_unless_sure = false);
    assert!(summary.breaks("G3: a stop clears the pointer for good"));
}

#[test]
fn a_pointer_write_that_is_slow_names_what_was_stopped_since() {
    let summary = without(|safeguards| safeguards.pointer_writes_are_fenced = false);
    assert!(summary.breaks("G3: a stop clears the pointer for good"));
}

#[test]
fn a_host_that_did_not_start_it_believes_a_reading_of_stopped_that_lags() {
    let summary = without(|safeguards| safeguards.started_settles_everywhere = false);
    assert!(summary.breaks("G4: nothing is brought up beside the adopted instance"));
}
