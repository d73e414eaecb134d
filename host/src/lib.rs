//! The shell around the pure core: everything that reads a clock, a file or a socket.
//!
//! ```text
//!   reeve.toml ──► config ──► serve ──► host (start, run, end in order)
//!                                        │
//!   caller ──► api ──► routes (hit) ─────┼──► response, without a lock
//!               │                        │
//!               └─ request ─► drive ─────┤ one loop: event ─► core step ─► effects
//!                              │  ▲      │
//!                       effects│  │event ├──► journal: a thread; intents are durable before mutations
//!                              ▼  │      ├──► calls: cloud queries and mutations, questions to policies
//!                              calls     └──► timers, published routes, notices (logs, metrics, notify: webhooks)
//! ```
//!
//! - [`config`]: the TOML file. [`cli`]: the commands. [`demo`]: the incidents on an embedded
//!   world.
//! - [`serve`], [`host`]: start a host from a configuration, or from parts.
//! - [`access`]: who may do what.
//! - `drive`: the only module that passes events to the core. `api`: the HTTP interface.
//! - `routes`, `readiness`, `metrics`: shared by both, lock-free where callers wait.
//! - [`store`]: the workers' records in a file. `shadow`: the store and the cloud of a dry run.
//! - `journal`: intents, decisions and outcomes on disk. `reload`, [`policies`]: activate policy
//!   files.
//! - `doors`: opens the doors for other machines. `tls`: TLS for other machines. `secret_file`,
//!   `file_watch`: files that hold secrets, and files that change.
//! - `outgoing`: requests to other servers. `sts`: who signed a login by AWS IAM. `login`: logs callers
//!   in by it.
//! - `audit`: who asked for what. `probe`: probes an instance.
//! - `boxes`: verifies boxes. `hearing`: notes whose boxes may have been turned away.
//! - [`notify`](mod@notify): sends notices to webhooks.
//! - `fuzzing`: doors for the fuzz targets.
//! - [`clock`], [`logs`], `panics`, `print`, `ticker`: helpers with one job each.

pub mod access;
mod api;
mod audit;
mod boxes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
mod doors;
mod drive;
mod file_watch;
#[doc(hidden)]
pub mod fuzzing;
mod hearing;
pub mod host;
mod journal;
mod login;
pub mod logs;
mod metrics;
pub mod notify;
mod outgoing;
mod panics;
pub mod policies;
mod print;
mod probe;
mod readiness;
mod reload;
mod routes;
mod secret_file;
pub mod serve;
mod shadow;
pub mod store;
mod sts;
mod ticker;
mod tls;

pub use self::notify::{NotifyError, Webhooks};
pub use access::Access;
pub use api::ListenError;
pub use boxes::{BoxesError, BoxesOptions, Proofs};
pub use clock::Clock;
pub use config::Network;
pub use host::{Host, HostError, HostOptions, RunningHost, Shutdown, StartError};
pub use journal::JournalError;
pub use outgoing::{Endpoint, OutgoingError};
pub use policies::{Policies, PoliciesError};
pub use reload::NoReport;
pub use secret_file::SecretFileError;
pub use sts::IamOptions;
pub use tls::{AuthorityError, TlsError, TlsFiles};

// Unit tests use tests/common, which names this crate from outside.
#[cfg(test)]
extern crate self as reeve;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
