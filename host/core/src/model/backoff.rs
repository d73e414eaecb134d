//! The pause before a failed call is tried again: 1 s, doubling to 60 s, in the shape of the EC2
//! developer guide's "Retries and exponential backoff".

use crate::model::cloud::{CloudError, CloudErrorKind};
use crate::model::time::{Instant, Millis};

/// The shortest pause.
pub(crate) const BACKOFF_FIRST: Millis = Millis::from_secs(1);
/// The longest pause.
pub(crate) const BACKOFF_MAX: Millis = Millis::from_secs(60);

/// The pause after this many failed tries in a row.
pub(crate) fn backoff(tries: u32) -> Millis {
    let doublings = tries.saturating_sub(1).min(6);
    Millis::new(BACKOFF_FIRST.get() << doublings).min(BACKOFF_MAX)
}

/// The pause in questions whose rate the provider limits. All workers of a pool keep the pause, so
/// that a pool is not asked once per caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    /// The last rate limit; `None` if the last question was answered.
    error: Option<CloudError>,
    /// Pauses in a row.
    count: u32,
    /// The end of the last pause.
    until: Instant,
}

impl Throttle {
    /// Takes in the answer to a question that was asked at `asked_at`. Questions that were asked
    /// before the last pause ended belong to that pause: many refused at once are one rate limit.
    pub(crate) fn note<T>(
        &mut self,
        now: Instant,
        asked_at: Instant,
        answer: &Result<T, CloudError>,
    ) {
        if asked_at < self.until {
            return;
        }
        match answer {
            Err(error) if error.kind == CloudErrorKind::Throttled => {
                self.count = self.count.saturating_add(1);
                self.until = now + backoff(self.count);
                self.error = Some(error.clone());
            }
            _ => {
                self.error = None;
                self.count = 0;
            }
        }
    }

    /// The rate limit whose pause has not passed.
    pub(crate) fn limit(&self, now: Instant) -> Option<&CloudError> {
        self.error.as_ref().filter(|_| now < self.until)
    }

    /// The end of the pause in force.
    pub(crate) fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.limit(now).map(|_| self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_ms(ms)
    }

    fn limited() -> Result<(), CloudError> {
        Err(CloudError {
            operation: "DescribeInstances".to_owned(),
            kind: CloudErrorKind::Throttled,
            code: "RequestLimitExceeded".to_owned(),
            message: "slow down".to_owned(),
            retry_after: None,
        })
    }

    #[test]
    fn each_rate_limit_after_a_pause_doubles_the_next() {
        let mut throttle = Throttle::default();
        throttle.note(at(10), at(0), &limited());
        assert_eq!(throttle.opens_at(at(10)), Some(at(1_010)));
        assert_eq!(throttle.opens_at(at(1_010)), None);
        throttle.note(at(1_020), at(1_010), &limited());
        assert_eq!(throttle.opens_at(at(1_020)), Some(at(3_020)));
        throttle.note(at(3_030), at(3_020), &Ok(()));
        throttle.note(at(3_040), at(3_035), &limited());
        assert_eq!(throttle.opens_at(at(3_040)), Some(at(4_040)));
    }

    #[test]
    fn many_questions_refused_at_once_are_one_rate_limit() {
        let mut throttle = Throttle::default();
        for _ in 0..10 {
            throttle.note(at(10), at(0), &limited());
        }
        throttle.note(at(20), at(5), &Ok(()));
        assert_eq!(throttle.opens_at(at(20)), Some(at(1_010)));
    }
}
