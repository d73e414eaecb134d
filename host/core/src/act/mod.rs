//! Acting: what the guard permitted is announced in the journal and the record, sent ([`send`]), and its outcome taken in
//! ([`outcome`]), which may make an instance the worker's own ([`adoption`]). A launch without a definite answer is sent
//! again with the same token until there is one (G1); [`recovery`] takes up what was left behind. [`marks`] writes what flows
//! want noted without a change of the cloud. Nothing here calls a flow: what happened is returned.

mod adoption;
mod marks;
mod outcome;
mod recovery;
mod send;

pub(crate) use adoption::{repair_pointer, take, take_from_pointer};
pub(crate) use marks::{
    begin_restart, change_credential, drain, forget, mint, note_asked, note_asking, note_decision,
    note_handed_out, note_register_error, note_restart, on_refreshed, refresh_ended, refresh_sent,
    set_pause, take_draining,
};
pub(crate) use outcome::{on_outcome, tell_changes};
pub(crate) use recovery::{count_look, end_left_behind, found_launched, give_up, replay};
pub(crate) use send::send;
