//! The pure core of reeve. The core makes no call, reads no clock and draws no random number.
//! Events come in, effects go out, and the same events give the same effects.
//!
//! ```text
//!   cloud replies, requests, timers                 policy (Wasm)
//!        │ event                                      ▲       │
//!        ▼                                   question │       │ event: decided
//!   facts ────────► flow ────────► effect ────────────┘       │
//!                   ▲  │                                      │
//!                   └──┼──────────────────────────────────────┘
//!                      │ proposal
//!                      ▼
//!                    guard ──► permit ──► effects: journal the intent, mutate the cloud
//!                      └─────► veto   ──► effect: journal
//! ```
//!
//! - [`fleet`]: the one entry point, [`fleet::Fleet::step`]; [`event`] in, [`effect`] out.
//! - `flow`: the order of work, one flow for each concern.
//! - `act`: permit, intent, commit, mutation, outcome. `record`: the worker's record in the store.
//! - [`guard`]: the rules that refuse what must never happen, whatever a policy says.
//! - [`facts`]: the facts of one worker, each with its age. [`worker`]: the facts and the flows of
//!   one worker.
//! - `turn`: the context of a step.
//! - [`numbers`]: the numbers of decisions.
//! - [`ports`]: the traits behind which AWS, a store, the policies or a simulated world stands.
//!   [`shadow`]: what a dry run keeps instead of writing it.
//! - `model`: plain data, each module public here under its own name.

mod act;
pub mod effect;
pub mod event;
pub mod facts;
pub mod fleet;
mod flow;
pub mod guard;
mod happened;
mod model;
pub mod numbers;
pub mod ports;
mod record;
mod route;
pub mod shadow;
mod turn;
pub mod worker;

pub use model::{
    boxes, budget, cloud, compute, decision, demand, health, id, instance, journal, notice,
    operator, point, request, response, restart, spec, store, text, time, token, veto,
};
