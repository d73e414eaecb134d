//! A model of lease, launch and adoption: one worker, two or more hosts, one store, one cloud. The
//! model is small enough that a checker tries every order of events, up to a number of faults, and
//! shows an order that breaks a promise.
//!
//! ```text
//! model       bounds, mistakes, and the actions, each with the function that it stands for
//! state       the record, the cloud, the memory of each host
//! sight       a host's readings of the cloud, which may lag
//! rules       the guard and the lease: the proposals that are permitted
//! commit      compare-and-set, and a host's reaction to the answer
//! cloud       how the cloud carries out mutations
//! acts        the acts of a host: announce and send, recover, take an outcome in
//! steps       the possible actions, and the step that each one makes
//! marks       promises and milestones
//! properties  G1-G4 and G6, and the milestones that show that the model reaches them
//! check       runs a model and sums it up
//! ```
//!
//! The model is no part of the product and calls none of its code. Engineers compare the two by
//! hand. The model simplifies as follows:
//!
//! - **Policies**: every proposal that the guard permits is possible. `adopt` takes every
//!   candidate.
//! - **Time** is only an order of events. A lease grows stale only while its holder is dead or
//!   sleeps (a fault). A sleeper that wakes no longer sends its mutation, which is too old by then.
//!   The windows in which a reading proves nothing (`not_visible_grace`, `start_settles`) count as
//!   longer than any lag of readings.
//! - **A reading and the write that rests on it** are one step. A change of the cloud in between is
//!   a reading that lags. Another host's write in between makes this write fail. A host does not
//!   read while its own mutation is on its way. If an instance changes twice while readings lag,
//!   only its last two states are shown.
//! - **Writes** of the record take effect at once. The loss of an answer is a fault.
//! - **Numbers**: versions and epochs are ranks, so leases and writes are unbounded. Generations,
//!   which launches and starts raise, are bounded. The journal's floors are left out, because no
//!   record is lost.
//! - **Left out**: pause, forget, credentials, restarts as a state of their own, budgets, G5 with
//!   its draining mark, and the phase (it follows from intent and adoption). A restart is a stop
//!   and then a start. A policy's stop of the adopted instance needs no drain. Only orphans are
//!   terminated.

pub mod check;
pub mod commit;
pub mod marks;
pub mod model;
pub mod properties;
pub mod rules;
pub mod sight;
pub mod state;

mod acts;
mod cloud;
mod steps;
