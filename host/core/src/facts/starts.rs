//! Starts that fail: which stopped instances the host has given up, and until when (V3).

use super::{How, WorkerFacts};
use crate::model::id::InstanceId;
use crate::model::instance::{InstanceState, StateReason};
use crate::model::store::FailedStarts;
use crate::model::time::{Instant, Millis};

/// The pause after a start was given up: as long as the standard policy first waits for capacity.
/// The pause doubles with each further failure.
const PAUSE_FIRST: Millis = Millis::from_secs(60);
/// The longest pause. A zone that had no capacity for hours may have some within the next hour.
const PAUSE_MAX: Millis = Millis::from_secs(3_600);
/// More doublings than the longest pause has.
const DOUBLINGS_MAX: u32 = 6;

impl WorkerFacts {
    /// Until when the host does not start this stopped instance, because its starts keep failing;
    /// `None` if it may be started.
    pub fn given_up_until(&self, id: &InstanceId, now: Instant) -> Option<Instant> {
        let until = self.failed_starts.get(id)?.given_up_until?;
        (now < until).then_some(until)
    }

    /// Whether policies do not get to see the instance, so that they have another one launched: its
    /// start was given up, or its stop has no end.
    pub(crate) fn is_passed_over(&self, id: &InstanceId, now: Instant) -> bool {
        let state = self.instances.get(id).map(|known| known.instance.state);
        let is_stuck = match state {
            Some(InstanceState::Stopping) => self.overdue(id).is_some(),
            Some(InstanceState::Stopped) => self.given_up_until(id, now).is_some(),
            _ => false,
        };
        is_stuck && !self.pool.launch.is_empty() && !self.is_adopted(id)
    }

    /// When the start of the adopted instance was accepted that fell back: the instance is
    /// `stopped` again without an address in between, no later than a boot may take, and no host has
    /// counted it yet. A stop by request after the start is not the instance's own fault; the reason
    /// for the stop before the start says nothing.
    pub(crate) fn fallen_back(&self) -> Option<(InstanceId, Instant)> {
        let adopted = self.adopted.as_ref().filter(|it| it.how == How::Started)?;
        let known = self.adopted_instance()?;
        let reason = self.reason_down(&adopted.id);
        let is_by_request =
            self.is_read_since_brought_up() && reason.is_some_and(StateReason::is_by_request);
        let is_stopped = known.instance.state == InstanceState::Stopped && !is_by_request;
        let came_up = known.reachable_at >= Some(adopted.since);
        if !is_stopped || came_up || self.start_settles_since().is_some() {
            return None;
        }
        let is_soon = known.read_at?.since(adopted.since) <= self.pool.limits.launch_timeout;
        let counted = self.failed_starts.get(&adopted.id);
        let is_counted = counted.is_some_and(|starts| starts.fell_back == Some(adopted.since));
        (is_soon && !is_counted).then(|| (adopted.id.clone(), adopted.since))
    }

    /// Gives up the start of an instance for the first pause, without a start that failed.
    pub(crate) fn give_up_start(&mut self, id: &InstanceId, now: Instant) {
        let starts = self.failed_starts.entry(id.clone());
        let starts = starts.or_insert(FailedStarts {
            since: now,
            ..FailedStarts::default()
        });
        starts.given_up_until = starts.given_up_until.max(Some(now + PAUSE_FIRST));
    }

