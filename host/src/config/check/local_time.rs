//! A pool's local time: a fixed distance from UTC, or a named zone with its daylight saving.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use reeve_core::time::{Instant, OffsetChange, UtcOffset};
use toml::Spanned;

use super::Checker;
use crate::config::file::Pool;

/// Until when a zone's changes are looked up: longer than any host runs, and a few hundred of them.
const YEAR_MAX: i16 = 2100;

/// The pool's offset from UTC; UTC itself when the file says nothing.
pub(super) fn of_pool(checker: &mut Checker<'_>, pool: &Pool) -> UtcOffset {
    if let (Some(_), Some(zone)) = (&pool.utc_offset_min, &pool.time_zone) {
        let found = "found `time_zone` beside `utc_offset_min`; accepted: one of them; a zone has its offsets, and \
                     daylight saving with them";
        checker.refuse(zone.span(), found);
    }
    match &pool.time_zone {
        Some(zone) => named(checker, zone),
        None => UtcOffset::fixed(fixed_min(checker, pool.utc_offset_min.as_ref())),
    }
}

/// Offsets in use go from UTC-12 to UTC+14.
fn fixed_min(checker: &mut Checker<'_>, value: Option<&Spanned<i16>>) -> i16 {
    let within = |offset: &i16| {
        if (-720..=840).contains(offset) {
            return Ok(());
        }
        Err(format!(
            "found {offset} minutes east of UTC; accepted: -720 to 840"
        ))
    };
    value.map_or(0, |value| checker.check(value, within))
}

fn named(checker: &mut Checker<'_>, name: &Spanned<String>) -> UtcOffset {
    match TimeZone::get(name.get_ref()) {
        Ok(zone) => offsets(&zone),
        Err(_) => {
            let found = format!(
                "found the time zone {:?}; accepted: a name of the IANA time zone database such as \
                 Europe/Berlin or UTC",
                name.get_ref()
            );
            checker.refuse(name.span(), found);
            UtcOffset::default()
        }
    }
}

/// The zone's offsets from the begin of instants on. The core takes them as they are: it knows no calendar.
fn offsets(zone: &TimeZone) -> UtcOffset {
    let first = zone.to_offset(Timestamp::UNIX_EPOCH);
    let following = zone.following(Timestamp::UNIX_EPOCH);
    let in_time = following
        .take_while(|change| change.offset().to_datetime(change.timestamp()).year() < YEAR_MAX);
    let changes = in_time.filter_map(|change| {
        let ms = u64::try_from(change.timestamp().as_millisecond()).ok()?;
        Some(OffsetChange {
            at: Instant::from_ms(ms),
            offset_min: minutes(change.offset()),
        })
    });
    UtcOffset::changing(minutes(first), changes.collect())
}

/// No zone has had seconds in its offset for half a century.
fn minutes(offset: Offset) -> i16 {
    i16::try_from(offset.seconds().div_euclid(60)).unwrap_or_default()
}
