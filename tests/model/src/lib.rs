//! A model of lease, launch and adoption: one worker, two or more hosts, one store, one cloud. It is small enough that a
//! checker tries every order of events, up to a number of faults, and says in which order a promise breaks.
//!
//! ```text
//! model       bounds, mistakes, the actions, each with the function of the code that it stands for
//! state       the record, the cloud, what a host remembers
//! sight       what a host sees of the cloud, which may lag
//! rules       the guard and the lease: what a host may propose
//! commit      compare-and-set, and what a host makes of the answer
//! cloud       what the cloud does with what arrives
//! acts        what a host does: announce and send, recover, take in
//! steps       which actions are possible, and their order of work
//! marks       promises and milestones
//! properties  G1-G4 and G6, and what must be reachable so that they say something
//! check       runs a model and sums it up
//! ```
//!
//! It is no part of the product and reads none of its code: the two are held against each other by people. Where it
//! leaves something out:
//!
//! - **Policies** are "whatever the guard permits, somebody proposes", but `adopt` takes each candidate it is shown.
//! - **Time** is what may come before what. A lease grows stale only while its holder is dead or sleeps (a fault), and
//!   what a sleeper was about to send is then too old to be sent. The windows in which a reading proves nothing
//!   (`not_visible_grace`, `start_is_settling`) are taken to be longer than readings lag.
//! - **A look and the write that rests on it** are one step. What changes in the cloud in between is there as a reading
//!   that lags; what another host writes in between makes the write fail. A host does not look while a mutation of
//!   its own is on its way. Of an instance that changes twice while readings lag, only the last two states are shown.
//! - **Sending and writing**: a write of the record takes effect at once; that its answer is lost is a fault.
//! - **Numbers**: versions and epochs are kept as ranks, so that leases and writes are unbounded. Generations, which
//!   launches and starts raise, are the bound. The floors that the journal keeps are left out: no record is lost.
//! - **Left out**: pause, forget, credentials, restarts as an intention, budgets, G5 with its draining mark, the phase
//!   (it follows from intent and adoption). A restart is a stop and then a start; a policy's stop of the adopted
//!   instance needs no drain. What is terminated is an orphan.

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