    /// Counts a failed start. Returns the count, and whether the host gives the start up with it.
    /// Instances that the host no longer knows are dropped.
    pub(crate) fn count_failed_start(&mut self, id: &InstanceId, now: Instant) -> (u32, bool) {
        let limits = &self.pool.limits;
        let (most, most_time) = (limits.start_failures_max, limits.start_give_up);
        let known = &self.instances;
        self.failed_starts
            .retain(|it, _| it == id || known.contains_key(it));
        let starts = self
            .failed_starts
            .entry(id.clone())
            .or_insert(FailedStarts {
                since: now,
                ..FailedStarts::default()
            });
        starts.count = starts.count.saturating_add(1);
        let is_given_up = starts.count >= most || now.since(starts.since) >= most_time;
        if is_given_up {
            let doublings = starts.count.saturating_sub(most).min(DOUBLINGS_MAX);
            let pause = Millis::new(PAUSE_FIRST.get() << doublings).min(PAUSE_MAX);
            starts.given_up_until = Some(now + pause);
        }
        (starts.count, is_given_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{NOW, adopt, instance, see, worker};

    fn one() -> InstanceId {
        InstanceId::from("i-one")
    }

    #[test]
    fn a_start_is_given_up_after_its_failures_or_its_time() {
        let mut worker = worker();
        assert_eq!(worker.count_failed_start(&one(), NOW), (1, false));
        assert_eq!(worker.count_failed_start(&one(), NOW), (2, false));
        assert_eq!(worker.given_up_until(&one(), NOW), None);
        assert_eq!(worker.count_failed_start(&one(), NOW), (3, true));
        let until = NOW + PAUSE_FIRST;
        assert_eq!(worker.given_up_until(&one(), NOW), Some(until));
        assert_eq!(worker.given_up_until(&one(), until), None, "it may return");

        worker.failed_starts.clear();
        let late = NOW + worker.pool.limits.start_give_up;
        worker.count_failed_start(&one(), NOW);
        assert_eq!(worker.count_failed_start(&one(), late), (2, true));
    }

    #[test]
    fn a_start_without_effect_counts_although_the_stop_before_was_requested() {
        let by_request = Some(StateReason {
            code: "Client.UserInitiatedShutdown".to_owned(),
            text: String::new(),
        });
        let fallen_back = |launched_at: Option<Instant>| {
            let mut worker = worker();
            let mut stopped = instance("i-one", InstanceState::Stopped);
            stopped.state_reason = by_request.clone();
            stopped.launched_at = launched_at;
            worker.observe_instance(stopped, NOW + Millis::from_secs(60));
            adopt(&mut worker, "i-one");
            let adopted = worker.adopted.as_mut().unwrap();
            adopted.how = How::Started;
            adopted.launched_before = Some(Instant::from_ms(5));
            worker.fallen_back().is_some()
        };
        assert!(fallen_back(Some(Instant::from_ms(5))));
        assert!(!fallen_back(Some(NOW)), "another program stopped it");
    }

    #[test]
    fn an_instance_that_had_an_address_since_its_start_did_not_fall_back() {
        let fell_back = |address: Option<&str>| {
            let mut worker = worker();
            adopt(&mut worker, "i-one");
            worker.adopted.as_mut().unwrap().how = How::Started;
            let mut up = instance("i-one", InstanceState::Running);
            up.private_ip = address.map(|ip| ip.parse().unwrap());
            worker.observe_instance(up, NOW + Millis::from_secs(40));
            let stopped = instance("i-one", InstanceState::Stopped);
            worker.observe_instance(stopped, NOW + Millis::from_secs(60));
            worker.fallen_back().is_some()
        };
        assert!(fell_back(None));
        assert!(!fell_back(Some("10.0.0.1")));
    }

    #[test]
    fn the_pause_after_a_given_up_start_grows_to_an_hour() {
        let mut worker = worker();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            worker.count_failed_start(&one(), NOW);
            let until = worker.given_up_until(&one(), NOW);
            pauses.extend(until.map(|until| until.since(NOW).get() / 60_000));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn a_given_up_instance_is_hidden_only_where_another_can_be_launched() {
        let mut worker = worker();
        see(&mut worker, "i-one", InstanceState::Stopped);
        for _ in 0..3 {
            worker.count_failed_start(&one(), NOW);
        }
        assert!(worker.is_passed_over(&one(), NOW));
        worker.pool.launch.clear();
        assert!(!worker.is_passed_over(&one(), NOW));
    }
}
