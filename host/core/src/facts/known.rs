//! One instance as the host remembers it.

use super::Orphan;
use crate::model::instance::{Instance, InstanceState};
use crate::model::time::{Instant, Millis};

/// EC2's readings lag its own replies by seconds; half a minute is well beyond what the developer guide's back-off
/// example waits.
const SETTLING: Millis = Millis::from_secs(30);

/// An instance and what the host remembers beside its last reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The last reading.
    pub instance: Instance,
    /// When that reading was asked for; `None` when nothing was read yet.
    pub read_at: Option<Instant>,
    /// The last state the provider itself gave, and when that reading was asked for; `None` while it has shown
    /// nothing of it.
    pub last_visible: Option<(InstanceState, Instant)>,
    /// When the host first saw it in this state.
    pub in_state_since: Instant,
    /// When this host last handed it out; `None`: never. See [`Worker::handed_out_at`](super::Worker::handed_out_at).
    pub handed_out: Option<Instant>,
    /// When a start of it was accepted: for a while readings may still say `stopped` or `stopping`.
    pub start_accepted: Option<Instant>,
    /// Whether the host itself stopped or terminated it.
    pub ended_by_host: bool,
    /// Since when it has been an orphan; `None`: by the latest scan it is none.
    pub orphan: Option<Orphan>,
}

impl Known {
    /// An instance seen for the first time.
    pub fn new(instance: Instance, read_at: Instant) -> Self {
        Self {
            last_visible: visible(instance.state).map(|state| (state, read_at)),
            instance,
            read_at: Some(read_at),
            in_state_since: read_at,
            handed_out: None,
            start_accepted: None,
            ended_by_host: false,
            orphan: None,
        }
    }

    /// Whether the provider has said that it is gone for good, or on its way there.
    pub fn has_ended(&self) -> bool {
        self.last_visible.is_some_and(|(state, _)| state.is_final())
    }

    /// Whether the provider said so last within this time before `now`.
    pub fn ended_within(&self, within: Millis, now: Instant) -> bool {
        self.last_visible
            .is_some_and(|(state, asked_at)| state.is_final() && now.since(asked_at) < within)
    }

    /// Whether it is up, coming up, or cannot be said not to be. `started` is when its latest start was accepted.
    pub fn may_be_live(
        &self,
        now: Instant,
        not_visible_grace: Millis,
        started: Option<Instant>,
    ) -> bool {
        match self.instance.state {
            InstanceState::Pending | InstanceState::Running | InstanceState::Unknown => true,
            // What was seen going down and is shown no more is gone; anything else may only be late.
            InstanceState::NotVisible => {
                !self.was_seen_down(started) && now.since(self.in_state_since) < not_visible_grace
            }
            InstanceState::Stopping
            | InstanceState::Stopped
            | InstanceState::ShuttingDown
            | InstanceState::Terminated => false,
        }
    }

    /// Whether the last that the provider showed of it is that it goes down, and not how it was before its start.
    fn was_seen_down(&self, started: Option<Instant>) -> bool {
        let Some((state, asked_at)) = self.last_visible else {
            return false;
        };
        let precedes_start = may_precede_start(state)
            && started.is_some_and(|started| start_settles(started, asked_at));
        state.is_down() && !precedes_start
    }
}

/// Whether a reading may show the instance as it was before its start: one that is started again is stopped, and was on
/// its way there a moment before.
pub(super) fn may_precede_start(state: InstanceState) -> bool {
    matches!(state, InstanceState::Stopping | InstanceState::Stopped)
}

/// Whether a reading that [may precede a start](may_precede_start) proves nothing, because it was asked for before the
/// start or so soon after it. It proves no more by growing old.
pub(super) fn start_settles(started: Instant, asked_at: Instant) -> bool {
    asked_at.since(started) < SETTLING
}

/// The state, if it is the provider's own word.
pub(super) fn visible(state: InstanceState) -> Option<InstanceState> {
    let ours = matches!(state, InstanceState::NotVisible | InstanceState::Unknown);
    (!ours).then_some(state)
}
