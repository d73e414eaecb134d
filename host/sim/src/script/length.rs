//! Lengths of time in scripts and on the command line.

use reeve_core::time::Millis;

/// The form of a length of time, for an error.
pub(super) const LENGTH: &str = "a length of time such as 500ms, 2.5s, 1m30s or 2h, up to 30 days";

/// Reads a length of time such as `500ms`, `2.5s`, `1m30s` or `2h`. `None`: the text has another
/// form, is longer than 30 days, or is finer than a millisecond.
pub fn length_of_time(text: &str) -> Option<Millis> {
    const MAX_MS: u64 = 30 * 24 * 3_600_000;
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() || text.is_empty() {
        let whole;
        (whole, rest) = digits(rest);
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            (fraction, rest) = digits(after);
            if fraction.is_empty() || fraction.len() > 6 {
                return None;
            }
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        rest = &rest[end..];
        let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
        let part = fraction.parse().unwrap_or(0) * unit_ms;
        if part % scale != 0 {
            return None;
        }
        let whole = whole.parse::<u64>().ok()?.checked_mul(*unit_ms)?;
        total = total.checked_add(whole)?.checked_add(part / scale)?;
    }
    (total <= MAX_MS).then(|| Millis::new(total))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_to_the_millisecond() {
        let read = |text| length_of_time(text).map(Millis::get);
        for (text, ms) in [
            ("0s", 0),
            ("500ms", 500),
            ("2.5s", 2_500),
            ("0.001s", 1),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("720h", 2_592_000_000),
        ] {
            assert_eq!(read(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "1.s",
            ".5s",
            "1d",
            "-1s",
            "0.5ms",
            "0.0001s",
            "721h",
            "1s ",
            "1,5s",
            "99999999999999999999h",
            "1.0000001s",
            "1Ms",
            "ś",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
