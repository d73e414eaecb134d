//! A simulated cloud on a virtual clock, and the incidents played on it. The same seed and script
//! give the same run.
//!
//! - [`world`]: the cloud as a model: instances, tags, pointers, launch tokens.
//! - [`embedded`]: the world as a [`Cloud`](reeve_core::ports::Cloud), for a real host to work on.
//! - [`engine`]: hosts on the virtual clock, and the one interpreter of what their cores want done;
//!   [`Calm`](engine::Calm) has no faults.
//! - `host`: what a host under test looks like: the engine, or `as_it_was`, the host without
//!   guarantees, which exists here only.
//! - `stage`: plays a script against a host and judges the host's acts from the world alone;
//!   [`run`] is the result.
//! - [`boxes`]: the software on the instances.
//! - [`script`]: what is played, as a text that tells it; [`incidents`]: those that come with
//!   reeve.
//! - [`timeline`]: a run, line by line, for people.
//! - [`swarm`]: random worlds: the engine with faults, and the guarantees checked from outside.
//! - [`store`]: the workers' records in memory; [`conformance`]: what every store is held to.

mod as_it_was;
pub mod boxes;
pub mod conformance;
pub mod embedded;
pub mod engine;
mod host;
pub mod incidents;
pub mod run;
pub mod script;
mod stage;
pub mod store;
pub mod swarm;
pub mod timeline;
pub mod world;
