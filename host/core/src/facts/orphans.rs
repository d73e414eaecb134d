//! Orphans: live instances that carry the worker's tag and are not the adopted one (G2). This
//! module says where an orphan comes from, since when scans have shown it, and what the check
//! before its end found.

use std::collections::BTreeMap;

use super::{Adopted, KnownInstance, WorkerFacts};
use crate::model::cloud::{Mutation, Query, Reading};
use crate::model::compute::Ending;
use crate::model::id::{Generation, InstanceId};
use crate::model::instance::{Instance, Owner};
use crate::model::store::Intent;
use crate::model::time::Instant;

/// Where an orphan comes from. The origin decides whether and how the orphan is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whose the orphan is; never a foreign one.
    pub owner: Owner,
    /// The generation that reeve launched it as for this worker. `None` if another program launched
    /// it, or reeve launched it for another worker.
    pub generation: Option<Generation>,
}

impl Origin {
    /// How such an orphan is ended. An instance that this fleet launched for this worker is
    /// terminated. Any other instance is only stopped, where a stop can be undone.
    pub fn ending(&self) -> Ending {
        match (&self.owner, self.generation) {
            (Owner::Ours, Some(_)) => Ending::Terminate,
            _ => Ending::Stop,
        }
    }
}

/// What the host remembers about an orphan. Only scans mark an instance as an orphan, and the first
/// scan that does not show it as one clears the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// When the first scan was asked for of the unbroken row of scans that show the orphan.
    pub since: Instant,
    /// The origin that all these scans show.
    pub origin: Origin,
    /// The adoption that was in force during all these scans.
    pub adopted: Adopted,
}

/// The check of one orphan whose grace is over. The host reads the record first, then the cloud.
/// What another host did before the record was read shows in the record or in the cloud. What
/// another host does later makes the write of the intent fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanCheck {
    /// The orphan.
    pub id: InstanceId,
    /// When the check began, with the reading of the record.
    pub begun: Instant,
    /// When the cloud was asked, after the record was read; `None` before that.
    pub cloud_asked: Option<Instant>,
    /// Whether the pointer was read after that.
    pub pointer_read: bool,
    /// Whether the adopted instance was read by its id after that.
    pub adopted_read: bool,
    /// The reading of the orphan by its id after that, and when it was asked for.
    pub reading: Option<(Instance, Instant)>,
}

impl OrphanCheck {
    /// A check that begins at `begun`.
    pub fn new(id: InstanceId, begun: Instant) -> Self {
        Self {
            id,
            begun,
            cloud_asked: None,
            pointer_read: false,
            adopted_read: false,
            reading: None,
        }
    }

    /// Takes in a reading of the cloud that was asked for after the record was read. Earlier
    /// readings prove nothing and are ignored.
    pub fn note(
        &mut self,
        query: &Query,
        asked_at: Instant,
        answer: &Reading,
        adopted: Option<&Adopted>,
    ) {
        if self.cloud_asked.is_none_or(|asked| asked_at < asked) {
            return;
        }
        match (query, answer) {
            (Query::Pointer { .. }, Reading::Pointer(_)) => self.pointer_read = true,
            (Query::Instance { id, .. }, Reading::Instance(reading)) if id == &self.id => {
                self.reading = Some((reading.clone(), asked_at));
            }
            (Query::Instance { id, .. }, Reading::Instance(_)) => {
                self.adopted_read |= adopted.is_some_and(|adopted| &adopted.id == id);
            }
            _ => {}
        }
    }

    /// Whether all three readings are there.
    pub fn is_complete(&self) -> bool {
        self.pointer_read && self.adopted_read && self.reading.is_some()
    }
}

impl WorkerFacts {
    /// The origin of the instance as an orphan, by this reading; `None` if it is no orphan.
    ///
    /// reeve launches one instance per generation. If another live instance has the adopted one's
    /// generation, the adopted one was found by tag, and the other is the orphan. An instance of a
    /// newer generation is an orphan if the record says that its launch is over: an older instance
    /// was adopted although the newer one was there. An instance of a generation that the record
    /// does not have yet is no orphan: another host may just have launched it. Nor is an instance of
    /// another fleet: that fleet answers for it.
    pub fn origin_of_orphan(&self, reading: &Instance) -> Option<Origin> {
        let adopted = self.adopted.as_ref()?;
        let is_another =
            self.adopted_instance()?.instance.state.is_live() && reading.id != adopted.id;
        let is_tagged = reading.tags.get(&self.pool.tag_key) == Some(&self.spec.tag_value);
        if !is_another || !is_tagged || !reading.state.is_live() {
            return None;
        }
        let owner = self.owner(reading);
        if matches!(owner, Owner::Foreign(_)) {
            return None;
        }
        let generation = reading.generation_for(&self.fleet, &self.id);
        let newest = adopted.generation.max(self.launched_last());
        let is_over = generation.is_none_or(|generation| generation <= newest);
        is_over.then_some(Origin { owner, generation })
    }

