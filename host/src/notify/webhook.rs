//! The configuration of one webhook.

use std::path::PathBuf;

use super::address::Address;
use super::filter::Filter;
use super::format::Format;
use super::template::Template;

/// The default limit per minute: as many messages as a person reads. Discord accepts 30 a minute
/// and Slack one a second.
pub const PER_MINUTE_MAX: usize = 10;

/// Where to send which notices, and in which format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The webhook's name in the configuration, which logs and metrics show instead of the address.
    pub name: String,
    /// Where the address comes from.
    pub address: AddressSource,
    /// The body format.
    pub format: Format,
    /// The notices it wants.
    pub filter: Filter,
    /// The text of a message.
    pub template: Template,
    /// The most messages per minute. Further ones are counted and summarized in one message.
    pub per_minute_max: usize,
}

/// Where an address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// The configuration contains the address.
    Written(Address),
    /// This file contains the address. The file is read later.
    File(PathBuf),
}
