//! What ails an instance: its software as probes find it, EC2's status checks, and events that EC2
//! schedules.

use reeve_core::health::{Check, Scheduled, StatusChecks};
use reeve_core::id::InstanceId;
use reeve_core::point::NoticeKind;
use reeve_core::time::Millis;

use super::{Stage, Which};
use crate::world::SoftwareFault;

/// What ails an instance. A restart of the instance ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ailment {
    /// Its software answers probes badly, or not.
    Software(SoftwareFault),
    /// One of EC2's status checks fails.
    StatusChecks,
    /// EC2 is going to do this to it, so much later.
    Scheduled(NoticeKind, Millis),
    /// EC2 announces in its metadata that it takes it back, and does so much later.
    Reclaimed(Millis),
}

impl Stage<'_> {
    /// Begins or ends an ailment of an instance. That of `newest` ends for the instance for which it
    /// began.
    pub(super) fn ail(&mut self, which: &Which, ailment: Ailment, begins: bool) {
        let begun = (which.clone(), ailment);
        let at = self.ailing.iter().position(|(ailing, _)| *ailing == begun);
        let known = match at.filter(|_| !begins) {
            Some(at) => Some(self.ailing.remove(at).1),
            None => self.which("cloud", which, "that could ail"),
        };
        let Some(id) = known else { return };
        let event = self.set_ailment(&id, ailment, begins);
        self.note("cloud", format!("{id} {event}"));
        if begins {
            self.ailing.push((begun, id));
        }
    }

    fn set_ailment(&mut self, id: &InstanceId, ailment: Ailment, begins: bool) -> String {
        let world = self.host.world_mut();
        match ailment {
            Ailment::Software(fault) => {
                world.set_software_fault(id, begins.then_some(fault));
                let how = match fault {
                    SoftwareFault::Refuses => "refuses connections".to_owned(),
                    SoftwareFault::Answers(status) => format!("answers HTTP {status}"),
                    SoftwareFault::Silent | SoftwareFault::Hangs => "does not answer".to_owned(),
                };
                match begins {
                    true => how,
                    false => "answers again".to_owned(),
                }
            }
            Ailment::StatusChecks => {
                let checks = StatusChecks {
                    instance: Check::Impaired,
                    system: Check::Ok,
                    scheduled: Vec::new(),
                };
                world.set_status_checks(id, begins.then_some(checks));
                match begins {
                    true => "fails its status checks".to_owned(),
                    false => "passes its status checks again".to_owned(),
                }
            }
            Ailment::Scheduled(kind, after) => {
                let at = world.now() + after;
                let checks = StatusChecks {
                    instance: Check::Ok,
                    system: Check::Ok,
                    scheduled: vec![Scheduled { kind, at }],
                };
                world.set_status_checks(id, Some(checks));
                format!("has a scheduled event: {kind:?} in {after}")
            }
            Ailment::Reclaimed(after) if begins => {
                self.announce_reclaim(id, after);
                format!("hears that it is taken back in {after}")
            }
            Ailment::Reclaimed(_) => {
                self.host.world_mut().reclaim(id);
                self.discard_world_events();
                "is taken back".to_owned()
            }
        }
    }
}
