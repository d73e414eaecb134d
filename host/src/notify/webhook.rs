//! One webhook, as the configuration has it.

use std::path::PathBuf;

use super::address::Address;
use super::filter::Filter;
use super::format::Format;
use super::template::Template;

/// Messages a minute when the configuration does not say: as many as somebody reads. Discord takes 30 a minute and
/// Slack one a second.
pub const PER_MINUTE_MAX: usize = 10;

/// Where to tell what, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name in the configuration; it stands in logs and metrics in place of the address.
    pub name: String,
    /// Where it is.
    pub address: AddressSource,
    /// What it speaks.
    pub format: Format,
    /// What it is told.
    pub filter: Filter,
    /// How a message reads.
    pub template: Template,
    /// How many messages it gets within a minute, at most; the rest is counted and told in one.
    pub per_minute_max: usize,
}

/// Where an address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// It stands in the configuration.
    Written(Address),
    /// It stands in this file; not read yet.
    File(PathBuf),
}
