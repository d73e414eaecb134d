//! Storms: many workers of a pool begin to fail at about the same time. The cause is then likely
//! outside them (the network of this host, a security group, a service that all of them call), and
//! restarts would end what works and help nothing. The same rule stops evictions in Kubernetes when
//! a zone is disrupted (Kubernetes, "Nodes", "Rate limits on eviction").

use std::collections::{BTreeMap, BTreeSet};

use crate::model::health::HealthSpec;
use crate::model::id::WorkerId;
use crate::model::time::{Instant, Millis};

/// Fewer failing workers are no storm, whatever their share: in a pool of two, one is half.
const WORKERS_MIN: usize = 3;
/// The least time within which failures may have one cause. One fault shows in a probe within
/// seconds, in EC2's status checks and in late heartbeats within minutes.
const WINDOW_MIN: Millis = Millis::from_secs(300);

/// The workers of a pool that this host watches, and since when they fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Storm {
    /// Since when each watched worker fails by its latest readings; `None` if it does not.
    watched: BTreeMap<WorkerId, Option<Instant>>,
    /// The failing workers in the order in which they began to fail.
    failing: BTreeSet<(Instant, WorkerId)>,
    /// Whether people were told of the present storm.
    is_told: bool,
}

impl Storm {
    /// Notes since when a worker fails by its latest readings; `None` if it is not watched at
    /// present, `Some(None)` if it does not fail. Returns the storm that the worker is part of, in
    /// words; `None` if there is none.
    pub(crate) fn note(
        &mut self,
        spec: &HealthSpec,
        worker: &WorkerId,
        since: Option<Option<Instant>>,
    ) -> Option<String> {
        let before = match since {
            Some(since) => self.watched.insert(worker.clone(), since),
            None => self.watched.remove(worker),
        };
        if before != since {
            if let Some(Some(since)) = before {
                self.failing.remove(&(since, worker.clone()));
            }
            if let Some(Some(since)) = since {
                self.failing.insert((since, worker.clone()));
            }
            let mut begins = self.failing.iter();
            self.is_told = self.is_told && begins.any(|(since, _)| self.is_storm(spec, *since));
        }
        let is_in_storm = self.is_storm(spec, since??);
        is_in_storm.then(|| self.words(spec))
    }

    /// Whether people were not told of the present storm; they are from now on.
    pub(crate) fn tell_once(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }

    /// Whether enough workers began to fail within the window around this instant.
    fn is_storm(&self, spec: &HealthSpec, since: Instant) -> bool {
        let percent = usize::try_from(spec.storm_percent).unwrap_or(usize::MAX);
        let share = self.watched.len().saturating_mul(percent) / 100;
        let needed = WORKERS_MIN.max(share + 1);
        let window = window(spec);
        let first = Instant::from_ms(since.as_ms().saturating_sub(window.get()));
        let from = (first, WorkerId::new(String::new()));
        let around = self.failing.range(from..);
        let around = around.take_while(|(begin, _)| *begin <= since + window);
        around.take(needed).count() == needed
    }

    fn words(&self, spec: &HealthSpec) -> String {
        format!(
            "{} of the pool's {} watched workers fail, and more than {} % began to fail within {} of each other; none \
             of these is restarted for its health",
            self.failing.len(),
            self.watched.len(),
            spec.storm_percent,
            window(spec),
        )
    }
}

/// The time within which failures count as one storm. A worker that is probed seldom shows the
/// same fault a probe later, give or take.
fn window(spec: &HealthSpec) -> Millis {
    WINDOW_MIN.max(spec.every + spec.every)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool whose workers began to fail at these seconds; `None`: the worker does not fail.
    struct Pool {
        storm: Storm,
        spec: HealthSpec,
    }

    impl Pool {
        fn new(begins: &[Option<u64>]) -> Self {
            let mut pool = Self {
                storm: Storm::default(),
                spec: HealthSpec::default(),
            };
            for (number, begin) in begins.iter().enumerate() {
                pool.note(number, Some(*begin));
            }
            pool
        }

        /// Notes since which second a worker fails. Returns whether it is part of a storm.
        fn note(&mut self, number: usize, since: Option<Option<u64>>) -> bool {
            let worker = WorkerId::new(format!("worker-{number}"));
            let since = since.map(|since| since.map(|second| Instant::from_ms(second * 1_000)));
            self.storm.note(&self.spec, &worker, since).is_some()
        }
    }

    /// Whether the first of so many watched workers is in a storm if so many fail at once.
    fn is_storm(watched: usize, failing: usize) -> bool {
        let begin = |number| (number < failing).then_some(1);
        let begins: Vec<_> = (0..watched).map(begin).collect();
        Pool::new(&begins).note(0, Some(Some(1)))
    }

    #[test]
    fn a_storm_is_a_share_and_at_least_three() {
        assert!(!is_storm(2, 2), "two may be chance");
        assert!(is_storm(3, 3));
        assert!(is_storm(7, 3));
        assert!(!is_storm(8, 3), "37.5 %");
        assert!(is_storm(1_000, 401));
        assert!(!is_storm(1_000, 400));
    }

    #[test]
    fn failures_of_different_days_are_no_storm() {
        let day = 86_400;
        let mut pool = Pool::new(&[Some(day), Some(2 * day), Some(3 * day), None, None]);
        assert!(!pool.note(2, Some(Some(3 * day))));
        // Three that begin together are one, and the two old ones are no part of it.
        assert!(!pool.note(3, Some(Some(3 * day + 300))));
        assert!(pool.note(4, Some(Some(3 * day + 300))));
        assert!(!pool.note(0, Some(Some(day))));
        assert!(pool.note(2, Some(Some(3 * day))));
    }

    #[test]
    fn the_window_grows_with_the_pause_between_probes() {
        let mut pool = Pool::new(&[Some(1), Some(1), Some(600)]);
        assert!(!pool.note(2, Some(Some(600))));
        pool.spec.every = Millis::from_secs(300);
        assert!(pool.note(2, Some(Some(600))));
    }

    #[test]
    fn it_opens_when_workers_recover_or_are_watched_no_more() {
        let mut pool = Pool::new(&[Some(1), Some(1), Some(1), None, None]);
        assert!(pool.note(2, Some(Some(1))));
        pool.note(0, Some(None));
        assert!(!pool.note(2, Some(Some(1))));
        assert!(!pool.note(0, Some(None)));
        pool.note(0, Some(Some(1)));
        assert!(pool.note(2, Some(Some(1))));
        pool.note(1, None);
        assert!(!pool.note(2, Some(Some(1))));
        pool.note(1, None);
        assert_eq!((pool.storm.failing.len(), pool.storm.watched.len()), (2, 4));
    }

    #[test]
    fn people_are_told_once_for_each_storm() {
        let mut pool = Pool::new(&[Some(1), Some(1), Some(1), Some(9_000)]);
        assert!(pool.storm.tell_once());
        assert!(
            !pool.note(3, Some(Some(9_001))),
            "it is no part of the storm"
        );
        assert!(!pool.storm.tell_once());
        pool.note(0, Some(None));
        pool.note(0, Some(Some(9_000)));
        assert!(!pool.note(3, Some(Some(9_000))), "two are none");
        assert!(pool.note(1, Some(Some(9_100))));
        assert!(pool.storm.tell_once());
    }
}
