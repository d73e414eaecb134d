//! How often each identity asked for what, and with which outcome, since the audit log last looked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Role;

/// Identities that are told apart at a time. Those that have left and were looked at make room.
const IDENTITIES_MAX: usize = 10_000;
/// Stands for further identities.
const FURTHER: &str = "further identities";

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was answered.
    Done,
    /// It was refused for what it is, or for who sent it.
    Refused,
    /// It could not be answered at that time.
    NotNow,
}

/// The counts of one identity.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By role, the last for requests without one, and by outcome.
    counts: [[AtomicU64; 3]; ROWS],
}

const ROWS: usize = Role::ALL.len() + 1;

/// The counts of all identities.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<HashMap<String, Arc<Tally>>>);

/// A count that is not zero.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) from: String,
    /// `None`: there is nothing at the path.
    pub(crate) role: Option<Role>,
    pub(crate) outcome: Outcome,
    pub(crate) count: u64,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::NotNow];

    /// That of a response with this status.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            ..400 => Self::Done,
            400..500 => Self::Refused,
            500.. => Self::NotNow,
        }
    }

    /// The word in the audit log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotNow => "not-now",
        }
    }
}

impl Tally {
    pub(super) fn count(&self, role: Option<Role>, outcome: Outcome) {
        let row = Role::ALL.iter().position(|it| Some(*it) == role);
        let cell = &self.counts[row.unwrap_or(ROWS - 1)][outcome as usize];
        cell.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self, from: &str) -> Vec<Asked> {
        let mut asked = Vec::new();
        for (row, cells) in self.counts.iter().enumerate() {
            for (outcome, cell) in Outcome::ALL.into_iter().zip(cells) {
                let count = cell.swap(0, Ordering::Relaxed);
                if count > 0 {
                    asked.push(Asked {
                        from: from.to_owned(),
                        role: Role::ALL.get(row).copied(),
                        outcome,
                        count,
                    });
                }
            }
        }
        asked
    }
}

impl Tallies {
    /// The counts of this identity.
    pub(super) fn of(&self, from: String) -> Arc<Tally> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = all.len() >= IDENTITIES_MAX && !all.contains_key(&from);
        let from = if is_full { FURTHER.to_owned() } else { from };
        Arc::clone(all.entry(from).or_default())
    }

    /// All counts since the last call, by identity.
    pub(super) fn take(&self) -> Vec<Asked> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked: Vec<_> = all.iter().flat_map(|(from, it)| it.take(from)).collect();
        all.retain(|_, tally| Arc::strong_count(tally) > 1);
        asked.sort_by(|one, other| one.from.cmp(&other.from));
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_counted_once_also_when_its_sender_has_left() {
        let tallies = Tallies::default();
        let one = tallies.of("the token a".to_owned());
        one.count(Some(Role::Resolve), Outcome::of(200));
        one.count(Some(Role::Resolve), Outcome::of(200));
        one.count(None, Outcome::of(404));
        drop(one);
        let again = tallies.of("the token a".to_owned());
        again.count(Some(Role::Resolve), Outcome::of(503));
        let asked: Vec<_> = tallies
            .take()
            .into_iter()
            .map(|it| (it.role, it.outcome, it.count))
            .collect();
        assert_eq!(
            asked,
            [
                (Some(Role::Resolve), Outcome::Done, 2),
                (Some(Role::Resolve), Outcome::NotNow, 1),
                (None, Outcome::Refused, 1),
            ]
        );
        assert_eq!(tallies.take(), []);
    }
}
