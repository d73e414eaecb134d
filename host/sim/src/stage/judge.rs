//! What the host does to the world, held against it: from outside, by the world alone.

use reeve_core::id::InstanceId;
use reeve_core::time::Millis;

use super::Stage;
use crate::run::{Harm, Other};
use crate::timeline::Entry;
use crate::world::{Happening, What};

/// An instance that has no address so long after its boot began will get none: an address takes
/// seconds (docs/incidents.md#ip-race), a boot half a minute.
const STUCK_AFTER: Millis = Millis::from_secs(300);

impl Stage<'_> {
    /// Holds what the host did to the world against it.
    pub(super) fn judge(&mut self) {
        for happening in self.host.world_mut().take_happened() {
            if let Some(harm) = self.harm_of(&happening) {
                let told = Entry::event(happening.at, "HARM", harm.to_string());
                self.run.entries.push(told);
                self.run.harms.push(harm);
            }
            if matches!(happening.what, What::Launched | What::Started) {
                self.addressed.remove(&happening.id);
            }
            self.run.deeds.push(happening);
        }
    }

    fn harm_of(&self, Happening { id, what, .. }: &Happening) -> Option<Harm> {
        match what {
            What::Launched | What::Started => {
                let other = self.up().find(|other| &other.id != id)?;
                Some(Harm::SecondInstance {
                    started: id.clone(),
                    is_new: *what == What::Launched,
                    other: Other {
                        id: other.id.clone(),
                        up_for: self.now.since(other.launched_at),
                        is_reachable: other.private_ip().is_some(),
                        is_the_hosts: self.is_the_hosts(&other.id),
                    },
                })
            }
            What::StopRequested | What::TerminateRequested => {
                let instance = self
                    .host
                    .world()
                    .instances()
                    .find(|instance| &instance.id == id)?;
                if let (Some(limit), Some(last)) = (self.idle_limit, instance.invocations.last()) {
                    let last_used_ago = self.now.since(*last);
                    return (last_used_ago < limit).then(|| Harm::StoppedInUse {
                        instance: id.clone(),
                        last_used_ago,
                    });
                }
                let unserved = instance.invocations.is_empty();
                // One next to the instance that serves is an orphan: ending it is the cure.
                let mut others = self.up().filter(|other| &other.id != id);
                let is_orphan = others.any(|other| !other.invocations.is_empty());
                // One that never comes up serves nobody: ending it is the cure, too.
                let was_reachable = self.addressed.contains(id);
                let age = self.now.since(instance.launched_at);
                let is_stuck = !was_reachable && age >= STUCK_AFTER;
                (unserved && !is_orphan && !is_stuck).then(|| Harm::StoppedUnserved {
                    instance: id.clone(),
                    was_reachable,
                    is_the_hosts: self.is_the_hosts(id),
                })
            }
            What::State(_) | What::Addressed => None,
        }
    }

    /// Whether the host has launched or started it.
    fn is_the_hosts(&self, id: &InstanceId) -> bool {
        let brought_up = |deed: &Happening| matches!(deed.what, What::Launched | What::Started);
        let mut deeds = self.run.deeds.iter();
        deeds.any(|deed| &deed.id == id && brought_up(deed))
    }
}
