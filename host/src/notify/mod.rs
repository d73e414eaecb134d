//! Notifications: sends notices of the core to the webhooks that operators configure.
//!
//! ```text
//!   drive ── notice ──► Announcer ──► outbox of each webhook that wants it (bounded; drops the oldest)
//!                                        │  what is next, and when: pure, time is an argument
//!                                        ▼
//!                                     delivery: one task per webhook ── POST ──► Slack, Discord, anything
//! ```
//!
//! The loop puts a message into a queue in memory and continues. Nothing that a webhook does can
//! delay the loop.
//!
//! - [`webhook`]: the configuration of one webhook. [`address`]: its secret address. [`filter`]:
//!   the notices it wants.
//! - `message`: the content. [`template`], [`mod@format`]: its text.
//! - `outbox`: what is sent next, and when. `pace`: the rate limit. `retry`: the retries.
//! - `transport`: one HTTP or HTTPS request. `delivery`: the tasks. [`open`]: reads files before
//!   the host starts.

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
