//! The judge: finds the harm in the host's mutations. It reads the world's events only, and no state
//! of the host.

use reeve_core::id::InstanceId;
use reeve_core::instance::TAG_FLEET;
use reeve_core::response::Route;
use reeve_core::time::Millis;

use super::Stage;
use crate::incidents;
use crate::run::{Harm, Other};
use crate::timeline::Entry;
use crate::world::{Asked, EventKind, SimInstance, WorldEvent};

/// An instance that has no address so long after its boot began will get none: an address takes
/// seconds (docs/incidents.md#ip-race), a boot half a minute.
const STUCK_AFTER: Millis = Millis::from_secs(300);

/// How long an answer may be repeated: the standard policy's `serve_valid_ms`.
const REPEATED: Millis = Millis::from_secs(30);
/// How long a reading by id may take until it is acted on.
const READING: Millis = Millis::from_secs(5);

/// How long after a person's request a restart may try to end its instance. It has failed by then.
const RESTART_ENDS: Millis = Millis::from_secs(120);

impl Stage<'_> {
    /// Judges the events since the last call. All of them are mutations by the host, because
    /// [`record_world_events`](Stage::record_world_events) and
    /// [`discard_world_events`](Stage::discard_world_events) take the others.
    pub(super) fn judge(&mut self) {
        for event in self.host.world_mut().take_events() {
            let harm = self.harm_of(&event);
            if is_end(&event.kind) {
                self.restart_by_hand = None;
            }
            if let Some(harm) = harm {
                let entry = Entry::event(event.at, "HARM", harm.to_string());
                self.run.entries.push(entry);
                self.run.harms.push(harm);
            }
            if matches!(event.kind, EventKind::Launched | EventKind::Started) {
                self.addressed.remove(&event.id);
            }
            self.run.mutations.push(event);
        }
    }

    /// Judges the hand-out of an instance, before its request reaches the instance. The host could
    /// not have known of an end while look-ups by id get no answer.
    pub(super) fn judge_hand_out(&mut self, route: &Route) {
        if self.trouble.unanswered.contains(&Asked::Instance) {
            return;
        }
        let id = &route.instance;
        let instance = self.host.world().instance(id);
        let is_first =
            instance.is_some_and(|it| !it.invocations.iter().any(|at| *at >= it.launched_at));
        let down_since = instance.and_then(|it| it.down_since);
        // The address of an earlier life answers no longer.
        let moved_at = instance
            .filter(|it| has_moved(it, route))
            .map(|it| it.launched_at);
        let down_for = down_since.or(moved_at).map(|at| self.now.since(at));
        let doubted_at = self.doubted.get(id).filter(|at| down_since <= Some(**at));
        let is_doubted = doubted_at.is_some_and(|at| self.now.since(*at) >= READING);
        let most = match is_first || is_doubted {
            true => READING,
            false => REPEATED + READING,
        };
        let could_be_known = instance.is_none() || down_for.is_some_and(|it| it >= most);
        if could_be_known {
            let instance = id.clone();
            let harm = Harm::DeadAddress { instance, down_for };
            let entry = Entry::event(self.now, "HARM", harm.to_string());
            self.run.entries.push(entry);
            self.run.harms.push(harm);
        }
    }

    fn harm_of(&self, WorldEvent { id, kind, .. }: &WorldEvent) -> Option<Harm> {
        match kind {
            EventKind::Launched | EventKind::Started => {
                let mut others = self.up().filter(|other| self.is_of_worker(other));
                let other = others.find(|other| &other.id != id)?;
                Some(Harm::SecondInstance {
                    started: id.clone(),
                    is_new: *kind == EventKind::Launched,
                    other: Other {
                        id: other.id.clone(),
                        up_for: self.now.since(other.launched_at),
                        is_reachable: other.private_ip().is_some(),
                        is_the_hosts: self.is_the_hosts(&other.id),
                    },
                })
            }
            EventKind::StopRequested | EventKind::TerminateRequested => {
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
                // An unserved instance next to one that serves is an orphan, and the host must end
                // it.
                let mut others = self.up().filter(|other| &other.id != id);
                let is_orphan = others.any(|other| !other.invocations.is_empty());
                // One that never comes up serves no caller: its end is the cure, too.
                let was_reachable = self.addressed.contains(id);
                let age = self.now.since(instance.launched_at);
                let is_stuck = !was_reachable && age >= STUCK_AFTER;
                // A person who asks for a restart wants the end of what runs.
                let asked_at = self.restart_by_hand;
                let is_asked_for = asked_at.is_some_and(|at| self.now.since(at) <= RESTART_ENDS);
                (unserved && !is_orphan && !is_stuck && !is_asked_for).then(|| {
                    Harm::StoppedUnserved {
                        instance: id.clone(),
                        was_reachable,
                        is_the_hosts: self.is_the_hosts(id),
                    }
                })
            }
            EventKind::RebootRequested
            | EventKind::Rebooted
            | EventKind::State(_)
            | EventKind::Addressed => None,
        }
    }

    /// Whether the instance has the worker's tag and is of no other fleet, so that the host has to
    /// reckon with it.
    pub(super) fn is_of_worker(&self, instance: &SimInstance) -> bool {
        let (key, value) = &self.tag;
        let fleet = instance.tags.get(TAG_FLEET);
        instance.tags.get(key) == Some(value)
            && fleet.is_none_or(|it| *it == incidents::fleet().name)
    }

    /// Whether the host launched or started the instance.
    fn is_the_hosts(&self, id: &InstanceId) -> bool {
        let brought_up = |mutation: &WorldEvent| {
            matches!(mutation.kind, EventKind::Launched | EventKind::Started)
        };
        let mut mutations = self.run.mutations.iter();
        mutations.any(|mutation| &mutation.id == id && brought_up(mutation))
    }
}

fn is_end(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::StopRequested | EventKind::TerminateRequested
    )
}

/// Whether the instance has addresses, and the route has none of them.
fn has_moved(instance: &SimInstance, route: &Route) -> bool {
    let addresses = [instance.private_ip(), instance.public_ip()];
    let is_of = |ip: &std::net::IpAddr| route.url.starts_with(&format!("http://{ip}:"));
    instance.private_ip().is_some() && !addresses.iter().flatten().any(is_of)
}
