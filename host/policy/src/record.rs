//! How a policy has fared at one point of one pool since it came into force: the failures in a row,
//! and some of the questions that it answered, which its successor is tried with.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use reeve_core::point::Input;

use crate::error::Failure;

/// The failures in a row after which a policy counts as broken. A worker whose callers wait asks
/// every few seconds, so that is a minute at most; a single strange question does not come ten times.
pub(crate) const FAILURES_MAX: u32 = 10;
/// The questions that are kept.
const QUESTIONS: usize = 8;
/// After the first few, one in so many answered questions is kept: a copy costs as much as a tenth of
/// a decision.
const KEPT_OF: u64 = 16;

/// The record of one slot.
#[derive(Default)]
pub(crate) struct Record {
    failures_in_a_row: AtomicU32,
    last_failure: Mutex<Option<Failure>>,
    answers: AtomicU64,
    questions: Mutex<VecDeque<Input>>,
}

impl Record {
    /// The record of the version that follows this one: it knows the questions.
    pub(crate) fn successor(&self) -> Self {
        Self {
            questions: Mutex::new(self.questions().into()),
            ..Self::default()
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, question: &Input) {
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        let before = self.answers.fetch_add(1, Ordering::Relaxed);
        if before < QUESTIONS as u64 || before.is_multiple_of(KEPT_OF) {
            // No decision waits for the copy of another.
            if let Ok(mut questions) = self.questions.try_lock() {
                questions.truncate(QUESTIONS - 1);
                questions.push_front(question.clone());
            }
        }
    }

    /// Counts a failure; returns whether the policy counts as broken from this one on.
    pub(crate) fn failed(&self, failure: &Failure) -> bool {
        if !failure.is_of_policy() {
            return false;
        }
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
        self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES_MAX
    }

    /// Whether the policy has answered at least once.
    pub(crate) fn has_answered(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > 0
    }

    /// The last of the failures in a row, if there are enough of them.
    pub(crate) fn broken(&self) -> Option<Failure> {
        let failures = self.failures_in_a_row.load(Ordering::Relaxed);
        let last = self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|_| failures >= FAILURES_MAX)
    }

    /// Some of the questions that were answered, the latest first.
    pub(crate) fn questions(&self) -> Vec<Input> {
        let questions = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        questions.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use reeve_core::point::Point;

    use super::*;
    use crate::trial;

    fn question(number: u32) -> Input {
        let Some(Input::RetryIp(mut input)) = trial::questions(Point::RetryIp).into_iter().next()
        else {
            unreachable!("the trial asks at each point")
        };
        input.tries = number;
        Input::RetryIp(input)
    }

    fn trap() -> Failure {
        Failure::Trap("unreachable".to_owned())
    }

    #[test]
    fn the_tenth_failure_in_a_row_breaks_a_policy_and_only_that_one_tells() {
        let record = Record::default();
        let told: Vec<_> = (1..=12).filter(|_| record.failed(&trap())).collect();
        assert_eq!(told, [10]);
        assert_eq!(record.broken(), Some(trap()));
    }

    #[test]
    fn an_answer_starts_the_count_again() {
        let record = Record::default();
        for _ in 0..20 {
            for _ in 1..FAILURES_MAX {
                assert!(!record.failed(&trap()));
            }
            record.answered(&question(0));
        }
        assert_eq!(record.broken(), None);
    }

    #[test]
    fn running_out_of_time_counts_and_a_host_without_room_does_not() {
        for (failure, counts) in [
            (Failure::Deadline { ticks: 10 }, true),
            (Failure::NotInstantiated("no slot".to_owned()), false),
            (Failure::NotBound, false),
        ] {
            let record = Record::default();
            for _ in 0..FAILURES_MAX {
                record.failed(&failure);
            }
            assert_eq!(record.broken().is_some(), counts, "{failure}");
        }
    }

    #[test]
    fn the_first_questions_are_kept_and_one_of_sixteen_later() {
        let record = Record::default();
        for number in 0..100 {
            record.answered(&question(number));
        }
        let kept = [96, 80, 64, 48, 32, 16, 7, 6].map(question);
        assert_eq!(record.questions(), kept);
        assert_eq!(record.successor().questions(), kept);
    }
}
