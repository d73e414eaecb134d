//! What a pool can set.

use reeve_policy_sdk::settings::{self, Range};
use serde::Deserialize;

/// No caller should be told to wait for longer.
const HOUR_MS: u32 = 3_600_000;

/// Settings of the standard resolve policy.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which address to hand out: the first of these that is assigned. A kind that is left out is
    /// never handed out.
    #[cfg_attr(test, schemars(length(min = 1, max = 2), extend("uniqueItems" = true)))]
    pub address_order: Vec<Address>,
    /// Milliseconds for which an answer may be repeated while nothing it rests on changes.
    pub serve_valid_ms: u32,
    /// The oldest reading of an instance, in milliseconds, on which its address is handed out.
    pub observed_ms_max: u32,
    /// Milliseconds after which a caller comes back while the address is not assigned.
    pub ip_pending_wait_ms: u32,
    /// Milliseconds after which a caller comes back while an instance boots, starts or stops.
    pub boot_wait_ms: u32,
    /// Milliseconds after which an instance that the provider does not show counts as gone.
    pub not_visible_ms_max: u32,
    /// Milliseconds that an instance which only the pointer names, and adopt did not take, may boot
    /// or lack an address before another is started.
    pub pointer_patience_ms: u32,
    /// The pause in milliseconds after a launch or start failed for want of capacity; it doubles
    /// with each failure in a row.
    pub no_capacity_wait_ms: u32,
    /// The longest pause in milliseconds for want of capacity. A refused launch costs nothing, and
    /// with the default a caller is served within five minutes of the capacity's return.
    pub no_capacity_wait_ms_max: u32,
    /// The pause in milliseconds after any other failed launch or start; it doubles with each
    /// failure in a row.
    pub failure_wait_ms: u32,
    /// The longest pause in milliseconds after any other failure.
    pub failure_wait_ms_max: u32,
    /// Whether a stopped instance of the worker is started again. If not, one that is stopping is
    /// not waited for either.
    pub start_stopped: bool,
    /// Whether a new instance is launched when there is none to start.
    pub launch: bool,
}

/// A kind of address, as settings spell it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// The address inside the network.
    Private,
    /// The public address.
    Public,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // The provider assigns the private address first, and it needs no way through the
            // internet.
            address_order: vec![Address::Private, Address::Public],
            serve_valid_ms: 30_000,
            observed_ms_max: 60_000,
            ip_pending_wait_ms: 2_000,
            boot_wait_ms: 5_000,
            // EC2 is consistent after seconds to minutes. A pointer to an instance that ended long
            // ago holds a caller up for this time.
            not_visible_ms_max: 120_000,
            // An address takes 1 to 5 s, a boot about half a minute. A box that takes ten times as
            // long is broken.
            pointer_patience_ms: 300_000,
            no_capacity_wait_ms: 60_000,
            no_capacity_wait_ms_max: 240_000,
            failure_wait_ms: 2_000,
            failure_wait_ms_max: 60_000,
            start_stopped: true,
            launch: true,
        }
    }
}

impl settings::Settings for Settings {
    const SCHEMA: &'static str = include_str!("../settings.schema.json");

    fn ranges(&self) -> Vec<Range> {
        vec![
            // The host does not keep a `serve` for longer.
            Range::of("serve_valid_ms", self.serve_valid_ms, 0..=600_000),
            Range::of("observed_ms_max", self.observed_ms_max, 1_000..=HOUR_MS),
            Range::of("ip_pending_wait_ms", self.ip_pending_wait_ms, 100..=HOUR_MS),
            Range::of("boot_wait_ms", self.boot_wait_ms, 100..=HOUR_MS),
            Range::of("not_visible_ms_max", self.not_visible_ms_max, 0..=HOUR_MS),
            Range::of("pointer_patience_ms", self.pointer_patience_ms, 0..=HOUR_MS),
            Range::of(
                "no_capacity_wait_ms",
                self.no_capacity_wait_ms,
                1_000..=HOUR_MS,
            ),
            Range::of(
                "no_capacity_wait_ms_max",
                self.no_capacity_wait_ms_max,
                1_000..=HOUR_MS,
            ),
            Range::of("failure_wait_ms", self.failure_wait_ms, 100..=HOUR_MS),
            Range::of(
                "failure_wait_ms_max",
                self.failure_wait_ms_max,
                100..=HOUR_MS,
            ),
        ]
    }

    fn check(&self) -> Result<(), String> {
        let twice = self.address_order.len() == 2 && self.address_order[0] == self.address_order[1];
        if (1..=2).contains(&self.address_order.len()) && !twice {
            return Ok(());
        }
        Err(format!(
            "setting `address_order`: found {} entries{}; accepted are `private` and `public`, \
             each at most once, at least one",
            self.address_order.len(),
            if twice { ", twice the same" } else { "" },
        ))
    }
}

#[cfg(test)]
mod tests {
    use reeve_policy_sdk::testing::schema;

    #[test]
    fn the_committed_schema_is_derived_from_the_settings() {
        schema::compare::<super::Settings>(env!("CARGO_MANIFEST_DIR")).unwrap();
    }
}
