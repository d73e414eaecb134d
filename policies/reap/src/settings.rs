//! What a pool can set.

use reeve_policy_sdk::settings::{self, Range, within};
use serde::Deserialize;

const MINUTE_MS: u32 = 60_000;
const HOUR_MS: u32 = 60 * MINUTE_MS;
const DAY_MS: u32 = 24 * HOUR_MS;

/// Settings of the standard reap policy.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The idle timeout in milliseconds in active hours. When demand is unknown, the longest of the
    /// three timeouts applies.
    pub active_hours_ms: u32,
    /// The idle timeout in milliseconds in all other hours, once active hours are set.
    pub quiet_hours_ms: u32,
    /// The idle timeout in milliseconds when no active hours are set.
    pub default_ms: u32,
    /// The active hours in the pool's time zone.
    #[cfg_attr(test, schemars(length(max = HOURS_MAX)))]
    pub active_hours: Vec<Hours>,
    /// Milliseconds that an adopted instance may live without ever being handed out.
    pub unreachable_ms: u32,
    /// Milliseconds that an orphan must have been quiet.
    pub orphan_grace_ms: u32,
    /// What becomes of an orphan.
    pub orphan_action: OrphanAction,
    /// What becomes of an instance while none is adopted: kept, since the next resolve may adopt
    /// it, or judged as if it were adopted.
    pub unclaimed: Unclaimed,
    /// Whether handing an instance out stands for activity when none is reported. For applications
    /// that ask where their worker is before each use and report nothing else; without it, and
    /// without a demand metric, their instances are never idle.
    pub handed_out_is_activity: bool,
    /// Readings in a row that must agree before an instance is ended.
    pub readings: u32,
    /// The longest time in milliseconds between two readings.
    pub look_again_ms: u32,
    /// The oldest reading of an instance, in milliseconds, that counts.
    pub observed_ms_max: u32,
    /// How many milliseconds ago a demand sample may have ended to count.
    pub demand_ago_ms_max: u32,
}

/// Two for each day of the week, and some to spare.
const HOURS_MAX: usize = 20;

/// Hours of some days of the week, in the pool's time zone.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// 1 is Monday, 7 is Sunday.
    #[serde(default = "every_day")]
    #[cfg_attr(test, schemars(length(min = 1), inner(range(min = 1, max = 7))))]
    pub days: Vec<u8>,
    /// The first hour.
    #[cfg_attr(test, schemars(range(min = 0, max = 23)))]
    pub from: u8,
    /// The hour it ends at; before from: on the next day.
    #[cfg_attr(test, schemars(range(min = 1, max = 24)))]
    pub to: u8,
}

fn every_day() -> Vec<u8> {
    (1..=7).collect()
}

/// What becomes of an orphan.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OrphanAction {
    /// The orphan is stopped, and can be started again.
    Stop,
    /// The orphan is terminated.
    Terminate,
}

/// What becomes of an instance while none is adopted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Unclaimed {
    /// The instance is kept: the next resolve may adopt it.
    Keep,
    /// The instance is judged as if it were adopted.
    AsAdopted,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // The figure of docs/incidents.md#frozen-activity for all three: the longest is right
            // until a pool knows its hours.
            active_hours_ms: 30 * MINUTE_MS,
            quiet_hours_ms: 30 * MINUTE_MS,
            default_ms: 30 * MINUTE_MS,
            active_hours: Vec::new(),
            unreachable_ms: 30 * MINUTE_MS,
            // The host repeats a `serve` for at most 10 min, so no caller is sent to an orphan
            // after that.
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
    const SCHEMA: &'static str = include_str!("../settings.schema.json");

    fn ranges(&self) -> Vec<Range> {
        vec![
            Range::of("active_hours_ms", self.active_hours_ms, MINUTE_MS..=DAY_MS),
            Range::of("quiet_hours_ms", self.quiet_hours_ms, MINUTE_MS..=DAY_MS),
            Range::of("default_ms", self.default_ms, MINUTE_MS..=DAY_MS),
            Range::of("unreachable_ms", self.unreachable_ms, MINUTE_MS..=DAY_MS),
            Range::of("orphan_grace_ms", self.orphan_grace_ms, 0..=DAY_MS),
            // One reading is not idleness.
            Range::of("readings", self.readings, 2..=10),
            // The host allows no other.
            Range::of("look_again_ms", self.look_again_ms, 1_000..=HOUR_MS),
            Range::of("observed_ms_max", self.observed_ms_max, 1_000..=HOUR_MS),
            Range::of(
                "demand_ago_ms_max",
                self.demand_ago_ms_max,
                MINUTE_MS..=HOUR_MS,
            ),
        ]
    }

    fn check(&self) -> Result<(), String> {
        if self.active_hours.len() > HOURS_MAX {
            return Err(format!(
                "setting `active_hours`: found {} entries; accepted are 0 to {HOURS_MAX}",
                self.active_hours.len()
            ));
        }
        self.active_hours.iter().try_for_each(Hours::check)
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

#[cfg(test)]
mod tests {
    use reeve_policy_sdk::testing::schema;

    #[test]
    fn the_committed_schema_is_derived_from_the_settings() {
        schema::compare::<super::Settings>(env!("CARGO_MANIFEST_DIR")).unwrap();
    }
}
