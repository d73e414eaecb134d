//! Whose the instances are that this worker's scans and lookups show (G9): this fleet's, another
//! fleet's, or unclaimed. Every rule about the origin of an instance asks this module.

use super::{Adopted, How, KnownInstance, WorkerFacts};
use crate::model::id::InstanceId;
use crate::model::instance::{Instance, Owner};
use crate::model::time::Instant;

impl WorkerFacts {
    /// Whose the instance is, by this reading. A new instance may be shown without its tags for a
    /// while, so the one that the record says a host launched is ours unless its tags name another
    /// fleet.
    pub fn owner(&self, reading: &Instance) -> Owner {
        let launched = |it: &Adopted| it.id == reading.id && it.how == How::Launched;
        match reading.owner(&self.fleet) {
            Owner::Unclaimed if self.adopted.as_ref().is_some_and(launched) => Owner::Ours,
            owner => owner,
        }
    }

    /// Whether the instance carries this worker's tag, by its last reading.
    pub fn carries_tag(&self, known: &KnownInstance) -> bool {
        known.instance.tags.get(&self.pool.tag_key) == Some(&self.spec.tag_value)
    }

    /// Whether the instance is not this worker's, even if the worker's pointer or record names it:
    /// it is another worker's, another fleet's, or was this worker's and has lost the tag.
    pub fn is_outside(&self, known: &KnownInstance) -> bool {
        let is_foreign = matches!(self.owner(&known.instance), Owner::Foreign(_));
        is_foreign || self.names_another_worker(known) || self.has_lost_tag(known)
    }

    /// Whether a reading has shown that the instance is not this worker's.
    pub fn is_known_outside(&self, id: &InstanceId) -> bool {
        let known = self.instances.get(id);
        known.is_some_and(|known| self.is_outside(known))
    }

    /// Whether the host may act on the instance for this worker (G9): the instance carries the tag,
    /// or the worker's pointer or record names it, and no reading says that it is not the worker's.
    pub fn owns(&self, id: &InstanceId) -> bool {
        let Some(known) = self.instances.get(id) else {
            return false;
        };
        let is_pointed = matches!(&self.pointer, Some(Some(pointed)) if pointed == id);
        let is_named = is_pointed || self.is_adopted(id);
        (is_named || self.carries_tag(known)) && !self.is_outside(known)
    }

    /// Whether the pool lets the instance be ended: the adopted one, or another one that its
    /// `orphans` covers (G2).
    pub fn may_be_ended(&self, known: &KnownInstance) -> bool {
        let owner = self.owner(&known.instance);
        self.is_adopted(&known.instance.id) || self.pool.orphans.ends(&owner)
    }

    /// Whether the instance may be terminated, which cannot be undone (G9): this fleet launched it,
    /// or the fleet adopted it and the pool says `terminate_adopted`.
    pub fn may_be_terminated(&self, known: &KnownInstance) -> bool {
        let is_adopted = self.is_adopted(&known.instance.id);
        self.owner(&known.instance) == Owner::Ours || (is_adopted && self.pool.terminate_adopted)
    }

    /// The adopted instance, if readings say that it is not this worker's. The record then names an
    /// instance that the host may neither serve nor end.
    pub fn adopted_outside(&self) -> Option<&KnownInstance> {
        self.adopted_instance()
            .filter(|known| self.is_outside(known))
    }

    /// Whether the instance carries the pool's tag with another value.
    pub fn names_another_worker(&self, known: &KnownInstance) -> bool {
        let value = known.instance.tags.get(&self.pool.tag_key);
        value.is_some_and(|value| value != &self.spec.tag_value)
    }

    /// Whether readings have lacked the tag for the grace in which EC2's readings settle, after
    /// earlier ones showed it. An instance that was adopted by the pointer alone never had the tag.
    fn has_lost_tag(&self, known: &KnownInstance) -> bool {
        let settled = |since: Instant| since + self.pool.limits.not_visible_grace;
        let since = known.untagged_since;
        since.is_some_and(|since| known.read_at >= Some(settled(since)))
    }

    /// Notes in the instance whether the reading of `asked_at`, which is folded in, shows the tag.
    pub(super) fn note_tag(&mut self, id: &InstanceId, was_tagged: bool, asked_at: Instant) {
        let is_tagged = self.instances.get(id).map(|known| self.carries_tag(known));
        let Some(known) = self.instances.get_mut(id) else {
            return;
        };
        match is_tagged {
            Some(false) if was_tagged => known.untagged_since = Some(asked_at),
            Some(false) | None => {}
            Some(true) => known.untagged_since = None,
        }
    }
}

#[cfg(test)]
mod tests;
