//! A pool's local time: a fixed offset from UTC, or a named zone with its daylight saving time.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use reeve_core::time::{Instant, OffsetChange, UtcOffset};

use super::given;
use crate::config::file::Pool;
use crate::config::finding::Findings;

/// How far ahead a zone's changes are read: longer than any host runs, and only a few hundred
/// changes.
const YEAR_MAX: i16 = 2100;

/// The pool's offset from UTC; UTC itself by default.
pub(super) fn of_pool(findings: &mut Findings<'_>, pool: &Pool) -> UtcOffset {
    if let (Some(_), Some(zone)) = (&pool.utc_offset_min, &pool.time_zone) {
        let found = "found `time_zone` and `utc_offset_min`; accepted: one of them; a zone has its own offsets, including \
                     daylight saving time";
        findings.refuse(zone.span.clone(), found);
    }
    match &pool.time_zone {
        Some(zone) => offsets(&zone.value),
        None => UtcOffset::fixed(given(pool.utc_offset_min.as_ref()).unwrap_or(0)),
    }
}

/// The zone's offsets from 1970 on. The core has no calendar, so it takes them as a list.
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

/// No zone has used seconds in its offset for half a century.
fn minutes(offset: Offset) -> i16 {
    i16::try_from(offset.seconds().div_euclid(60)).unwrap_or_default()
}
