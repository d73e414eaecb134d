//! What a pool can set.

use reeve_policy_sdk::settings::{self, within};
use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Settings`], for people and editors.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

/// An hour: no wait that a caller is told should be longer.
const HOUR_MS: u32 = 3_600_000;

/// The pool's settings for `resolve`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which address to hand out; the first that is assigned. Each kind at most once, at least one. A
    /// kind that is left out is never handed out.
    pub address_order: Vec<Address>,
    /// How long an answer may be repeated while nothing it rests on changes, 0 to 10 min (the host's cap).
    pub serve_valid_ms: u32,
    /// The oldest reading an address is handed out on, 1 s to 1 h.
    pub observed_ms_max: u32,
    /// What a caller waits while the address is not assigned, 100 ms to 1 h.
    pub ip_pending_wait_ms: u32,
    /// What a caller waits while something boots, starts or stops, 100 ms to 1 h.
    pub boot_wait_ms: u32,
    /// How long an instance the provider does not show may still appear, 0 to 1 h.
    pub not_visible_ms_max: u32,
    /// How long an instance that only the pointer names may boot, or lack an address, before another is
    /// started, 0 to 1 h.
    pub pointer_patience_ms: u32,
    /// The first pause after a launch or start failed for want of capacity, 1 s to 1 h; it doubles.
    pub no_capacity_wait_ms: u32,
    /// The longest pause for want of capacity, 1 s to 1 h.
    pub no_capacity_wait_ms_max: u32,
    /// The first pause after any other failure, 100 ms to 1 h; it doubles.
    pub failure_wait_ms: u32,
    /// The longest pause after any other failure, 100 ms to 1 h.
    pub failure_wait_ms_max: u32,
    /// Whether a stopped instance of the worker is started again.
    pub start_stopped: bool,
    /// Whether a new instance is launched when there is none to start.
    pub launch: bool,
}

/// A kind of address, as settings spell it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
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
            // Private first: it is assigned first, and needs no way through the internet.
            address_order: vec![Address::Private, Address::Public],
            serve_valid_ms: 30_000,
            observed_ms_max: 60_000,
            ip_pending_wait_ms: 2_000,
            boot_wait_ms: 5_000,
            // EC2's consistency takes seconds to minutes; a pointer to an instance that is long gone
            // holds a caller up for as long.
            not_visible_ms_max: 120_000,
            // An address takes 1 to 5 s, a boot about half a minute: ten times that is a broken box.
            pointer_patience_ms: 300_000,
            no_capacity_wait_ms: 60_000,
            no_capacity_wait_ms_max: 600_000,
            failure_wait_ms: 2_000,
            failure_wait_ms_max: 60_000,
            start_stopped: true,
            launch: true,
        }
    }
}

impl settings::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        let twice = self.address_order.len() == 2 && self.address_order[0] == self.address_order[1];
        if !(1..=2).contains(&self.address_order.len()) || twice {
            return Err(format!(
                "setting `address_order`: found {} entries{}; accepted are `private` and `public`, \
                 each at most once, at least one",
                self.address_order.len(),
                if twice { ", twice the same" } else { "" },
            ));
        }
        within("serve_valid_ms", self.serve_valid_ms, 0..=600_000)?;
        within("observed_ms_max", self.observed_ms_max, 1_000..=HOUR_MS)?;
        within("ip_pending_wait_ms", self.ip_pending_wait_ms, 100..=HOUR_MS)?;
        within("boot_wait_ms", self.boot_wait_ms, 100..=HOUR_MS)?;
        within("not_visible_ms_max", self.not_visible_ms_max, 0..=HOUR_MS)?;
        within("pointer_patience_ms", self.pointer_patience_ms, 0..=HOUR_MS)?;
        within(
            "no_capacity_wait_ms",
            self.no_capacity_wait_ms,
            1_000..=HOUR_MS,
        )?;
        within(
            "no_capacity_wait_ms_max",
            self.no_capacity_wait_ms_max,
            1_000..=HOUR_MS,
        )?;
        within("failure_wait_ms", self.failure_wait_ms, 100..=HOUR_MS)?;
        within(
            "failure_wait_ms_max",
            self.failure_wait_ms_max,
            100..=HOUR_MS,
        )
    }
}
