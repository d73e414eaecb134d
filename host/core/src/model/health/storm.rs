//! Storms: many workers of a pool fail at once. The cause is then likely outside them (the network
//! of this host, a security group, a service that all of them call), and restarts would end what
//! works and help nothing. The same rule stops evictions in Kubernetes when a zone is disrupted
//! (Kubernetes, "Nodes", "Rate limits on eviction").

use std::collections::BTreeMap;
use std::fmt;

use crate::model::id::WorkerId;

/// Fewer failing workers are no storm, whatever their share: in a pool of two, one is half.
const WORKERS_MIN: usize = 3;

/// The workers of a pool that this host watches, and which of them fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Storm {
    /// Whether each watched worker fails by its latest readings.
    watched: BTreeMap<WorkerId, bool>,
    failing: usize,
    /// Whether people were told of the present storm.
    is_told: bool,
}

/// A storm that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raging {
    failing: usize,
    watched: usize,
    percent: u32,
}

impl Storm {
    /// Notes whether a worker fails by its latest readings; `None` if it is not watched at present.
    pub(crate) fn note(&mut self, worker: &WorkerId, fails: Option<bool>) {
        let before = match fails {
            Some(fails) if self.watched.get(worker) == Some(&fails) => return,
            Some(fails) => self.watched.insert(worker.clone(), fails),
            None => self.watched.remove(worker),
        };
        self.failing -= usize::from(before == Some(true));
        self.failing += usize::from(fails == Some(true));
    }

    /// The storm, if more than so many percent of the watched workers fail.
    pub(crate) fn raging(&mut self, percent: u32) -> Option<Raging> {
        let (failing, watched) = (self.failing, self.watched.len());
        let is_share = failing * 100 > watched * usize::try_from(percent).unwrap_or(usize::MAX);
        let is_on = failing >= WORKERS_MIN && is_share;
        self.is_told &= is_on;
        is_on.then_some(Raging {
            failing,
            watched,
            percent,
        })
    }

    /// Whether people were not told of the present storm; they are from now on.
    pub(crate) fn tell_once(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }
}

impl fmt::Display for Raging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of the pool's {} watched workers fail at once; while more than {} % do, none is restarted for its health",
            self.failing, self.watched, self.percent
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of so many watched workers, the first of which fail.
    fn pool(watched: usize, failing: usize) -> Storm {
        let mut storm = Storm::default();
        for number in 0..watched {
            storm.note(&name(number), Some(number < failing));
        }
        storm
    }

    fn name(number: usize) -> WorkerId {
        WorkerId::new(format!("worker-{number}"))
    }

    fn rages(watched: usize, failing: usize) -> bool {
        pool(watched, failing).raging(40).is_some()
    }

    #[test]
    fn a_storm_is_a_share_and_at_least_three() {
        assert!(!rages(2, 2), "two may be chance");
        assert!(rages(3, 3));
        assert!(rages(7, 3));
        assert!(!rages(8, 3), "37.5 %");
        assert!(rages(1_000, 401));
        assert!(!rages(1_000, 400));
    }

    #[test]
    fn it_opens_when_workers_recover_or_are_watched_no_more() {
        let mut storm = pool(5, 3);
        storm.note(&name(0), Some(false));
        assert_eq!(storm.raging(40), None);
        storm.note(&name(0), Some(true));
        assert!(storm.raging(40).is_some());
        storm.note(&name(1), None);
        assert_eq!(storm.raging(40), None);
        storm.note(&name(1), None);
        assert_eq!((storm.failing, storm.watched.len()), (2, 4));
    }

    #[test]
    fn people_are_told_once_for_each_storm() {
        let mut storm = pool(3, 3);
        assert!(storm.raging(40).is_some());
        assert!(storm.tell_once());
        assert!(storm.raging(40).is_some());
        assert!(!storm.tell_once());
        storm.note(&name(0), Some(false));
        assert_eq!(storm.raging(40), None, "it is over");
        storm.note(&name(0), Some(true));
        assert!(storm.raging(40).is_some());
        assert!(storm.tell_once());
    }
}
