//! Availability: callers that wait for an address although the cloud would let a host serve them.
//! The stage decides from the simulated world, and not from the host, whether a caller could be
//! served.

use std::collections::BTreeMap;

use reeve_core::cloud::MutationKind;
use reeve_core::instance::InstanceState;
use reeve_core::time::{Instant, Millis};

use super::Stage;
use crate::run::Down;
use crate::timeline::Entry;
use crate::world::{Asked, SimInstance};

/// The number of a caller's wait.
pub(super) type WaitId = u64;

/// The callers that wait for an address.
#[derive(Debug)]
pub(super) struct Waits {
    /// How long a caller may wait while it could be served.
    down_after: Millis,
    /// Since when a caller could be served without a break, and by what; `None`: it could not.
    servable: Option<(Instant, &'static str)>,
    waiting: BTreeMap<WaitId, Wait>,
    /// The last wait of each caller that gave up, and when it did.
    given_up: BTreeMap<String, (Instant, Wait)>,
    begun: WaitId,
}

#[derive(Debug)]
struct Wait {
    caller: String,
    since: Instant,
    /// The time of the first request since the caller last gave up.
    asked_at: Instant,
    /// Whether this wait counted as down before.
    is_down: bool,
}

impl Waits {
    pub(super) fn new(down_after: Millis) -> Self {
        Self {
            down_after,
            servable: None,
            waiting: BTreeMap::new(),
            given_up: BTreeMap::new(),
            begun: 0,
        }
    }

    /// Begins a caller's wait, or continues the one that it gave up within `down_after`: a caller
    /// that tries again so soon has wanted the worker all the time.
    pub(super) fn begin(&mut self, caller: &str, now: Instant) -> WaitId {
        let earlier = self.given_up.remove(caller);
        let continued = earlier.filter(|(at, _)| now.since(*at) <= self.down_after);
        let wait = match continued {
            Some((_, wait)) => Wait {
                asked_at: now,
                ..wait
            },
            None => Wait {
                caller: caller.to_owned(),
                since: now,
                asked_at: now,
                is_down: false,
            },
        };
        self.begun += 1;
        self.waiting.insert(self.begun, wait);
        self.begun
    }

    /// Ends a wait: the caller has an address.
    pub(super) fn serve(&mut self, id: WaitId) {
        if let Some(wait) = self.waiting.remove(&id) {
            self.given_up.remove(&wait.caller);
        }
    }

    /// Ends a wait: the caller gives up.
    pub(super) fn give_up(&mut self, id: WaitId, now: Instant) {
        if let Some(wait) = self.waiting.remove(&id) {
            self.given_up.insert(wait.caller.clone(), (now, wait));
        }
    }

    /// How many callers wait.
    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Says what could serve a caller from now on; `None`: nothing could.
    fn set_servable(&mut self, now: Instant, by: Option<&'static str>) {
        let since = self.servable.map_or(now, |(since, _)| since);
        self.servable = by.map(|by| (since, by));
    }

    /// Finds the callers that have waited for longer than `down_after` while they could be served,
    /// each once, and what could have served them.
    fn overdue(&mut self, now: Instant) -> Vec<(Down, &'static str)> {
        let Some((servable_since, by)) = self.servable else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for wait in self.waiting.values_mut().filter(|wait| !wait.is_down) {
            let due = wait.since.max(servable_since) + self.down_after;
            wait.is_down = now > due;
            if wait.is_down {
                let down = Down {
                    caller: wait.caller.clone(),
                    since: wait.since,
                    at: due.max(wait.asked_at),
                };
                found.push((down, by));
            }
        }
        found
    }
}

impl Stage<'_> {
    /// Records the callers that are down at this instant. The world must not have changed since
    /// [`note_availability`](Stage::note_availability).
    pub(super) fn record_down(&mut self, now: Instant) {
        for (down, by) in self.waits.overdue(now) {
            self.run.entries.push(Entry {
                reason: by.to_owned(),
                ..Entry::event(down.at, "DOWN", down.to_string())
            });
            self.run.down.push(down);
        }
    }

    /// Notes whether a caller could be served from this instant on.
    pub(super) fn note_availability(&mut self) {
        let by = self.could_serve();
        self.waits.set_servable(self.now, by);
    }

