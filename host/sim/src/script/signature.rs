//! What each incident does to a worker, told from the harm alone: how one that comes up by chance is recognised.

use reeve_core::time::Millis;

use crate::run::{Beside, Harm, Run};

/// The incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Incident {
    /// docs/incidents.md#stale-pointer: a stopped instance is started, because the pointer names it, beside a healthy one.
    StalePointer,
    /// docs/incidents.md#ip-race: a stopped instance is started, because the right one has no address yet.
    IpRace,
    /// docs/incidents.md#double-provision: one is launched beside the one that was just launched.
    DoubleProvision,
    /// docs/incidents.md#self-fire: a restart ends what the restart before has just brought up.
    SelfFire,
    /// docs/incidents.md#frozen-activity: one is stopped in mid-conversation.
    FrozenActivity,
}

/// What somebody else has launched so recently is in nobody's scan yet: the age that the guard allows a scan to have.
const UNSEEN_MAX: Millis = Millis::from_secs(10);

impl Incident {
    /// All five.
    pub const ALL: [Self; 5] = [
        Self::StalePointer,
        Self::IpRace,
        Self::DoubleProvision,
        Self::SelfFire,
        Self::FrozenActivity,
    ];

    /// Its id.
    pub fn name(self) -> &'static str {
        match self {
            Self::StalePointer => "stale-pointer",
            Self::IpRace => "ip-race",
            Self::DoubleProvision => "double-provision",
            Self::SelfFire => "self-fire",
            Self::FrozenActivity => "frozen-activity",
        }
    }

    /// The file of the policy that did it.
    pub fn legacy(self) -> String {
        format!("legacy-{}.wasm", self.name())
    }

    /// The harm of a run that is this incident's.
    pub fn shows_in(self, run: &Run) -> Option<&Harm> {
        run.harms.iter().find(|harm| self.is_of(harm))
    }

    fn is_of(self, harm: &Harm) -> bool {
        match (self, harm) {
            (Self::StalePointer, Harm::SecondInstance { is_new, beside, .. }) => {
                !is_new && beside.is_reachable && could_be_known(beside)
            }
            (Self::IpRace, Harm::SecondInstance { is_new, beside, .. }) => {
                !is_new && !beside.is_reachable && could_be_known(beside)
            }
            (Self::DoubleProvision, Harm::SecondInstance { is_new, beside, .. }) => {
                *is_new && beside.is_the_hosts
            }
            (
                Self::SelfFire,
                Harm::StoppedUnserved {
                    was_reachable,
                    is_the_hosts,
                    ..
                },
            ) => *is_the_hosts && !was_reachable,
            (Self::FrozenActivity, Harm::StoppedInUse { .. }) => true,
            _ => false,
        }
    }
}

fn could_be_known(beside: &Beside) -> bool {
    beside.is_the_hosts || beside.up_for >= UNSEEN_MAX
}
