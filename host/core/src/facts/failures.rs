//! Launches and starts that failed in a row, by act and capacity option. A launch or start that the
//! provider accepts ends all rows.

use crate::model::point::resolve::{Act, FailureKind};
use crate::model::store::{LastError, Unknown};
use crate::model::time::Instant;

/// The failures in a row of one act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The act that failed.
    pub act: Act,
    /// The capacity option that was tried; 0 for all acts but a launch.
    pub capacity_option: u32,
    /// The kind of the last failure, as policies see it.
    pub kind: FailureKind,
    /// The provider's code and sentence.
    pub text: String,
    /// When the act last failed.
    pub at: Instant,
    /// How many times it failed in a row.
    pub count: u32,
    /// What this version does not know of the record's failure.
    pub unknown: Unknown,
}

/// All rows of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// The latest first; one row for each act and option.
    rows: Vec<Failure>,
}

impl Failures {
    /// The last failure.
    pub fn latest(&self) -> Option<&Failure> {
        self.rows.first()
    }

    /// The rows, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.rows.iter()
    }

    /// Adds a failure to the row of its act and option. Returns the length of the row, which is at
    /// least `failure.count`.
    pub(crate) fn note(&mut self, mut failure: Failure) -> u32 {
        let is_same = |row: &Failure| {
            (row.act, row.capacity_option) == (failure.act, failure.capacity_option)
        };
        if let Some(place) = self.rows.iter().position(is_same) {
            let before = self.rows.remove(place).count;
            failure.count = failure.count.max(before.saturating_add(1));
        }
        let count = failure.count;
        self.rows.insert(0, failure);
        count
    }

    /// Ends all rows.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// The last failure as the record and the status show it.
    pub(crate) fn to_recorded(&self) -> Option<LastError> {
        let failure = self.latest()?;
        Some(LastError {
            code: failure.kind.as_str().to_owned(),
            text: failure.text.clone(),
            at: failure.at,
            count: failure.count,
            act: Some(failure.act),
            capacity_option: failure.capacity_option,
            unknown: failure.unknown.clone(),
        })
    }

    /// Takes over the last failure in the record of another life or host, if this one knows of none.
    pub(crate) fn recover(&mut self, error: &LastError) {
        if !self.rows.is_empty() {
            return;
        }
        self.note(Failure {
            act: error.act.unwrap_or(Act::Launch),
            capacity_option: error.capacity_option,
            kind: FailureKind::from_code(&error.code),
            text: error.text.clone(),
            at: error.at,
            count: error.count,
            unknown: error.unknown.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(act: Act, capacity_option: u32, at_ms: u64) -> Failure {
        Failure {
            act,
            capacity_option,
            kind: FailureKind::NoCapacity,
            text: String::new(),
            at: Instant::from_ms(at_ms),
            count: 1,
            unknown: Unknown::default(),
        }
    }

    #[test]
    fn each_act_and_option_has_a_row_and_the_latest_comes_first() {
        let mut failures = Failures::default();
        failures.note(failed(Act::Launch, 0, 1));
        failures.note(failed(Act::Start, 0, 2));
        failures.note(failed(Act::Launch, 1, 3));
        assert_eq!(failures.note(failed(Act::Launch, 0, 4)), 2);
        let rows = failures
            .iter()
            .map(|it| (it.act, it.capacity_option, it.count));
        let expected = [(Act::Launch, 0, 2), (Act::Launch, 1, 1), (Act::Start, 0, 1)];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_last_failure_survives_the_record_and_replaces_no_known_one() {
        let mut failures = Failures::default();
        failures.note(failed(Act::Launch, 1, 7));
        let recorded = failures.to_recorded().unwrap();
        let mut recovered = Failures::default();
        recovered.recover(&recorded);
        assert_eq!(recovered, failures);
        recovered.note(failed(Act::Start, 0, 9));
        let known = recovered.clone();
        recovered.recover(&recorded);
        assert_eq!(recovered, known);
    }
}