    /// The newest generation whose launch is over, by the record. A host records a launch before it
    /// sends it.
    fn launched_last(&self) -> Generation {
        let record = self.record.stored.as_ref().map(|stored| &stored.record);
        let is_launching = |intent: &Intent| matches!(intent.mutation, Mutation::Launch { .. });
        let settled = record.filter(|record| !record.intent.as_ref().is_some_and(is_launching));
        settled.map_or_else(Generation::default, |record| record.generation)
    }

    /// The instance as an orphan, if it has been one since the present adoption.
    pub fn orphan<'a>(&self, known: &'a KnownInstance) -> Option<&'a Orphan> {
        let orphan = known.orphan.as_ref()?;
        (self.adopted.as_ref() == Some(&orphan.adopted)).then_some(orphan)
    }

    /// Whether the grace of the orphan is over: every scan of the grace has shown the orphan, and
    /// so has a scan that was asked for after it.
    pub fn orphan_is_due(&self, id: &InstanceId) -> bool {
        let orphan = self.instances.get(id).and_then(|known| self.orphan(known));
        let (Some(orphan), Some(scanned_at)) = (orphan, self.scanned_at) else {
            return false;
        };
        scanned_at.since(orphan.since) >= self.pool.limits.orphan_grace
    }

    /// The orphans whose grace is over and which the pool's `orphans` covers.
    pub fn due_orphans(&self) -> impl Iterator<Item = (&InstanceId, &Orphan)> {
        let orphans = self.instances.iter();
        orphans
            .filter_map(|(id, known)| Some((id, known.orphan.as_ref()?)))
            .filter(|(id, orphan)| {
                self.pool.orphans.ends(&orphan.origin.owner) && self.orphan_is_due(id)
            })
    }

    /// Marks the instances that a complete scan shows as orphans; the scan is folded in already. A
    /// scan that lacks a tagged adopted instance is incomplete and marks none.
    pub(super) fn note_orphans(&mut self, present: &[InstanceId], asked_at: Instant) {
        let adopted_shown = self
            .adopted_instance()
            .is_some_and(|known| present.contains(&known.instance.id) || !self.carries_tag(known));
        let mut shown: BTreeMap<InstanceId, Origin> = BTreeMap::new();
        if adopted_shown && self.instances.len() > 1 {
            let listed = present.iter().filter_map(|id| self.instances.get(id));
            shown.extend(listed.filter_map(|known| {
                let origin = self.origin_of_orphan(&known.instance)?;
                Some((known.instance.id.clone(), origin))
            }));
        }
        let is_gapless = self.is_gapless(asked_at);
        let adopted = self.adopted.clone();
        for known in self.instances.values_mut() {
            let before = known.orphan.take();
            let (Some(origin), Some(adopted)) = (shown.get(&known.instance.id), &adopted) else {
                continue;
            };
            let same = |it: &Orphan| is_gapless && it.origin == *origin && &it.adopted == adopted;
            known.orphan = Some(before.filter(same).unwrap_or_else(|| Orphan {
                since: asked_at,
                origin: origin.clone(),
                adopted: adopted.clone(),
            }));
        }
    }

    /// Whether no scan is missing before the one asked for at `asked_at`. The host does not know
    /// what an instance was while scans were missing.
    fn is_gapless(&self, asked_at: Instant) -> bool {
        /// One failed scan or one late timer is tolerated.
        const INTERVALS_MAX: u64 = 3;
        let longest = self.pool.limits.scan_interval.get() * INTERVALS_MAX;
        self.scanned_at
            .is_some_and(|scanned_at| asked_at.since(scanned_at).get() <= longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::compute::Compute;
    use crate::model::id::Region;

    #[test]
    fn a_reading_asked_for_before_the_record_was_read_is_ignored() {
        let id = InstanceId::from("i-old");
        let query = Query::Instance {
            region: Region::from("us-east-1"),
            compute: Compute::Ec2,
            id: id.clone(),
        };
        let answer = Reading::Instance(Instance::not_visible(id.clone()));
        let mut check = OrphanCheck::new(id, Instant::from_ms(1));
        check.note(&query, Instant::from_ms(5), &answer, None);
        assert_eq!(check.reading, None, "nothing was asked yet");
        check.cloud_asked = Some(Instant::from_ms(5));
        check.note(&query, Instant::from_ms(4), &answer, None);
        assert_eq!(check.reading, None, "asked before");
        check.note(&query, Instant::from_ms(5), &answer, None);
        assert!(check.reading.is_some());
    }
}
