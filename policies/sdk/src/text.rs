//! Lengths of time, for the sentence of a reason.

/// A length of time for people, with its two largest units: `1 h 5 min`, `29 min 59 s`, `2.5 s`.
/// The contract's values saturate, so the largest reads `at least 49 d 17 h`.
pub fn duration(ms: u32) -> String {
    const SECOND: u32 = 1_000;
    const MINUTE: u32 = 60 * SECOND;
    const HOUR: u32 = 60 * MINUTE;
    const DAY: u32 = 24 * HOUR;

    match ms {
        u32::MAX => format!("at least {}", two_units(ms, DAY, "d", HOUR, "h")),
        DAY.. => two_units(ms, DAY, "d", HOUR, "h"),
        HOUR.. => two_units(ms, HOUR, "h", MINUTE, "min"),
        MINUTE.. => two_units(ms, MINUTE, "min", SECOND, "s"),
        _ => match (ms / SECOND, ms % SECOND) {
            (seconds, 0) => format!("{seconds} s"),
            (seconds, rest) => {
                format!("{seconds}.{:03}", rest)
                    .trim_end_matches('0')
                    .to_owned()
                    + " s"
            }
        },
    }
}

fn two_units(ms: u32, large: u32, large_name: &str, small: u32, small_name: &str) -> String {
    match (ms / large, ms % large / small) {
        (count, 0) => format!("{count} {large_name}"),
        (count, rest) => format!("{count} {large_name} {rest} {small_name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_reads_in_its_two_largest_units() {
        for (ms, text) in [
            (0, "0 s"),
            (5, "0.005 s"),
            (500, "0.5 s"),
            (2_000, "2 s"),
            (59_999, "59.999 s"),
            (60_000, "1 min"),
            (1_799_000, "29 min 59 s"),
            (1_801_000, "30 min 1 s"),
            (3_900_000, "1 h 5 min"),
            (90_000_000, "1 d 1 h"),
            (u32::MAX, "at least 49 d 17 h"),
        ] {
            assert_eq!(duration(ms), text, "{ms} ms");
        }
    }
}
