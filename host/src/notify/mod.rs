//! Notifications: what the core has to tell goes to the webhooks that operators name.
//!
//! ```text
//!   drive ── notice ──► Announcer ──► outbox of each webhook that wants it (bounded; the oldest gives way)
//!                                        │  what is next, and when: pure, time is an argument
//!                                        ▼
//!                                     delivery: one task per webhook ── POST ──► Slack, Discord, anything
//! ```
//!
//! The loop puts a message into a queue in memory and goes on. Nothing that a webhook does, or does not do, reaches it.
//!
//! - [`webhook`]: one webhook as it is configured. [`address`]: where it is, a secret. [`filter`]: what it wants.
//! - `message`: what is told. [`template`], [`mod@format`]: how it is written.
//! - `outbox`: what is sent next and when. `pace`: the rate limit. `retry`: when it is tried again.
//! - `transport`: one request over HTTP or HTTPS. `delivery`: the tasks. [`open`]: what is read before the host starts.

pub mod address;
mod delivery;
pub mod filter;
pub mod format;
mod message;
pub mod open;
mod outbox;
mod pace;
mod retry;
pub mod template;
mod transport;
pub mod webhook;

#[cfg(test)]
mod tests;

pub(crate) use delivery::{Announcer, Deliveries};
pub(crate) use message::Teller;
pub use open::{NotifyError, Webhooks};
pub(crate) use outbox::Counters;
pub(crate) use retry::Outcome;
pub use webhook::Webhook;
