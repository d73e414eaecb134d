//! What readings of the pointer prove: how old the id is that it names, and for how long it could
//! not be read. What policies see of the pointer follows from both.

use super::{FailedReadings, WorkerFacts};
use crate::model::cloud::{CloudError, CloudErrorKind, PointerReading};
use crate::model::id::InstanceId;
use crate::model::instance::InstanceState;
use crate::model::point::resolve;
use crate::model::time::{Instant, Millis};

/// How far this host's clock may be from the clock that dated an id. AWS refuses requests that are
/// signed with a clock five minutes off, and the host counts time by itself between its starts, which
/// adds minutes in a year. An hour covers both several times. An id that is older than that is
/// months old as a rule, so the margin costs nothing.
const CLOCKS_DIFFER_MAX: Millis = Millis::from_secs(3_600);
/// For how long the pointer may be unreadable before the worker is brought up without it. Throttling
/// and a short failure of SSM pass within a minute, and a boot takes about half of that.
const UNREAD_MAX: Millis = Millis::from_secs(60);
/// For how long a pointer that the worker may follow is not written back: two readings, a write of
/// the record, and other commands before it. A worker that is refused to move keeps its instance.
const FOLLOWS_WITHIN: Millis = Millis::from_secs(30);

impl WorkerFacts {
    /// Takes in a reading of the pointer. A value that was written again is as old as before.
    pub fn observe_pointer(&mut self, reading: PointerReading) {
        self.pointer_unread = None;
        if let (Some(id), Some(written_at)) = (&reading.names, reading.written_at) {
            let before = self.pointed_since.take().filter(|(named, _)| named == id);
            let since = before.map_or(written_at, |(_, since)| since.min(written_at));
            self.pointed_since = Some((id.clone(), since));
        }
        self.pointer = Some(reading.names);
    }

    /// Notes whether a person has moved the pointer: this reading names another instance than the
    /// adopted one, and one that was asked for earlier named that one. A late response shows an old
    /// value, and so proves nothing.
    pub(super) fn note_pointer_move(&mut self, asked_at: Instant) {
        let named = self.pointer.clone().flatten();
        let adopted = self.adopted.as_ref().map(|adopted| &adopted.id);
        if named.as_ref() == adopted {
            return self.note_pointer_agrees(asked_at);
        }
        let agreed = self.pointer_agreed.as_ref();
        let has_agreed = agreed.is_some_and(|(id, at)| Some(id) == adopted && *at < asked_at);
        let named = named.filter(|_| has_agreed);
        let before = self.pointer_moved.take();
        self.pointer_moved = named.map(|named| match before {
            Some((id, since)) if id == named => (id, since),
            _ => (named, asked_at),
        });
    }

    /// Notes that the pointer names the adopted instance, by a reading or a write of this instant.
    pub(crate) fn note_pointer_agrees(&mut self, at: Instant) {
        self.pointer_moved = None;
        if let Some(adopted) = &self.adopted {
            self.pointer_agreed = Some((adopted.id.clone(), at));
        }
    }

    /// The instance that a person has made the pointer name while another one is adopted.
    pub(crate) fn pointer_moved_to(&self) -> Option<&InstanceId> {
        let (id, _) = self.pointer_moved.as_ref()?;
        let is_named = self.pointer.as_ref() == Some(&Some(id.clone()));
        (is_named && !self.is_adopted(id)).then_some(id)
    }

    /// Whether the pointer is left as it is, because the worker may follow it.
    pub(crate) fn may_follow_pointer(&self, now: Instant) -> bool {
        let is_young = |since: Instant| now.since(since) < FOLLOWS_WITHIN;
        let moved = self.pointer_moved.as_ref();
        let is_young = moved.is_some_and(|(_, since)| is_young(*since));
        self.pool.follow_pointer && is_young && self.pointer_moved_to().is_some()
    }

    /// Takes in that the pointer could not be read.
    pub(super) fn miss_pointer(&mut self, asked_at: Instant, error: &CloudError) {
        self.pointer = None;
        FailedReadings::add(&mut self.pointer_unread, asked_at, error);
    }

    /// Whether the instance has ended although no reading has shown its end: the provider does not
    /// know its id, and the id is too old for the provider's readings to lag behind its launch.
    ///
    /// The pointer's date or the adoption proves the age, since the id existed when it was written
    /// there. An instance that the provider has shown of late gets the usual grace: something else
    /// than its age must explain why it is not shown.
    pub(crate) fn is_long_gone(&self, id: &InstanceId) -> bool {
        let known = self.instances.get(id);
        let Some(known) = known.filter(|it| it.instance.state == InstanceState::NotVisible) else {
            return false;
        };
        let (Some(read_at), Some(since)) = (known.read_at, self.exists_since(id)) else {
            return false;
        };
        let grace = self.pool.limits.not_visible_grace;
        let shown_at = known.last_visible.map(|(_, asked_at)| asked_at);
        let is_old = read_at.since(since) >= grace + CLOCKS_DIFFER_MAX;
        is_old && shown_at.is_none_or(|shown_at| read_at.since(shown_at) >= grace)
    }

