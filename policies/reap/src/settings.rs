//! What a pool can set.

use reeve_policy_sdk::settings::{self, within};
use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Settings`], for people and editors.
pub const SCHEMA: &str = include_str!("../settings.schema.json");

const MINUTE_MS: u32 = 60_000;
const HOUR_MS: u32 = 60 * MINUTE_MS;
const DAY_MS: u32 = 24 * HOUR_MS;

/// The pool's settings for `reap`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The idle timeout in active hours, 1 min to 1 d.
    pub active_hours_ms: u32,
    /// The idle timeout in all other hours, once active hours are set, 1 min to 1 d.
    pub quiet_hours_ms: u32,
    /// The idle timeout when no active hours are set, 1 min to 1 d.
    pub default_ms: u32,
    /// The active hours in the pool's time zone, at most 20 entries. Empty: none are set.
    pub active_hours: Vec<Hours>,
    /// How long an adopted instance may live without ever being handed out, 1 min to 1 d.
    pub unreachable_ms: u32,
    /// How long an orphan must have been quiet, 0 to 1 d.
    pub orphan_grace_ms: u32,
    /// What becomes of an orphan.
    pub orphan_action: OrphanAction,
    /// What becomes of an instance while none is adopted.
    pub unclaimed: Unclaimed,
    /// Whether handing an instance out stands for activity when none is reported. For applications that
    /// ask where their worker is before each use and report nothing else.
    pub handed_out_is_activity: bool,
    /// Readings in a row that must agree before a kill, 2 to 10: one reading is not idleness.
    pub readings: u32,
    /// The longest time between two readings, 1 s to 1 h: what the host allows.
    pub look_again_ms: u32,
    /// The oldest reading of an instance that counts, 1 s to 1 h.
    pub observed_ms_max: u32,
    /// How long ago a demand sample may have ended, 1 min to 1 h.
    pub demand_ago_ms_max: u32,
}

/// Hours of some days of the week, in the pool's time zone.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days, 1 is Monday and 7 is Sunday. All when left out.
    #[serde(default = "every_day")]
    pub days: Vec<u8>,
    /// The first hour, 0 to 23.
    pub from: u8,
    /// The hour it ends at, 1 to 24; not after `from`: on the next day.
    pub to: u8,
}

fn every_day() -> Vec<u8> {
    (1..=7).collect()
}

/// What becomes of an orphan.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphanAction {
    /// It is stopped, and can be started again.
    Stop,
    /// It is terminated.
    Terminate,
}

/// What becomes of an instance while none is adopted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unclaimed {
    /// It is kept: the next resolve may adopt it.
    Keep,
    /// It is judged as if it were adopted.
    AsAdopted,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // Incident frozen-activity's figure for all three: until a pool knows its hours, the longest is right.
            active_hours_ms: 30 * MINUTE_MS,
            quiet_hours_ms: 30 * MINUTE_MS,
            default_ms: 30 * MINUTE_MS,
            active_hours: Vec::new(),
            unreachable_ms: 30 * MINUTE_MS,
            // The host allows an answer to hold for up to 10 min: nobody is sent to an orphan after that.
            orphan_grace_ms: 10 * MINUTE_MS,
            orphan_action: OrphanAction::Stop,
            unclaimed: Unclaimed::Keep,
            handed_out_is_activity: false,
            readings: 2,
            look_again_ms: MINUTE_MS,
            observed_ms_max: 5 * MINUTE_MS,
            // A metric of one-minute periods arrives minutes late.
            demand_ago_ms_max: 5 * MINUTE_MS,
        }
    }
}

impl settings::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        within("active_hours_ms", self.active_hours_ms, MINUTE_MS..=DAY_MS)?;
        within("quiet_hours_ms", self.quiet_hours_ms, MINUTE_MS..=DAY_MS)?;
        within("default_ms", self.default_ms, MINUTE_MS..=DAY_MS)?;
        if self.active_hours.len() > 20 {
            return Err(format!(
                "setting `active_hours`: found {} entries; accepted are 0 to 20",
                self.active_hours.len()
            ));
        }
        self.active_hours.iter().try_for_each(Hours::check)?;
        within("unreachable_ms", self.unreachable_ms, MINUTE_MS..=DAY_MS)?;
        within("orphan_grace_ms", self.orphan_grace_ms, 0..=DAY_MS)?;
        within("readings", self.readings, 2..=10)?;
        within("look_again_ms", self.look_again_ms, 1_000..=HOUR_MS)?;
        within("observed_ms_max", self.observed_ms_max, 1_000..=HOUR_MS)?;
        within(
            "demand_ago_ms_max",
            self.demand_ago_ms_max,
            MINUTE_MS..=HOUR_MS,
        )
    }
}

impl Hours {
    fn check(&self) -> Result<(), String> {
        within("active_hours.from", self.from, 0..=23)?;
        within("active_hours.to", self.to, 1..=24)?;
        if self.days.is_empty() {
            return Err("setting `active_hours.days`: found no day; \
                        accepted are 1 (Monday) to 7 (Sunday), or leaving it out for every day"
                .to_owned());
        }
        self.days
            .iter()
            .try_for_each(|day| within("active_hours.days", *day, 1..=7))?;
        if self.from == self.to {
            return Err(format!(
                "setting `active_hours`: found `from` and `to` both {}; \
                 accepted are two hours that differ, such as 0 and 24 for the whole day",
                self.from
            ));
        }
        Ok(())
    }
}
