//! The harm that identifies each incident. The swarm searches random stories for these harms.

use reeve_core::time::Millis;

use crate::run::{Harm, Other, Run};

/// An incident that comes with reeve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Incident {
    /// docs/incidents.md#stale-pointer: the host starts a stopped instance, because the pointer
    /// names it, while a healthy one runs.
    StalePointer,
    /// docs/incidents.md#ip-race: the host starts a stopped instance, because the right one has no
    /// address yet.
    IpRace,
    /// docs/incidents.md#double-provision: the host launches a second instance shortly after its
    /// first launch.
    DoubleProvision,
    /// docs/incidents.md#self-fire: a restart ends the instance that the previous restart launched
    /// or started.
    SelfFire,
    /// docs/incidents.md#frozen-activity: the host stops an instance that is in use.
    FrozenActivity,
}

/// An instance of another system may be missing from scans for this long after its launch. The
/// guard allows a scan to have this age.
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

    /// The id of the incident.
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

    /// Finds the first harm of a run that shows this incident.
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

/// Whether the host could have known of the other instance.
fn could_be_known(other: &Other) -> bool {
    other.is_the_hosts || other.up_for >= UNSEEN_MAX
}
