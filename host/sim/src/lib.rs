//! A simulated cloud on a virtual clock, and the incidents played on it. The same seed and script give
//! the same run.
//!
//! - [`world`]: the cloud as a model: instances, tags, pointers, launch tokens.
//! - [`embedded`]: the world as a [`Cloud`](reeve_core::ports::Cloud), for a real host to work on.
//! - [`host`]: what a host under test looks like; [`reeve`] is the product's loop, [`as_it_was`] the host
//!   without guarantees, which exists here only.
//! - [`stage`]: plays a script against a host and judges what it does from the world alone; [`run`] is what
//!   it came to.
//! - [`boxes`]: the software on the instances.
//! - [`script`]: what is played, as a text that tells it; [`incidents`]: those that come with reeve.
//! - [`timeline`]: a run, line by line, for people.
//! - [`swarm`]: random worlds in which everything goes wrong, and the guarantees checked from outside.
//! - [`store`]: the workers' records in memory; [`conformance`]: what every store is held to.

pub mod as_it_was;
pub mod boxes;
pub mod conformance;
pub mod embedded;
pub mod host;
pub mod incidents;
pub mod reeve;
pub mod run;
pub mod script;
pub mod stage;
pub mod store;
pub mod swarm;
pub mod timeline;
pub mod world;
