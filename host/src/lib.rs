//! The shell around the pure core: everything that reads a clock, a file or a socket.
//!
//! ```text
//!   reeve.toml ──► config ──► serve ──► host (start, run, end in order)
//!                                        │
//!   caller ──► api ──► routes (hit) ─────┼──► answer, without a lock
//!               │                        │
//!               └─ request ─► drive ─────┤ one loop: event ─► core step ─► effects
//!                              │  ▲      │
//!                       effects│  │event ├──► journal: a thread; intents are durable before they are acted on
//!                              ▼  │      ├──► calls: cloud queries and mutations, questions to policies
//!                              calls     └──► timers, published routes, notices (logs, metrics, notify: webhooks)
//! ```
//!
//! - [`config`]: the TOML file. [`cli`]: the commands. [`demo`]: the incidents on an embedded world.
//! - [`serve`], [`host`]: from a configuration, or from parts, to a running host.
//! - `drive`: the only place where events meet the core. `api`: the HTTP interface.
//! - `routes`, `readiness`, `metrics`: what both sides share, lock-free where callers wait.
//! - [`store`]: the workers' records in a file.
//! - `journal`: what is written down. `reload`, [`policies`]: policy files coming into force.
//! - `probe`: asking an instance how it is.
//! - `boxes`: what boxes prove themselves with. `hearing`: whether their door lets them speak.
//! - [`notify`](mod@notify): webhooks that are told what people should know.
//! - [`clock`], [`logs`], `panics`, `print`, `ticker`: small things with one job each.

mod api;
mod boxes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
mod drive;
mod hearing;
pub mod host;
mod journal;
pub mod logs;
mod metrics;
pub mod notify;
mod panics;
pub mod policies;
mod print;
mod probe;
mod readiness;
mod reload;
mod routes;
pub mod serve;
pub mod store;
mod ticker;

pub use self::notify::{NotifyError, Webhooks};
pub use api::ListenError;
pub use boxes::{BoxesError, BoxesOptions, Proofs};
pub use clock::Clock;
pub use host::{Host, HostError, HostOptions, RunningHost, Shutdown, StartError};
pub use journal::JournalError;
pub use policies::{Policies, PoliciesError};
pub use reload::NoReport;

// Tests in this crate share what tests/ uses, and that names the crate from outside.
#[cfg(test)]
extern crate self as reeve;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
