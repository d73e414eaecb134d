//! One instance: its last reading, and what the host remembers in addition.

use super::{FailedReadings, Orphan, RefusedEnds, Transit};
use crate::model::instance::{Instance, InstanceState};
use crate::model::time::{Instant, Millis};

/// How long a reading after a start may still show the state before it. EC2's readings lag its own
/// replies by seconds; half a minute is longer than the back-off example of the EC2 developer guide
/// waits.
const SETTLING: Millis = Millis::from_secs(30);

/// An instance: its last reading, and what the host remembers in addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInstance {
    /// The last reading.
    pub instance: Instance,
    /// When that reading was asked for; `None` before the first reading.
    pub read_at: Option<Instant>,
    /// The last state that the provider itself reported, and when that reading was asked for.
    /// `None` until the provider shows the instance.
    pub last_visible: Option<(InstanceState, Instant)>,
    /// When the host first read the instance in its present state.
    pub in_state_since: Instant,
    /// The state that the instance passes through, and when the first reading was asked for of the
    /// unbroken row of readings that show it; `None` if the last one shows no such state.
    pub transit: Option<(Transit, Instant)>,
    /// When this host last handed the instance out; `None` if it never did. See
    /// [`WorkerFacts::handed_out_at`](super::WorkerFacts::handed_out_at).
    pub handed_out: Option<Instant>,
    /// Whether a reading by id has shown this life of the instance up. A scan may show what the
    /// instance was minutes ago.
    pub looked_up: bool,
    /// The readings by id in this life that failed since the last one that succeeded.
    pub look_ups_failed: Option<FailedReadings>,
    /// When the last reading was asked for that shows the instance running with an address; `None`
    /// if none did.
    pub reachable_at: Option<Instant>,
    /// When the host last believed a caller that does not reach the instance. Earlier readings by id
    /// say nothing about it. `None` if it never did.
    pub doubted_at: Option<Instant>,
    /// When the provider accepted a start of the instance. Readings may say `stopped` or `stopping`
    /// for a while after that.
    pub start_accepted: Option<Instant>,
    /// When this host last sent a reboot that the provider accepted or did not answer; `None` if it
    /// sent none.
    pub reboot_sent: Option<Instant>,
    /// When the first reading was asked for of the unbroken row of readings that show the instance
    /// going down or down in one life; `None` if the last one does not. A provider that forgets the
    /// instance takes nothing back.
    pub down_since: Option<Instant>,
    /// Whether this host stopped or terminated the instance.
    pub ended_by_host: bool,
    /// The ends of this life that the provider refused.
    pub refused_ends: RefusedEnds,
    /// Since when readings lack the worker's tag, which an earlier one showed. `None` while the tag
    /// is shown, or if it never was.
    pub untagged_since: Option<Instant>,
    /// The instance as an orphan; `None` if the latest scan does not show it as one.
    pub orphan: Option<Orphan>,
}

impl KnownInstance {
    /// An instance seen for the first time.
    pub fn new(instance: Instance, read_at: Instant) -> Self {
        Self {
            last_visible: visible(instance.state).map(|state| (state, read_at)),
            transit: Transit::of(&instance).map(|transit| (transit, read_at)),
            reachable_at: instance.is_reachable().then_some(read_at),
            down_since: instance.state.is_down().then_some(read_at),
            instance,
            read_at: Some(read_at),
            in_state_since: read_at,
            handed_out: None,
            looked_up: false,
            look_ups_failed: None,
            doubted_at: None,
            start_accepted: None,
            reboot_sent: None,
            ended_by_host: false,
            refused_ends: RefusedEnds::default(),
            untagged_since: None,
            orphan: None,
        }
    }

    /// Whether the provider has reported `shutting-down` or `terminated`, which are final (V5).
    pub fn has_ended(&self) -> bool {
        self.last_visible.is_some_and(|(state, _)| state.is_final())
    }

    /// Whether the provider reported such a final state last, less than `within` before `now`.
    pub fn ended_within(&self, within: Millis, now: Instant) -> bool {
        self.last_visible
            .is_some_and(|(state, asked_at)| state.is_final() && now.since(asked_at) < within)
    }

    /// Whether the instance is up, boots, or may do so. `started` is when its latest start was
    /// accepted.
    pub fn may_be_live(
        &self,
        now: Instant,
        not_visible_grace: Millis,
        started: Option<Instant>,
    ) -> bool {
        match self.instance.state {
            InstanceState::Pending | InstanceState::Running | InstanceState::Unknown => true,
            // An instance that was read going down and is not shown is gone. Any other instance may
            // be shown late.
            InstanceState::NotVisible => {
                !self.was_seen_down(started) && now.since(self.in_state_since) < not_visible_grace
            }
            InstanceState::Stopping
            | InstanceState::Stopped
            | InstanceState::ShuttingDown
            | InstanceState::Terminated => false,
        }
    }

    /// Whether the last state that the provider showed is one of going down, and is not the state
    /// before the latest start.
    fn was_seen_down(&self, started: Option<Instant>) -> bool {
        let Some((state, asked_at)) = self.last_visible else {
            return false;
        };
        let precedes_start = may_precede_start(state)
            && started.is_some_and(|started| start_settles(started, asked_at));
        state.is_down() && !precedes_start
    }
}

/// Whether a reading in this state may show the instance before its start. An instance is `stopped`
/// when it is started, and was `stopping` a moment before.
pub(super) fn may_precede_start(state: InstanceState) -> bool {
    matches!(state, InstanceState::Stopping | InstanceState::Stopped)
}

/// Whether a reading that [may precede a start](may_precede_start) proves nothing, because it was
/// asked for before the start or less than [`SETTLING`] after it. The age of the reading does not
/// matter.
pub(super) fn start_settles(started: Instant, asked_at: Instant) -> bool {
    asked_at.since(started) < SETTLING
}

/// The state, if the provider itself reports it.
pub(super) fn visible(state: InstanceState) -> Option<InstanceState> {
    let ours = matches!(state, InstanceState::NotVisible | InstanceState::Unknown);
    (!ours).then_some(state)
}
