//! A pool's local time.

use reeve_core::id::PoolName;
use reeve_core::time::{Instant, UtcOffset};

use super::{GOOD, check_changed, parse};

/// 1 January 2026, 0:00 UTC.
const NEW_YEAR_S: u64 = 1_767_225_600;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 86_400;

fn with(line: &str) -> String {
    format!("port = 8080\n{line}")
}

fn offset(line: &str) -> UtcOffset {
    let config = parse(&GOOD.replace("port = 8080", &with(line))).unwrap();
    config.fleet.pools[&PoolName::from("gpu")]
        .utc_offset
        .clone()
}

fn at(seconds: u64) -> Instant {
    Instant::from_ms(seconds * 1000)
}

#[test]
fn a_named_zone_has_its_daylight_saving() {
    let berlin = offset("time_zone = \"Europe/Berlin\"");
    assert_eq!(berlin.at(at(NEW_YEAR_S)), 60);
    // 29 March and 25 October 2026, each at 1:00 UTC: the last Sundays of their months.
    let summer = NEW_YEAR_S + 87 * DAY_S + HOUR_S;
    let winter = NEW_YEAR_S + 297 * DAY_S + HOUR_S;
    assert_eq!(
        [berlin.at(at(summer - 1)), berlin.at(at(summer))],
        [60, 120]
    );
    assert_eq!(
        [berlin.at(at(winter - 1)), berlin.at(at(winter))],
        [120, 60]
    );
    // July of a year beyond every table: the zone's rule still applies.
    let july_2080 = NEW_YEAR_S + 54 * 31_557_600 + 190 * DAY_S;
    assert_eq!(berlin.at(at(july_2080)), 120);
}

#[test]
fn a_zone_may_be_west_of_utc_off_the_hour_or_without_changes() {
    let july = at(NEW_YEAR_S + 190 * DAY_S);
    assert_eq!(offset("time_zone = \"America/New_York\"").at(july), -240);
    assert_eq!(offset("time_zone = \"Asia/Kolkata\"").at(july), 330);
    assert_eq!(offset("time_zone = \"Australia/Lord_Howe\"").at(july), 630);
    assert_eq!(offset("time_zone = \"UTC\""), UtcOffset::fixed(0));
}

#[test]
fn a_fixed_offset_still_holds_at_all_times() {
    assert_eq!(offset("utc_offset_min = -90"), UtcOffset::fixed(-90));
}

#[test]
fn an_unknown_zone_and_two_sources_of_the_offset_are_refused() {
    check_changed(
        "port = 8080",
        &with("time_zone = \"Europe/Atlantis\""),
        "etc/reeve.toml:11:13: found the time zone \"Europe/Atlantis\"; accepted: a name of the IANA time zone \
         database such as Europe/Berlin or UTC",
    );
    check_changed(
        "port = 8080",
        &with("utc_offset_min = 60\ntime_zone = \"Europe/Berlin\""),
        "etc/reeve.toml:12:13: found `time_zone` and `utc_offset_min`; accepted: one of them; a zone has its own \
         offsets, including daylight saving time",
    );
}
