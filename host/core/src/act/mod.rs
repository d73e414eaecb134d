//! Acting. [`send`] announces a permitted mutation in the journal and the record, and has it sent;
//! [`outcome`] takes its outcome in, which may make an instance the worker's own ([`adoption`]). A
//! launch is replayed with the same token until a definite answer arrives (G1). [`recovery`]
//! finishes what another life or host began. [`ending`] and [`failure`] count and announce.
//! [`overdue`] gives up what does not come up; [`reboot`] notes a reboot. [`marks`] changes facts
//! that need no change of the cloud. No function here calls a flow: results are returned.

mod adoption;
mod ending;
mod failure;
mod marks;
mod outcome;
mod overdue;
mod reboot;
mod recovery;
mod send;
mod spend;

pub(crate) use adoption::{release_outside, repair_pointer, take, take_from_pointer};
pub(crate) use ending::announce_later;
pub(crate) use failure::launch_not_prepared;
pub(crate) use marks::{
    abandon_address, begin_restart, change_credential, defer_restart, doubt, drain, forget,
    give_up_stopped, mint, note_asked, note_asking, note_condition, note_decision, note_handed_out,
    note_register_error, note_restart, note_unasked, on_refreshed, refresh_ended, refresh_sent,
    set_pause, take_draining,
};
pub(crate) use outcome::{on_outcome, tell_changes, tell_lost};
pub(crate) use overdue::{count_fallen_back, end_overdue, note_came_up, release_stopping};
pub(crate) use recovery::{count_search, end_left_behind, found_launched, give_up, replay};
pub(crate) use send::send;
pub(crate) use spend::give_back_unsent;
