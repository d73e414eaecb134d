//! The time of signing: `x-amz-date`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::error::LoginError;
use super::request::DATE_BYTES;
use crate::quote::quoted;

/// How far the time of signing may be from the host's: STS accepts 15 minutes, and a signature that
/// is used at once needs only the difference of the clocks.
pub const SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);

/// The one form: UTC in whole seconds (AWS's IAM user guide, "Elements of an AWS API request
/// signature", `X-Amz-Date`).
const FORM: &str = "%Y%m%dT%H%M%SZ";

/// Checks that a date has its form and is at most [`SKEW_MAX`] from `now`, in either direction.
pub(super) fn check(date: &str, now: Timestamp) -> Result<(), LoginError> {
    let signed_at = read(date).ok_or_else(|| LoginError::Malformed {
        member: "x-amz-date",
        expected: "a time in UTC like 20260131T235959Z",
        found: quoted(date),
    })?;
    let after = signed_at.duration_since(now);
    if after.abs() <= SKEW_MAX {
        return Ok(());
    }
    Err(LoginError::Skewed {
        signed_at: date.to_owned(),
        now: write(now),
        // Rounded up, so that a fraction too much is not stated as the largest accepted distance.
        seconds: after.abs().as_millis().unsigned_abs().div_ceil(1000),
        side: if after.is_positive() {
            "after"
        } else {
            "before"
        },
        seconds_max: SKEW_MAX.as_secs().unsigned_abs(),
    })
}

/// The time in the form of `x-amz-date`; a fraction of a second is cut off.
pub(crate) fn write(time: Timestamp) -> String {
    time.strftime(FORM).to_string()
}

/// Reads a date. Each time has one text: what would be written in another way is refused.
pub(crate) fn read(date: &str) -> Option<Timestamp> {
    if date.len() != DATE_BYTES {
        return None;
    }
    let civil = DateTime::strptime(FORM, date).ok()?;
    let time = TimeZone::UTC.to_timestamp(civil).ok()?;
    (write(time) == date).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_date_may_be_five_minutes_off() {
        let now = at("2026-01-01T00:00:00Z");
        for date in ["20251231T235500Z", "20260101T000000Z", "20260101T000500Z"] {
            assert_eq!(check(date, now), Ok(()), "{date}");
        }
        for date in ["20251231T235459Z", "20260101T000501Z", "19700101T000000Z"] {
            assert_eq!(
                check(date, now).unwrap_err().code(),
                "login_skewed",
                "{date}"
            );
        }
        // The fraction counts: 5 minutes and half a second are too much.
        let later = at("2026-01-01T00:00:00.5Z");
        assert!(check("20251231T235500Z", later).is_err());
        assert!(check("20260101T000500Z", later).is_ok());
    }

    #[test]
    fn a_skew_is_stated() {
        let error = check("20260101T001000Z", at("2026-01-01T00:00:00Z")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("600 s after the host's time 20260101T000000Z"),
            "{text}"
        );
    }

    #[test]
    fn another_form_of_date_is_refused() {
        let dates = [
            "",
            "20260101",
            "20260101T000000",
            "20260101T000000z",
            "20260101t000000Z",
            "20260101 000000Z",
            " 2026101T000000Z",
            "20260101T 00000Z",
            "20260101T+00000Z",
            "+2026101T000000Z",
            "20260132T000000Z",
            "20260101T240000Z",
            "20260101T235960Z",
            "20250229T000000Z",
            "2026-01-01T00:0Z",
            "Thu, 01 Jan 2026",
            "20260101T00000\u{663}",
            "20260101T0000\r\nZ",
        ];
        for date in dates {
            let error = check(date, at("2026-01-01T00:00:00Z")).unwrap_err();
            assert_eq!(error.code(), "login_malformed", "{date:?}");
        }
    }

    #[test]
    fn the_ends_of_time_cause_no_panic() {
        for now in [Timestamp::MIN, Timestamp::MAX] {
            assert!(check("20260101T000000Z", now).is_err());
        }
    }
}
