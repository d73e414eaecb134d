//! The engine: hosts on a virtual clock, and the one interpreter of what their cores want done.
//!
//! ```text
//!             ToHost                                  Effect
//!   outside ─────────► SimHost (the product's Fleet) ─────────► Drive::carry_out
//!      ▲                                                            │ calls
//!      │ answer, after a while                                      ▼
//!      └──────────────────────────────────────────────────── Surroundings
//! ```
//!
//! - `SimHost`: one host process: a fleet, a clock, a journal, published routes.
//! - `Drive`: the product's drive loop. Its methods are the same in every simulated world.
//! - `Surroundings`: what a host's calls meet, how long a call takes, and who observes. Faults
//!   are a layer here: the methods for faults and for observers do nothing unless a world overrides
//!   them.
//! - [`Calm`]: surroundings without faults. Incident scripts and tests run in them; the swarm has
//!   the other implementation, in `swarm/surroundings.rs`.

mod calm;
mod clock;
mod drive;
mod flight;
mod host;
mod notes;
mod surroundings;

pub use calm::Calm;
pub(crate) use clock::Clock;
pub(crate) use drive::Drive;
pub use flight::statement;
pub(crate) use flight::{InFlight, Life, Queue, Sent, StoreCall, ToHost};
pub(crate) use host::SimHost;
pub(crate) use surroundings::{Surroundings, Way};
