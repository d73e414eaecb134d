//! States that an instance passes through, each with a bound (V1): `pending`, `running` without an
//! address, and `stopping`. This module says since when readings show such a state, and when the
//! instance is overdue.

use super::{Adopted, How, KnownInstance, WorkerFacts};
use crate::model::compute::Ending;
use crate::model::id::InstanceId;
use crate::model::instance::{Instance, InstanceState};
use crate::model::spec::Limits;
use crate::model::time::{Instant, Millis};

/// A state that an instance passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transit {
    /// The instance boots.
    Pending,
    /// The instance runs and has no address.
    NoAddress,
    /// The instance is on its way to `stopped`.
    Stopping,
}

impl Transit {
    /// The state that this reading shows; `None` if the instance passes through none.
    pub fn of(reading: &Instance) -> Option<Self> {
        match reading.state {
            InstanceState::Pending => Some(Self::Pending),
            InstanceState::Running if !reading.is_reachable() => Some(Self::NoAddress),
            InstanceState::Stopping => Some(Self::Stopping),
            _ => None,
        }
    }

    /// How long the state may last in a pool with these limits.
    fn bound(self, limits: &Limits) -> Millis {
        match self {
            Self::Pending => limits.launch_timeout,
            Self::NoAddress => limits.address_timeout,
            Self::Stopping => limits.stopping_timeout,
        }
    }

    /// The state in words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::NoAddress => "running without an address",
            Self::Stopping => "stopping",
        }
    }
}

/// How long the host waits for an address although `retry-ip` has abandoned it. An address takes 1 to
/// 5 s (docs/incidents.md#ip-race), and the end of an instance costs a boot.
const ABANDON_MIN: Millis = Millis::from_secs(60);

/// An instance whose state has lasted longer than its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The state.
    pub transit: Transit,
    /// When the bound began: with the first reading of the state, or with the adoption if that was
    /// later.
    pub since: Instant,
}

impl Overdue {
    /// How such an instance is ended. Nothing on an instance that was launched and never came up is
    /// lost with it, so it is terminated. Another one that runs is stopped, because its disks may
    /// be of use. A pending instance cannot be stopped (EC2 user guide, "Instance lifecycle").
    pub fn ending(self, how: How) -> Ending {
        match (self.transit, how) {
            (Transit::Pending, _) | (_, How::Launched) => Ending::Terminate,
            (_, How::Started | How::Found) => Ending::Stop,
        }
    }
}

/// A check of an overdue adopted instance. The host reads the record first, then the instance by
/// its id: scans may show an old state for minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverdueCheck {
    /// The adoption that the check is about.
    pub adopted: Adopted,
    /// When the check began, with the reading of the record.
    pub begun: Instant,
    /// When the cloud was asked, after the record was read; `None` before that.
    pub cloud_asked: Option<Instant>,
    /// The reading by id after that, and when it was asked for.
    pub reading: Option<(Instance, Instant)>,
}

impl KnownInstance {
    /// Notes which state a reading shows, before the reading replaces the last one. A reading in
    /// which the provider does not show the instance proves nothing about the state. A later launch
    /// time is another boot.
    pub(super) fn note_transit(&mut self, reading: &Instance, asked_at: Instant) {
        if matches!(
            reading.state,
            InstanceState::NotVisible | InstanceState::Unknown
        ) {
            return;
        }
        let is_same_boot = reading.launched_at == self.instance.launched_at;
        let transit = Transit::of(reading);
        self.transit = transit.map(|transit| match self.transit {
            Some((before, since)) if before == transit && is_same_boot => (transit, since),
            _ => (transit, asked_at),
        });
    }
}

impl WorkerFacts {
    /// When the worker's box last worked, at this instant or later; `None` if it did not. Heartbeats
    /// alone prove work only where they count as use.
    pub(crate) fn worked_since(&self, since: Instant) -> Option<Instant> {
        let activity = self.record.activity();
        let heartbeat_at = activity.heartbeat_at;
        heartbeat_at
            .filter(|_| self.pool.heartbeats_are_use)
            .max(activity.delivered_at)
            .max(activity.processed_at)
            .filter(|at| *at >= since)
    }

    /// How long an instance may be in this state. A verdict of `retry-ip` shortens the wait for the
    /// address of the adopted one.
    pub fn bound_of(&self, transit: Transit) -> Millis {
        let bound = transit.bound(&self.pool.limits);
        let adopted = self.adopted.as_ref();
        let is_abandoned = |(id, since): &(InstanceId, Instant)| {
            adopted.is_some_and(|it| (&it.id, it.since) == (id, *since))
        };
        match transit == Transit::NoAddress && self.abandoned.as_ref().is_some_and(is_abandoned) {
            true => bound.min(ABANDON_MIN),
            false => bound,
        }
    }

