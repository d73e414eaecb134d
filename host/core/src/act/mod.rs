//! Acting: what the guard permitted is announced in the journal and the record, sent ([`send`]), and its outcome taken in
//! ([`outcome`]), which may make an instance the worker's own ([`adoption`]). A launch without a definite answer is sent
//! again with the same token until there is one (G1). Nothing here calls a flow: what happened is returned.

mod adoption;
mod outcome;
mod send;

pub(crate) use adoption::{repair_pointer, take, write_pointer};
pub(crate) use outcome::{
    Concluded, give_up, on_outcome, settle, started, take_launched, tell_changes,
};
pub(crate) use send::{commit, idle_since, intent, send};