    /// The earliest time at which the id is known to have existed.
    fn exists_since(&self, id: &InstanceId) -> Option<Instant> {
        let pointed = self.pointed_since.as_ref().filter(|(it, _)| it == id);
        let adopted = self.adopted.as_ref().filter(|it| &it.id == id);
        let dates = [pointed.map(|(_, at)| *at), adopted.map(|it| it.since)];
        dates.into_iter().flatten().min()
    }

    /// The row of failed readings, if it has lasted so long that the worker is brought up without
    /// the pointer.
    ///
    /// The pointer is a hint: the record says what was adopted, and the guard permits a launch only
    /// after a complete scan that shows no live instance of the worker. An instance without the worker's
    /// tag is lost that another system has made the pointer name. The first pointer
    /// write after the launch makes the pointer follow the record again (G3).
    ///
    /// A value that is no pointer never counts: the launch would overwrite a parameter that the
    /// configuration names by mistake.
    pub(crate) fn goes_without_pointer(&self) -> Option<&FailedReadings> {
        let row = self.pointer_unread.as_ref()?;
        let is_over = row.lasted() >= UNREAD_MAX;
        let is_misnamed = row.error.kind == CloudErrorKind::Permanent;
        let was_scanned = self.scanned_at.is_some_and(|at| at >= row.since);
        (is_over && !is_misnamed && was_scanned && self.pointer.is_none()).then_some(row)
    }

    /// The pointer as policies see it.
    ///
    /// A pointer counts as empty if it names an instance that is not this worker's (G9), or one that
    /// will not be the worker's again: a superseded one, one that is passed over, and one that is
    /// long gone. A policy would wait for it in vain.
    pub(super) fn shown_pointer(&self, now: Instant) -> resolve::Pointer {
        match &self.pointer {
            None if self.goes_without_pointer().is_some() => resolve::Pointer::Empty,
            None => resolve::Pointer::Unknown,
            Some(Some(id))
                if self.is_known_outside(id)
                    || self.is_superseded(id)
                    || self.is_hidden(id, now) =>
            {
                resolve::Pointer::Empty
            }
            Some(Some(id)) => resolve::Pointer::Names(id.clone()),
            Some(None) => resolve::Pointer::Empty,
        }
    }