    /// The state that the adopted instance passes through, and when its bound ends.
    pub fn transit_ends_at(&self) -> Option<(Transit, Instant)> {
        let adopted = self.adopted.as_ref()?;
        let (transit, since) = self.transit_of(&adopted.id)?;
        Some((transit, since + self.bound_of(transit)))
    }

    /// The state that the instance has been in for longer than its bound, by a row of readings
    /// whose last one was asked for after the bound.
    pub fn overdue(&self, id: &InstanceId) -> Option<Overdue> {
        let (transit, since) = self.transit_of(id)?;
        let read_at = self.instances.get(id)?.read_at?;
        let is_over = read_at.since(since) >= self.bound_of(transit);
        is_over.then_some(Overdue { transit, since })
    }

    /// The state that the last reading shows the instance in, and when its bound began. Readings
    /// that may show the state before a start prove nothing.
    fn transit_of(&self, id: &InstanceId) -> Option<(Transit, Instant)> {
        let known = self.instances.get(id)?;
        let (transit, since) = known.transit?;
        let adopted = self.adopted.as_ref().filter(|it| &it.id == id);
        let settles = adopted.is_some() && self.start_settles_since().is_some();
        if settles || Transit::of(&known.instance) != Some(transit) {
            return None;
        }
        let adopted_since = adopted.map(|adopted| adopted.since);
        Some((transit, adopted_since.map_or(since, |at| at.max(since))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{NOW, adopt, instance, worker};

    const ONE: &str = "i-one";

    fn at(seconds: u64) -> Instant {
        NOW + Millis::from_secs(seconds)
    }

    /// The state that these readings leave the adopted instance overdue in.
    fn overdue(readings: &[(u64, InstanceState)]) -> Option<Transit> {
        let mut worker = worker();
        adopt(&mut worker, ONE);
        for (seconds, state) in readings {
            let mut reading = instance(ONE, *state);
            reading.private_ip = None;
            worker.observe_instance(reading, at(*seconds));
        }
        let overdue = worker.overdue(&InstanceId::from(ONE));
        overdue.map(|overdue| overdue.transit)
    }

    #[test]
    fn a_state_is_overdue_when_a_reading_after_its_bound_shows_it() {
        use InstanceState::{Pending, Running, Stopping};
        let limits = Limits::default();
        for (state, transit) in [
            (Pending, Transit::Pending),
            (Running, Transit::NoAddress),
            (Stopping, Transit::Stopping),
        ] {
            let bound = transit.bound(&limits).get() / 1000;
            assert_eq!(overdue(&[(0, state), (bound - 1, state)]), None);
            assert_eq!(overdue(&[(0, state), (bound, state)]), Some(transit));
            assert_eq!(overdue(&[(bound, state)]), None, "one reading is no row");
        }
    }

    #[test]
    fn another_state_in_between_begins_the_row_anew() {
        use InstanceState::{NotVisible, Pending, Stopped};
        let late = Limits::default().launch_timeout.get() / 1000;
        let row = |between| overdue(&[(0, Pending), (9, between), (late, Pending)]);
        assert_eq!(row(Stopped), None);
        assert_eq!(row(NotVisible), Some(Transit::Pending), "proves nothing");
    }

    #[test]
    fn an_instance_that_is_not_shown_any_more_is_not_overdue() {
        use InstanceState::{NotVisible, Pending};
        let late = Limits::default().launch_timeout.get() / 1000;
        assert_eq!(overdue(&[(0, Pending), (late, NotVisible)]), None);
    }

    #[test]
    fn the_bound_begins_anew_with_a_boot_and_with_an_adoption() {
        let bound = Limits::default().launch_timeout;
        let mut worker = worker();
        adopt(&mut worker, ONE);
        let read = |worker: &mut WorkerFacts, launched: Instant, asked_at: Instant| {
            let mut reading = instance(ONE, InstanceState::Pending);
            reading.launched_at = Some(launched);
            worker.observe_instance(reading, asked_at);
            worker.overdue(&InstanceId::from(ONE))
        };
        read(&mut worker, NOW, NOW);
        assert_eq!(read(&mut worker, at(1), NOW + bound), None);
        assert!(read(&mut worker, at(1), NOW + bound + bound).is_some());
        worker.adopted.as_mut().unwrap().since = at(60) + bound;
        assert_eq!(read(&mut worker, at(1), NOW + bound + bound), None);
    }
}
