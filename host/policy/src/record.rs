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
