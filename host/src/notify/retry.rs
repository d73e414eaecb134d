//! Decides when a request is retried, and when the host gives up.

use std::fmt;

use reeve_core::time::{Instant, Millis};

/// How often and how long one message is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// Requests for one message, including the first.
    pub(crate) tries_max: u32,
    /// The wait before the second request. It doubles for each further one.
    pub(crate) first_wait: Millis,
    /// The time from the first request after which a message is stale.
    pub(crate) within: Millis,
    /// The longest pause that a webhook may request.
    pub(crate) rest_max: Millis,
}

impl Default for Retry {
    /// Six attempts with waits of 1, 2, 4, 8 and 16 s, within two minutes: longer than a deployment
    /// of the webhook's server, short enough for a person who waits. A requested pause is an hour
    /// at most.
    fn default() -> Self {
        Self {
            tries_max: 6,
            first_wait: Millis::from_secs(1),
            within: Millis::from_secs(120),
            rest_max: Millis::from_secs(3_600),
        }
    }
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The webhook accepted it with this status.
    Accepted(u16),
    /// The webhook responded, but refused it.
    Refused {
        status: u16,
        /// The pause that the response requests.
        retry_after: Option<Millis>,
        /// The response's short reason.
        said: Option<String>,
    },
    /// No response came. The reason never contains the address.
    Unanswered(String),
}

/// What to do after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The message was delivered.
    Delivered,
    /// Retry at this instant.
    Again(Instant),
    /// Give the message up. No message is sent before this instant.
    GivenUp(Instant),
}

impl Outcome {
    /// Whether the same request may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Accepted(_) => false,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Unanswered(_) => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(status) => write!(f, "it took the message ({status})"),
            Self::Refused {
                status, said: None, ..
            } => write!(f, "it answered {status}"),
            Self::Refused {
                status,
                said: Some(said),
                ..
            } => write!(f, "it answered {status} ({said})"),
            Self::Unanswered(why) => f.write_str(why),
        }
    }
}

impl Retry {
    /// Judges the `tries`-th request of a message whose first request was made at `since`.
    pub(crate) fn judge(
        &self,
        outcome: &Outcome,
        tries: u32,
        since: Instant,
        now: Instant,
    ) -> Verdict {
        if matches!(outcome, Outcome::Accepted(_)) {
            return Verdict::Delivered;
        }
        let told = match outcome {
            Outcome::Refused { retry_after, .. } if outcome.may_pass() => *retry_after,
            _ => None,
        };
        let again = now + told.unwrap_or(Millis::ZERO).max(self.wait_after(tries));
        if outcome.may_pass() && tries < self.tries_max && again.since(since) <= self.within {
            return Verdict::Again(again);
        }
        let rest = told.unwrap_or(Millis::ZERO).min(self.rest_max);
        Verdict::GivenUp(now + rest)
    }

    fn wait_after(&self, tries: u32) -> Millis {
        let doubled = 1_u64
            .checked_shl(tries.saturating_sub(1))
            .unwrap_or(u64::MAX);
        Millis::new(self.first_wait.get().saturating_mul(doubled))
    }
}

/// Parses the `Retry-After` header (RFC 9110, 10.2.3): seconds, for Discord with a fraction, or a
/// date.
pub(crate) fn retry_after(header: &str, now: Instant) -> Option<Millis> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        let is_length = seconds.is_finite() && seconds >= 0.0;
        // The cast saturates: a larger float becomes the greatest integer.
        return is_length.then(|| Millis::new((seconds * 1_000.0).ceil() as u64));
    }
    let date = jiff::fmt::rfc2822::parse(header).ok()?;
    let ms = u64::try_from(date.timestamp().as_millisecond()).ok()?;
    Some(Instant::from_ms(ms).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_ms(1_000_000);

    fn refused(status: u16, retry_after_s: Option<u64>) -> Outcome {
        Outcome::Refused {
            status,
            retry_after: retry_after_s.map(Millis::from_secs),
            said: None,
        }
    }

    fn check(outcome: &Outcome, tries: u32, after_s: u64, expected: Verdict) {
        let now = START + Millis::from_secs(after_s);
        let verdict = Retry::default().judge(outcome, tries, START, now);
        assert_eq!(
            verdict, expected,
            "{outcome:?}, try {tries}, after {after_s} s"
        );
    }

    fn at(after_s: u64) -> Instant {
        START + Millis::from_secs(after_s)
    }

    #[test]
    fn a_temporary_failure_is_retried_with_growing_waits_up_to_a_bound() {
        let unanswered = Outcome::Unanswered("no route".to_owned());
        for (tries, wait) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16)] {
            check(&refused(503, None), tries, 0, Verdict::Again(at(wait)));
            check(&unanswered, tries, 0, Verdict::Again(at(wait)));
        }
        check(&refused(503, None), 6, 0, Verdict::GivenUp(at(0)));
    }

    #[test]
    fn nothing_is_tried_longer_than_two_minutes() {
        check(&refused(500, None), 2, 118, Verdict::Again(at(120)));
        check(&refused(500, None), 2, 119, Verdict::GivenUp(at(119)));
    }

    #[test]
    fn a_webhook_that_says_when_to_come_back_is_left_alone_until_then() {
        check(&refused(429, Some(30)), 1, 0, Verdict::Again(at(30)));
        check(&refused(503, Some(30)), 1, 0, Verdict::Again(at(30)));
        check(&refused(429, Some(0)), 1, 0, Verdict::Again(at(1)));
        check(&refused(429, Some(600)), 1, 0, Verdict::GivenUp(at(600)));
        check(
            &refused(429, Some(86_400)),
            1,
            0,
            Verdict::GivenUp(at(3_600)),
        );
    }

    #[test]
    fn a_refused_message_is_not_retried() {
        for status in [301, 400, 401, 403, 404, 410, 413] {
            check(&refused(status, Some(5)), 1, 0, Verdict::GivenUp(at(0)));
        }
        check(&Outcome::Accepted(204), 3, 9, Verdict::Delivered);
    }

    #[test]
    fn retry_after_is_seconds_with_or_without_a_fraction_or_a_date() {
        let now = Instant::from_ms(784_111_777_000 - 5_000);
        let cases = [
            ("30", Some(30_000)),
            (" 0.25 ", Some(250)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(5_000)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
        ];
        for (header, expected) in cases {
            assert_eq!(
                retry_after(header, now),
                expected.map(Millis::new),
                "{header}"
            );
        }
    }
}
