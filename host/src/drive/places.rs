//! The places at which policies decide. A decision only computes, so there are as many places as
//! cores. Pools that wait are served in a circle, so a pool with many questions delays another by one
//! decision. A decision that runs is not interrupted: pools whose decisions take long leave one place
//! to the others, however many they are.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reeve_core::id::PoolName;
use tokio::sync::oneshot;

/// A pool is slow if its decisions take longer than this on the average of the last few. A standard
/// decision over 100 instances takes a third of a millisecond, JavaScript's one or two.
const SLOW: Duration = Duration::from_millis(10);
/// The latest decision is one in so many of the average. An endless loop, which ends after a tenth of a
/// second, makes its pool slow at once; four short decisions make it fast again.
const LATEST: u32 = 4;

/// Hands out places.
pub(super) struct Places {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Those taken by pools that were slow when they took them.
    taken_slow: usize,
    pools: BTreeMap<PoolName, Pool>,
    /// The pool that was served last.
    last: Option<PoolName>,
}

#[derive(Default)]
struct Pool {
    waiting: VecDeque<oneshot::Sender<Place>>,
    /// How long its decisions take.
    average: Duration,
}

/// A place for one decision. Dropping it frees the place.
pub(super) struct Place {
    places: Arc<Places>,
    pool: PoolName,
    is_slow: bool,
    since: Instant,
}

impl Places {
    /// This many places, at least 2, since one is left by those that are slow.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(2),
            state: Mutex::default(),
        })
    }

    /// Waits for the pool's next place. `None` is not returned while `self` is shared: each that
    /// waits is served.
    pub(super) async fn enter(self: &Arc<Self>, pool: PoolName) -> Option<Place> {
        let (given, place) = oneshot::channel();
        self.state()
            .pools
            .entry(pool)
            .or_default()
            .waiting
            .push_back(given);
        self.serve();
        place.await.ok()
    }

    /// Gives free places to those whose turn it is.
    fn serve(self: &Arc<Self>) {
        loop {
            let next = self.state().take(self.most);
            let Some((pool, is_slow, given)) = next else {
                return;
            };
            // Who no longer waits gives the place back by dropping it.
            let _ = given.send(Place {
                places: Arc::clone(self),
                pool,
                is_slow,
                since: Instant::now(),
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether its pool's decisions take long.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow
    }
}

impl State {
    /// Takes a place for the next in the circle. `None`: there is no place, or none who may have it.
    fn take(&mut self, most: usize) -> Option<(PoolName, bool, oneshot::Sender<Place>)> {
        let free = most - self.taken;
        let free_for_slow = (most - 1).saturating_sub(self.taken_slow).min(free);
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.pools.range((after, Bound::Unbounded));
        let mut circle = later.chain(&self.pools);
        let (name, _) = circle.find(|(_, pool)| {
            let free = if pool.is_slow() { free_for_slow } else { free };
            free > 0 && !pool.waiting.is_empty()
        })?;
        let name = name.clone();
        let pool = self.pools.get_mut(&name)?;
        let (is_slow, given) = (pool.is_slow(), pool.waiting.pop_front()?);
        self.taken += 1;
        self.taken_slow += usize::from(is_slow);
        self.last = Some(name.clone());
        Some((name, is_slow, given))
    }
}

impl Pool {
    fn is_slow(&self) -> bool {
        self.average > SLOW
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.taken -= 1;
        state.taken_slow -= usize::from(self.is_slow);
        if let Some(pool) = state.pools.get_mut(&self.pool) {
            let took = self.since.elapsed();
            pool.average = (pool.average * (LATEST - 1) + took) / LATEST;
        }
        drop(state);
        self.places.serve();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// A pool's wait for a place, whose end is told.
    fn wait(places: &Arc<Places>, pool: &str, tell: &mpsc::UnboundedSender<Place>) {
        let (places, tell) = (Arc::clone(places), tell.clone());
        let pool = PoolName::from(pool);
        tokio::spawn(async move { tell.send(places.enter(pool).await.unwrap()).ok() });
    }

    fn waiting(places: &Places) -> usize {
        let state = places.state();
        state.pools.values().map(|pool| pool.waiting.len()).sum()
    }

    /// Lets all tasks run that can.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    fn slow(places: &Places, pool: &str) {
        let mut state = places.state();
        let pool = state.pools.entry(PoolName::from(pool)).or_default();
        pool.average = Duration::from_secs(1);
    }

    #[tokio::test]
    async fn pools_that_wait_are_served_in_a_circle() {
        let places = Places::new(2);
        let (tell, mut told) = mpsc::unbounded_channel();
        for pool in ["b", "b", "b", "b", "a", "c"] {
            wait(&places, pool, &tell);
        }
        settle().await;
        assert_eq!(waiting(&places), 4, "two places");
        let mut order = Vec::new();
        for _ in 0..6 {
            let place = told.recv().await.unwrap();
            order.push(place.pool.to_string());
            drop(place);
            settle().await;
        }
        assert_eq!(order, ["b", "b", "c", "a", "b", "b"]);
    }

    #[tokio::test]
    async fn slow_pools_leave_a_place_to_the_others() {
        let places = Places::new(3);
        for pool in ["x", "y", "z"] {
            slow(&places, pool);
        }
        let (tell, mut told) = mpsc::unbounded_channel();
        for pool in ["x", "y", "z", "x"] {
            wait(&places, pool, &tell);
        }
        settle().await;
        assert_eq!(waiting(&places), 2);
        let quick = places.enter(PoolName::from("quick")).await.unwrap();
        assert_eq!(waiting(&places), 2);
        drop(quick);
        assert_eq!(waiting(&places), 2, "its place is left, too");
        drop(told.recv().await);
        settle().await;
        assert_eq!(waiting(&places), 1);
    }

    #[tokio::test]
    async fn a_pool_that_became_fast_has_every_place_again() {
        let places = Places::new(2);
        slow(&places, "x");
        for _ in 0..40 {
            drop(places.enter(PoolName::from("x")).await);
        }
        let first = places.enter(PoolName::from("x")).await;
        let second = places.enter(PoolName::from("x")).await;
        assert!(first.is_some() && second.is_some());
    }

    #[tokio::test]
    async fn a_place_for_one_who_left_goes_to_the_next() {
        let places = Places::new(2);
        let held = [
            places.enter(PoolName::from("a")).await,
            places.enter(PoolName::from("a")).await,
        ];
        let gone = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.enter(PoolName::from("b")).await.is_some() }
        });
        let (tell, mut told) = mpsc::unbounded_channel();
        settle().await;
        wait(&places, "c", &tell);
        settle().await;
        gone.abort();
        settle().await;
        drop(held);
        assert_eq!(told.recv().await.unwrap().pool, PoolName::from("c"));
    }
}