    /// What could serve a caller: an instance of the worker that is up, or one that the cloud would
    /// bring up. To bring one up without a scan could make it a second one.
    fn could_serve(&self) -> Option<&'static str> {
        let answers = |asked| !self.trouble.unanswered.contains(&asked);
        let accepts =
            |kind| answers(Asked::Scan) && !self.trouble.failing.iter().any(|it| it.kind == kind);
        let is_shown = |it: &SimInstance| {
            let in_scans = answers(Asked::Scan) && !self.trouble.hidden_from_scans.contains(&it.id);
            in_scans || answers(Asked::Instance)
        };
        let of_worker = || {
            let all = self.host.world().instances();
            all.filter(|it| self.is_of_worker(it))
        };
        if of_worker().any(|it| it.private_ip().is_some() && !it.reboots && is_shown(it)) {
            return Some("an instance is up and has its address");
        }
        if accepts(MutationKind::Launch) {
            return Some("the cloud accepts launches");
        }
        let is_stopped = of_worker().any(|it| it.state == InstanceState::Stopped);
        let starts = is_stopped && accepts(MutationKind::Start);
        starts.then_some("the cloud accepts a start of the stopped instance")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: Option<&str> = Some("the cloud accepts launches");

    fn at(secs: u64) -> Instant {
        Instant::from_ms(secs * 1_000)
    }

    fn waits(servable: Option<&'static str>) -> Waits {
        let mut waits = Waits::new(Millis::from_secs(100));
        waits.set_servable(at(0), servable);
        waits
    }

    /// The callers that are found down at this time: since when, and when that is told.
    fn down(waits: &mut Waits, secs: u64) -> Vec<(Instant, Instant)> {
        let found = waits.overdue(at(secs)).into_iter();
        found.map(|(down, _)| (down.since, down.at)).collect()
    }

    #[test]
    fn a_caller_is_down_once_after_more_than_the_bound() {
        let mut waits = waits(CLOUD);
        waits.begin("chat", at(10));
        assert_eq!(down(&mut waits, 110), []);
        assert_eq!(down(&mut waits, 150), [(at(10), at(110))]);
        assert_eq!(down(&mut waits, 300), []);
    }

    #[test]
    fn only_time_without_a_break_counts() {
        let mut waits = waits(CLOUD);
        waits.begin("chat", at(10));
        waits.set_servable(at(90), None);
        assert_eq!(down(&mut waits, 500), []);
        waits.set_servable(at(500), CLOUD);
        waits.set_servable(at(550), Some("an instance is up"));
        assert_eq!(down(&mut waits, 600), []);
        assert_eq!(down(&mut waits, 601), [(at(10), at(600))]);
    }

    #[test]
    fn a_caller_that_was_served_or_left_in_time_is_not_down() {
        let mut waits = waits(CLOUD);
        let served = waits.begin("chat", at(10));
        let left = waits.begin("ingest", at(10));
        waits.serve(served);
        waits.give_up(left, at(20));
        assert_eq!((waits.count(), down(&mut waits, 900)), (0, vec![]));
    }

    #[test]
    fn a_caller_that_tries_again_soon_has_waited_all_the_time() {
        let mut waits = waits(CLOUD);
        for secs in [10, 100] {
            let visit = waits.begin("poll", at(secs));
            waits.give_up(visit, at(secs + 1));
        }
        waits.begin("poll", at(190));
        assert_eq!(down(&mut waits, 190), [(at(10), at(190))]);
        // A caller that stays away for longer begins anew.
        let visit = waits.begin("chat", at(200));
        waits.give_up(visit, at(201));
        waits.begin("chat", at(302));
        assert_eq!(down(&mut waits, 402), []);
    }

    #[test]
    fn an_address_ends_what_a_caller_waited_before() {
        let mut waits = waits(CLOUD);
        let (first, second) = (waits.begin("poll", at(10)), waits.begin("poll", at(20)));
        waits.give_up(first, at(21));
        waits.serve(second);
        waits.begin("poll", at(100));
        assert_eq!(down(&mut waits, 150), []);
    }
}
