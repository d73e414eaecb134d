//! A simulated cloud on a virtual clock, and the incidents played on it. The same seed and script
//! give the same run.
//!
//! - [`world`]: the cloud as a model: instances, tags, pointers, launch tokens.
//! - [`embedded`]: the world as a [`Cloud`](reeve_core::ports::Cloud), for a real host to work on.
//! - [`engine`]: hosts on the virtual clock, and the one interpreter of the effects of their cores;
//!   [`Calm`](engine::Calm) has no faults.
//! - `host`: the interface of a host under test: the engine, or `as_it_was`, the host without
//!   guarantees, which exists only here.
//! - `stage`: plays a script against a host, and judges the host by the events of the world;
//!   [`run`] is the result.
//! - [`boxes`]: the software on the instances.
//! - [`script`]: reads incident scripts and compares runs with their expectations; [`incidents`]: the
//!   scripts that come with reeve.
//! - [`timeline`]: the lines of a run, for people.
//! - [`swarm`]: random worlds: the engine with faults, and the guarantees checked from outside.
//! - [`store`]: the workers' records in memory; [`conformance`]: the checks that every store must
//!   pass.

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
