//! What each incident does to a worker, told from the harm alone: how one that comes up by chance
//! is recognised.

use reeve_core::time::Millis;

use crate::run::{Harm, Other, Run};

/// The incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Incident {
    /// docs/incidents.md#stale-pointer: a stopped instance is started, because the pointer names
    /// it, while a healthy one runs.
    StalePointer,
    /// docs/incidents.md#ip-race: a stopped instance is started, because the right one has no
    /// address yet.
    IpRace,
    /// docs/incidents.md#double-provision: one is launched next to the one that was just launched.
    DoubleProvision,
    /// docs/incidents.md#self-fire: a restart ends what the restart before has just brought up.
    SelfFire,
    /// docs/incidents.md#frozen-activity: one is stopped in mid-conversation.
    FrozenActivity,
}

/// An instance that another program launched so recently is in no scan yet: the age that the guard
/// allows a scan to have.
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
            (Self::StalePointer, Harm::SecondInstance { is_new, other, .. }) => {
                !is_new && other.is_reachable && could_be_known(other)
            }
            (Self::IpRace, Harm::SecondInstance { is_new, other, .. }) => {
                !is_new && !other.is_reachable && could_be_known(other)
            }
            (Self::DoubleProvision, Harm::SecondInstance { is_new, other, .. }) => {
                *is_new && other.is_the_hosts
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

fn could_be_known(other: &Other) -> bool {
    other.is_the_hosts || other.up_for >= UNSEEN_MAX
}
