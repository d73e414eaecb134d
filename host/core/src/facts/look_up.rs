//! Readings of instances by id. A scan by tag comes from another cache than a reading by id, and may
//! show for minutes what an instance was. So an instance that only scans have shown is read by id
//! before this host hands it out for the first time.

use super::{FailedReadings, WorkerFacts};
use crate::model::cloud::CloudError;
use crate::model::id::InstanceId;
use crate::model::instance::InstanceState;
use crate::model::time::{Instant, Millis};

/// How long readings by id may fail until a scan is enough. Callers that come back every two seconds
/// have tried a dozen times by then, and most scans have caught up with an instance that went down.
const LOOK_UPS_FAIL_MAX: Millis = Millis::from_secs(30);

impl WorkerFacts {
    /// Notes what a reading by id says of the instance; the reading is folded in already. A reading
    /// that another one overtook says nothing about the present life.
    pub(super) fn note_look_up(
        &mut self,
        id: &InstanceId,
        state: InstanceState,
        asked_at: Instant,
    ) {
        let Some(known) = self.instances.get_mut(id) else {
            return;
        };
        known.look_ups_failed = None;
        let is_after_doubt = known.doubted_at.is_none_or(|at| asked_at >= at);
        let is_newest = known.read_at == Some(asked_at);
        known.looked_up |= state.is_live() && is_newest && is_after_doubt;
    }

    /// Notes that a caller does not reach the instance: it is read by its id again before it is
    /// handed out. A row of failed readings continues, so that callers who report it again and again
    /// keep no instance out of service that scans show.
    pub(crate) fn doubt(&mut self, id: &InstanceId, now: Instant) {
        if let Some(known) = self.instances.get_mut(id) {
            known.doubted_at = Some(now);
            known.looked_up = false;
        }
    }

    /// Notes that a reading by id failed.
    pub(super) fn miss_instance(&mut self, id: &InstanceId, asked_at: Instant, error: &CloudError) {
        if let Some(known) = self.instances.get_mut(id) {
            FailedReadings::add(&mut known.look_ups_failed, asked_at, error);
        }
    }

    /// Whether the readings of the instance are enough to hand it out: one reading by id in this
    /// life, or else the scan that ends the [wait for one](Self::look_up_waits_until).
    pub(crate) fn is_confirmed(&self, id: &InstanceId, now: Instant) -> bool {
        let Some(known) = self.instances.get(id) else {
            return false;
        };
        let was_scanned_since = || {
            let (failed, read_at) = (known.look_ups_failed.as_ref()?, known.read_at?);
            let scan_interval = self.pool.limits.scan_interval;
            let is_fresh = now.since(read_at) <= scan_interval + scan_interval;
            let is_over = failed.lasted() >= LOOK_UPS_FAIL_MAX;
            Some(is_over && is_fresh && read_at >= failed.since)
        };
        known.looked_up || was_scanned_since().unwrap_or(false)
    }

    /// Whether the adopted instance runs by its last reading, and waits for a reading by id before it
    /// is handed out.
    pub(crate) fn awaits_look_up(&self, id: &InstanceId, now: Instant) -> bool {
        let known = self.adopted_instance();
        let runs = known.is_some_and(|it| it.instance.state == InstanceState::Running);
        self.is_adopted(id) && runs && !self.is_confirmed(id, now)
    }

