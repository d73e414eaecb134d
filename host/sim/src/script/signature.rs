//! The harm that each incident does to a worker. The harm alone shows an incident in a random
//! story.

use reeve_core::time::Millis;

use crate::run::{Harm, Other, Run};

/// The incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Incident {
    /// docs/incidents.md#stale-pointer: the host starts a stopped instance, because the pointer
    /// names it, while a healthy one runs.
    StalePointer,
    /// docs/incidents.md#ip-race: the host starts a stopped instance, because the right one has no
    /// address yet.
    IpRace,
    /// docs/incidents.md#double-provision: the host launches a second instance next to the one it
    /// has just launched.
    DoubleProvision,
    /// docs/incidents.md#self-fire: a restart ends the instance that the restart before has just
    /// brought up.
    SelfFire,
    /// docs/incidents.md#frozen-activity: the host stops an instance in mid-conversation.
    FrozenActivity,
}

/// An instance that another program launched this recently may be in no scan yet. The guard allows
/// a scan to have this age.
const UNSEEN_MAX: Millis = Millis::from_secs(10);

impl Incident {
    /// All incidents.
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

    /// The file of the policy that caused the incident.
    pub fn legacy(self) -> String {
        format!("legacy-{}.wasm", self.name())
    }

    /// The harm in a run that shows this incident.
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