    /// Whether policies do not get to see the instance, because nothing is to be hoped from it.
    pub(super) fn is_hidden(&self, id: &InstanceId, now: Instant) -> bool {
        self.is_passed_over(id, now) || self.is_long_gone(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::failing::GAP_MAX;
    use super::*;
    use crate::guard::tests::{NOW, adopt, worker};
    use crate::model::instance::Instance;

    const ONE: &str = "i-one";

    fn before(millis: Millis) -> Instant {
        Instant::from_ms(NOW.as_ms() - millis.get())
    }

    fn old_enough(worker: &WorkerFacts) -> Millis {
        worker.pool.limits.not_visible_grace + CLOCKS_DIFFER_MAX
    }

    fn point(worker: &mut WorkerFacts, written_at: Option<Instant>) {
        worker.observe_pointer(PointerReading {
            names: Some(ONE.into()),
            written_at,
        });
    }

    fn unknown_to_the_cloud(worker: &mut WorkerFacts) {
        worker.observe_instance(Instance::not_visible(ONE.into()), NOW);
    }

    /// The instance that a person moved the pointer to, after readings of these instants.
    fn moved(worker: &mut WorkerFacts, readings: &[(&str, Instant)]) -> Option<String> {
        for (named, asked_at) in readings {
            worker.observe_pointer(PointerReading {
                names: Some((*named).into()),
                written_at: None,
            });
            worker.note_pointer_move(*asked_at);
        }
        worker.pointer_moved_to().map(InstanceId::to_string)
    }

    #[test]
    fn a_pointer_has_moved_if_it_named_the_adopted_instance_before() {
        let (early, late) = (before(Millis::new(1)), NOW + Millis::new(1));
        for (readings, expected) in [
            (&[("i-two", NOW)][..], None),
            (&[(ONE, NOW), ("i-two", late)], Some("i-two")),
            (&[(ONE, NOW), ("i-two", early)], None),
            (&[(ONE, NOW), ("i-two", late), (ONE, late)], None),
        ] {
            let mut worker = worker();
            adopt(&mut worker, ONE);
            let found = moved(&mut worker, readings);
            assert_eq!(found.as_deref(), expected, "{readings:?}");
        }
    }

    #[test]
    fn a_pointer_that_the_pool_follows_is_left_alone_for_half_a_minute() {
        let mut worker = worker();
        adopt(&mut worker, ONE);
        let late = NOW + Millis::new(1);
        moved(&mut worker, &[(ONE, NOW), ("i-two", late)]);
        assert!(!worker.may_follow_pointer(late));
        worker.pool.follow_pointer = true;
        assert!(worker.may_follow_pointer(late));
        assert!(!worker.may_follow_pointer(late + FOLLOWS_WITHIN));
    }

    fn is_waited_for(worker: &WorkerFacts) -> bool {
        let input = worker.resolve_input(NOW, resolve::Adoption::NotAsked, String::new());
        let is_shown = input.instances.iter().any(|facts| facts.id.as_str() == ONE);
        let is_pointed = input.pointer != resolve::Pointer::Empty;
        let is_adopted = input.adopted != resolve::Adopted::None;
        assert_eq!(is_shown, is_pointed || is_adopted);
        is_shown
    }

    fn failed(kind: CloudErrorKind) -> CloudError {
        CloudError {
            operation: "GetParameter".to_owned(),
            kind,
            code: "Code".to_owned(),
            message: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn an_unknown_id_of_an_old_pointer_is_not_waited_for() {
        let mut worker = worker();
        let written_at = before(old_enough(&worker));
        point(&mut worker, Some(written_at));
        assert!(is_waited_for(&worker), "it was not looked up");
        unknown_to_the_cloud(&mut worker);
        assert!(!is_waited_for(&worker));
        let seen = crate::guard::tests::instance(ONE, InstanceState::Stopped);
        worker.observe_instance(seen, NOW);
        assert!(is_waited_for(&worker), "it exists");
    }

    #[test]
    fn an_unknown_id_of_a_young_or_undated_pointer_is_waited_for() {
        let mut worker = worker();
        let almost = Millis::new(old_enough(&worker).get() - 1);
        for written_at in [None, Some(NOW), Some(before(almost))] {
            point(&mut worker, written_at);
            unknown_to_the_cloud(&mut worker);
            assert!(is_waited_for(&worker), "{written_at:?}");
        }
    }

    #[test]
    fn an_instance_that_was_shown_a_moment_ago_is_waited_for() {
        let mut worker = worker();
        let written_at = before(old_enough(&worker));
        point(&mut worker, Some(written_at));
        let grace = worker.pool.limits.not_visible_grace;
        let seen = crate::guard::tests::instance(ONE, InstanceState::Running);
        worker.observe_instance(seen, before(Millis::new(grace.get() - 1)));
        unknown_to_the_cloud(&mut worker);
        assert!(is_waited_for(&worker));
    }

    #[test]
    fn a_pointer_that_is_written_again_keeps_the_age_of_its_id() {
        let mut worker = worker();
        let written_at = before(old_enough(&worker));
        point(&mut worker, Some(written_at));
        point(&mut worker, Some(NOW));
        unknown_to_the_cloud(&mut worker);
        assert!(!is_waited_for(&worker));
    }

    #[test]
    fn an_adopted_instance_of_long_ago_that_the_cloud_does_not_know_is_gone() {
        let mut worker = worker();
        adopt(&mut worker, ONE);
        unknown_to_the_cloud(&mut worker);
        assert!(worker.adopted_is_live(NOW), "adopted a moment ago");
        let since = before(old_enough(&worker));
        worker.adopted.as_mut().unwrap().since = since;
        worker.instances.clear();
        assert!(worker.adopted_is_live(NOW), "not looked up");
        unknown_to_the_cloud(&mut worker);
        assert!(!worker.adopted_is_live(NOW) && !is_waited_for(&worker));
    }

    #[test]
    fn an_unreadable_pointer_holds_a_launch_up_for_a_minute() {
        let mut worker = worker();
        let error = failed(CloudErrorKind::Denied);
        worker.miss_pointer(before(UNREAD_MAX), &error);
        worker.scanned_at = Some(NOW);
        assert_eq!(worker.shown_pointer(NOW), resolve::Pointer::Unknown);
        worker.miss_pointer(NOW, &error);
        worker.scanned_at = None;
        assert_eq!(worker.shown_pointer(NOW), resolve::Pointer::Unknown);
        worker.scanned_at = Some(NOW);
        assert_eq!(worker.shown_pointer(NOW), resolve::Pointer::Empty);
        worker.miss_pointer(NOW, &failed(CloudErrorKind::Permanent));
        assert!(worker.goes_without_pointer().is_none(), "no pointer");
    }

    #[test]
    fn a_reading_or_a_long_pause_ends_a_row_of_failures() {
        let mut worker = worker();
        let error = failed(CloudErrorKind::Transient);
        let since = |worker: &WorkerFacts| worker.pointer_unread.as_ref().unwrap().since;
        worker.miss_pointer(NOW, &error);
        worker.miss_pointer(NOW + GAP_MAX, &error);
        assert_eq!(since(&worker), NOW);
        let late = NOW + GAP_MAX + GAP_MAX + Millis::new(1);
        worker.miss_pointer(late, &error);
        assert_eq!(since(&worker), late);
        point(&mut worker, None);
        assert_eq!(worker.pointer_unread, None);
    }
}
