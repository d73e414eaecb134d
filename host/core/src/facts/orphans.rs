//! Live instances that carry the worker's tag beside the adopted one (G2): what each is, since when the
//! scans have shown it, and the close look that stands between the end of its grace and its own end.

use std::collections::BTreeMap;

use super::{Adopted, Known, WorkerFacts};
use crate::model::cloud::{Mutation, Query, Reading};
use crate::model::compute::Ending;
use crate::model::id::{Generation, InstanceId};
use crate::model::instance::Instance;
use crate::model::store::Intent;
use crate::model::time::Instant;

/// Where an orphan comes from, which decides how it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Reeve launched it for this worker, as this generation, and another one was adopted since.
    Superseded(Generation),
    /// Its generation is not known: something else launched it, or reeve did for another worker.
    Unknown,
}

impl Origin {
    /// Its generation, if it is known.
    pub fn generation(self) -> Option<Generation> {
        match self {
            Self::Superseded(generation) => Some(generation),
            Self::Unknown => None,
        }
    }

    /// How such an orphan is to be ended. What reeve launched for this worker is terminated. What somebody
    /// else launched is only stopped, where that can be undone.
    pub fn ending(self) -> Ending {
        match self {
            Self::Superseded(_) => Ending::Terminate,
            Self::Unknown => Ending::Stop,
        }
    }
}

/// What the host remembers of an instance as an orphan. Only scans make one, and one scan that does not
/// show it as such unmakes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// When the first of the scans was asked for that have all shown it as an orphan since.
    pub since: Instant,
    /// What all of them said of it.
    pub origin: Origin,
    /// The adoption it has been beside all the time.
    pub beside: Adopted,
}

/// A close look at one orphan whose grace is over: first the record, then the cloud. What another host did
/// before the record was read is in the record or seen in the cloud; what it does later makes the write
/// of the intent fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanLook {
    /// Which orphan.
    pub id: InstanceId,
    /// When it began, with the reading of the record.
    pub begun: Instant,
    /// When the cloud was asked, the record being read; `None`: the record was not read yet.
    pub cloud_asked: Option<Instant>,
    /// Whether the pointer was read since.
    pub pointer_read: bool,
    /// Whether the adopted instance was read by its id since.
    pub adopted_read: bool,
    /// What the cloud said since of the orphan by its id, and when it was asked.
    pub reading: Option<(Instance, Instant)>,
}

impl OrphanLook {
    /// A look that begins now.
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

    /// Notes an answer of the cloud to a question that was asked after the record was read: another one
    /// proves nothing, and is passed over.
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

    /// Whether everything was answered.
    pub fn is_complete(&self) -> bool {
        self.pointer_read && self.adopted_read && self.reading.is_some()
    }
}

impl WorkerFacts {
    /// What an orphan an instance is by this reading of it; `None`: it is none. One of a generation that the record has
    /// not come to is none: another host may just have launched it. One of the adopted one's generation is: only one
    /// instance is ever launched as a generation, so the adopted one was found, and counts as of the latest. So is one
    /// of a newer generation whose launch is over: an older one was adopted although it was there.
    pub fn origin_of_orphan(&self, reading: &Instance) -> Option<Origin> {
        let adopted = self.adopted.as_ref()?;
        let is_beside = self.adopted_known()?.instance.state.is_live() && reading.id != adopted.id;
        let is_tagged = reading.tags.get(&self.pool.tag_key) == Some(&self.spec.tag_value);
        if !is_beside || !is_tagged || !reading.state.is_live() {
            return None;
        }
        match reading.generation_for(&self.id) {
            None => Some(Origin::Unknown),
            Some(generation) if generation <= adopted.generation.max(self.launched_last()) => {
                Some(Origin::Superseded(generation))
            }
            Some(_) => None,
        }
    }

    /// The newest generation whose launch is over by the record, in which whoever launches announces it first.
    fn launched_last(&self) -> Generation {
        let record = self.record.stored.as_ref().map(|stored| &stored.record);
        let is_launching = |intent: &Intent| matches!(intent.mutation, Mutation::Launch { .. });
        let settled = record.filter(|record| !record.intent.as_ref().is_some_and(is_launching));
        settled.map_or_else(Generation::default, |record| record.generation)
    }

    /// The instance as an orphan, if it has been one beside the present adoption.
    pub fn orphan<'a>(&self, known: &'a Known) -> Option<&'a Orphan> {
        let orphan = known.orphan.as_ref()?;
        (self.adopted.as_ref() == Some(&orphan.beside)).then_some(orphan)
    }

    /// Whether a scan asked for after the end of its grace has shown the instance as an orphan, and all
    /// scans of the grace have.
    pub fn orphan_is_due(&self, id: &InstanceId) -> bool {
        let orphan = self.instances.get(id).and_then(|known| self.orphan(known));
        let (Some(orphan), Some(scanned_at)) = (orphan, self.scanned_at) else {
            return false;
        };
        scanned_at.since(orphan.since) >= self.pool.limits.orphan_grace
    }

    /// The orphans whose grace is over, with what they are.
    pub fn due_orphans(&self) -> impl Iterator<Item = (&InstanceId, &Orphan)> {
        let orphans = self.instances.iter();
        orphans
            .filter_map(|(id, known)| Some((id, known.orphan.as_ref()?)))
            .filter(|(id, _)| self.orphan_is_due(id))
    }

    /// Notes which instances a complete scan, already folded in, shows as orphans. A scan that lacks
    /// the adopted instance, though that one carries the tag, does not show the worker as it is.
    pub(super) fn note_orphans(&mut self, present: &[InstanceId], asked_at: Instant) {
        let adopted_shown = self
            .adopted_known()
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
            let same = |it: &Orphan| is_gapless && it.origin == *origin && &it.beside == adopted;
            known.orphan = Some(before.filter(same).unwrap_or_else(|| Orphan {
                since: asked_at,
                origin: *origin,
                beside: adopted.clone(),
            }));
        }
    }

    /// Whether scans went on without a hole up to the one asked for at `asked_at`: nobody knows what an
    /// instance was in a hole.
    fn is_gapless(&self, asked_at: Instant) -> bool {
        /// One failed scan is no hole, nor is a timer that is late.
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
    fn an_answer_to_a_question_asked_before_the_record_was_read_does_not_count() {
        let id = InstanceId::from("i-old");
        let query = Query::Instance {
            region: Region::from("us-east-1"),
            compute: Compute::Ec2,
            id: id.clone(),
        };
        let answer = Reading::Instance(Instance::not_visible(id.clone()));
        let mut look = OrphanLook::new(id, Instant::from_ms(1));
        look.note(&query, Instant::from_ms(5), &answer, None);
        assert_eq!(look.reading, None, "nothing was asked yet");
        look.cloud_asked = Some(Instant::from_ms(5));
        look.note(&query, Instant::from_ms(4), &answer, None);
        assert_eq!(look.reading, None, "asked before");
        look.note(&query, Instant::from_ms(5), &answer, None);
        assert!(look.reading.is_some());
    }
}
