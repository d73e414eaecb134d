//! The engine: hosts on a virtual clock, and the one interpreter of the effects of their cores.
//!
//! ```text
//!             ToHost                                  Effect
//!   outside ─────────► SimHost (the product's Fleet) ─────────► Drive::carry_out
//!      ▲                                                            │ calls
//!      │ result, after its latency                                  ▼
//!      └──────────────────────────────────────────────────── Surroundings
//! ```
//!
//! - `SimHost`: one host process: a fleet, a clock, a journal, published routes.
//! - `Drive`: the product's drive loop. Its methods are the same in every simulated world.
//! - `Surroundings`: answers the calls of hosts, and sets their latencies. Faults are a layer here:
//!   the methods for faults and for observers do nothing unless a world overrides them.
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
pub(crate) use surroundings::{Leg, Surroundings};