    /// Until when the instance waits for a reading by id, if such readings fail; a complete scan that
    /// was asked for since the first failure is enough if one fails then as well. Otherwise a part of
    /// the provider's API that does not answer would keep a worker out of service that runs.
    pub(crate) fn look_up_waits_until(&self, id: &InstanceId) -> Option<Instant> {
        let failed = self.instances.get(id)?.look_ups_failed.as_ref()?;
        Some(failed.since + LOOK_UPS_FAIL_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{NOW, instance, worker};
    use crate::model::cloud::CloudErrorKind;

    const ONE: &str = "i-one";

    fn at(seconds: u64) -> Instant {
        NOW + Millis::from_secs(seconds)
    }

    fn one() -> InstanceId {
        InstanceId::from(ONE)
    }

    fn scan(worker: &mut WorkerFacts, state: InstanceState, asked_at: Instant) {
        worker.observe_scan(vec![instance(ONE, state)], asked_at);
    }

    #[test]
    fn a_scan_alone_confirms_no_instance() {
        let mut worker = worker();
        scan(&mut worker, InstanceState::Running, NOW);
        assert!(!worker.is_confirmed(&one(), at(60)));
        worker.observe_instance(instance(ONE, InstanceState::Running), at(61));
        assert!(worker.is_confirmed(&one(), at(61)));
        scan(&mut worker, InstanceState::Running, at(120));
        assert!(worker.is_confirmed(&one(), at(120)), "once in a life");
    }

    #[test]
    fn the_answer_to_a_launch_confirms_the_instance() {
        let mut worker = worker();
        worker.observe_instance(instance(ONE, InstanceState::Pending), NOW);
        scan(&mut worker, InstanceState::Running, at(20));
        assert!(worker.is_confirmed(&one(), at(20)));
    }

    #[test]
    fn another_life_is_confirmed_anew() {
        let mut worker = worker();
        worker.observe_instance(instance(ONE, InstanceState::Running), NOW);
        scan(&mut worker, InstanceState::Stopped, at(60));
        scan(&mut worker, InstanceState::Running, at(120));
        assert!(!worker.is_confirmed(&one(), at(120)));
        // Asked for before the stop was seen, and answered late.
        worker.observe_instance(instance(ONE, InstanceState::Running), at(59));
        assert!(!worker.is_confirmed(&one(), at(120)));
    }

    #[test]
    fn a_doubted_instance_is_confirmed_by_a_reading_asked_for_since() {
        let mut worker = worker();
        worker.observe_instance(instance(ONE, InstanceState::Running), NOW);
        worker.doubt(&one(), at(5));
        assert!(!worker.is_confirmed(&one(), at(5)));
        worker.observe_instance(instance(ONE, InstanceState::Running), at(4));
        assert!(!worker.is_confirmed(&one(), at(5)), "asked before");
        worker.observe_instance(instance(ONE, InstanceState::Running), at(5));
        assert!(worker.is_confirmed(&one(), at(6)));
    }

    fn miss(worker: &mut WorkerFacts, seconds: u64) {
        let error = CloudError {
            operation: "DescribeInstances".to_owned(),
            kind: CloudErrorKind::Throttled,
            code: "RequestLimitExceeded".to_owned(),
            message: "slow down".to_owned(),
            retry_after: None,
        };
        worker.miss_instance(&one(), at(seconds), &error);
    }

    #[test]
    fn a_failure_of_a_life_before_or_of_long_ago_ends_no_wait() {
        let mut worker = worker();
        worker.observe_instance(instance(ONE, InstanceState::Running), NOW);
        miss(&mut worker, 1);
        scan(&mut worker, InstanceState::Stopped, at(60));
        scan(&mut worker, InstanceState::Running, at(120));
        assert!(!worker.is_confirmed(&one(), at(120)));
        miss(&mut worker, 121);
        scan(&mut worker, InstanceState::Running, at(1_000));
        miss(&mut worker, 1_001);
        scan(&mut worker, InstanceState::Running, at(1_010));
        assert!(!worker.is_confirmed(&one(), at(1_010)));
    }

    #[test]
    fn failed_readings_by_id_are_waited_for_with_a_bound() {
        let mut worker = worker();
        scan(&mut worker, InstanceState::Running, NOW);
        miss(&mut worker, 1);
        miss(&mut worker, 20);
        scan(&mut worker, InstanceState::Running, at(25));
        assert!(
            !worker.is_confirmed(&one(), at(31)),
            "no reading has failed since"
        );
        miss(&mut worker, 31);
        assert!(worker.is_confirmed(&one(), at(31)));
        assert!(!worker.is_confirmed(&one(), at(600)), "the scan is old");
    }

    #[test]
    fn without_a_scan_since_the_first_failure_an_instance_waits() {
        let mut worker = worker();
        scan(&mut worker, InstanceState::Running, NOW);
        miss(&mut worker, 1);
        miss(&mut worker, 31);
        assert!(!worker.is_confirmed(&one(), at(31)));
    }
}
