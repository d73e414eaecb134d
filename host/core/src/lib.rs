//! The pure heart of reeve. It makes no call, reads no clock and draws no random number: events come
//! in, effects go out, and the same events give the same effects.
//!
//! ```text
//!   cloud replies, requests, timers                 policy (Wasm)
//!        │ event                                      ▲       │
//!        ▼                                   question │       │ event: decided
//!   worker (snapshot) ──► reconcile ──► effect ───────┘       │
//!                            ▲  │                             │
//!                            └──┼─────────────────────────────┘
//!                               │ proposal
//!                               ▼
//!                             guard ──► permit ──► effects: journal the intent, mutate the cloud
//!                               └─────► veto   ──► effect: journal
//! ```
//!
//! - [`id`], [`time`], [`instance`], [`spec`]: the words everything is said in.
//! - [`point`]: the five questions, their inputs and verdicts (the types of `wit/`).
//! - [`cloud`]: the trait behind which AWS or a simulated world stands.
//! - [`compute`]: where instances live, on EC2 or as Fargate tasks, and what they are launched from.
//! - [`store`]: the record of each worker that all hosts agree on, and the trait behind which it is kept.
//! - [`event`] in, [`effect`] out, through [`fleet::Fleet::step`].
//! - [`boxes`], [`token`]: what boxes and applications say, what they are answered, and what boxes show.
//! - [`demand`]: the metric that tells how much a worker is wanted, and what its samples prove.
//! - [`health`]: whether a worker is well, by signals that are kept apart.
//! - [`worker`]: what is known of one worker, each fact with its age.
//! - `reconcile`: in which order things are read, asked and done.
//! - [`guard`]: what must never happen, whatever a policy says.
//! - [`answer`], [`journal`], [`notice`]: what callers get, what is written down, what people are told.
//! - [`restart`]: who asks for a restart, and how far the latest has come.
//! - [`operator`]: what people may tell the host to do with a worker.

pub mod answer;
pub mod boxes;
pub mod cloud;
pub mod compute;
pub mod decision;
pub mod demand;
pub mod effect;
pub mod event;
pub mod fleet;
pub mod guard;
pub mod health;
pub mod id;
pub mod instance;
pub mod journal;
pub mod notice;
pub mod operator;
pub mod point;
mod reconcile;
pub mod restart;
pub mod spec;
pub mod store;
pub mod time;
pub mod token;
pub mod worker;
