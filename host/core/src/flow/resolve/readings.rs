//! The readings of a pass: the record, the pointer, the instance that it names, and the tag scan.

use super::pass::{Pass, PassStep};
use super::state::{Next, Resolve};
use crate::act;
use crate::facts::{Facts, WorkerFacts};
use crate::model::cloud::{CloudError, Query};
use crate::model::id::InstanceId;
use crate::model::notice::Step;
use crate::turn::Turn;

impl Resolve {
    /// Begins a pass. The pointer is read live each time: no caller is served from a value that was
    /// read when the host started (docs/incidents.md#stale-pointer).
    pub(super) fn begin(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.pass = Some(Pass::new(turn.now));
        // In a shared store, the record is read first.
        let in_doubt = facts.record.stored.is_none() || facts.record.in_doubt;
        if turn.shared.store_is_shared || in_doubt {
            turn.read_record(facts);
        } else {
            self.read_pointer(facts, turn);
        }
    }

    /// Begins the pass under way again, because the step that it prepared is obsolete.
    pub(super) fn begin_again(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let Some(pass) = &self.pass else {
            return;
        };
        if !matches!(pass.step, PassStep::RecordWritten | PassStep::Mutation) {
            return;
        }
        let (started, decisions) = (pass.started, pass.decisions);
        self.begin(facts, turn);
        if let Some(pass) = self.pass.as_mut() {
            pass.started = started;
            pass.decisions = decisions;
        }
    }

    pub(super) fn read_pointer(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.set_step(PassStep::Pointer);
        let pointer = Query::Pointer {
            region: facts.pool.region.clone(),
            name: facts.spec.pointer.clone(),
        };
        turn.query(facts, pointer);
    }

    pub(super) fn pointer_read(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        error: Option<CloudError>,
    ) {
        if !self.is_at(&PassStep::Pointer) {
            return;
        }
        self.note_trouble(error);
        match facts.subject().cloned() {
            Some(id) => self.read_instance(facts, turn, id),
            None => self.scan(facts, turn),
        }
    }

    /// Tells once per row of failed readings that the worker is brought up without the pointer.
    pub(super) fn tell_unread_pointer(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        let Some(row) = facts.goes_without_pointer() else {
            return;
        };
        if self.unread_told == Some(row.since) || facts.adopted_is_live(turn.now) {
            return;
        }
        self.unread_told = Some(row.since);
        let name = &facts.spec.pointer;
        let text = format!(
            "{name} cannot be read for {}: {}; the worker is brought up without it if its record and a scan by tag \
             show no live instance",
            row.lasted(),
            row.error
        );
        turn.notice(
            facts,
            Step::PointerUnread,
            text,
            &[("pointer", name.as_str())],
        );
    }

    pub(super) fn instance_read(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        id: &InstanceId,
        error: Option<CloudError>,
    ) -> Next {
        match self.pass.as_ref().map(|pass| pass.step.clone()) {
            Some(PassStep::Taken(decision, taken)) if &taken == id => {
                self.note_trouble(error);
                return self.taken_is_read(facts, turn, decision, id);
            }
            Some(PassStep::Instance(read)) if &read == id => {
                self.note_trouble(error);
                self.subject_is_read(facts, turn, id);
            }
            _ => {}
        }
        Next::Waits
    }

    /// Takes in the reading of the adopted instance, or of the one that the pointer names.
    fn subject_is_read(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, id: &InstanceId) {
        let named_here = facts.pointer.clone().flatten();
        if !facts.adopted_is_live(turn.now) && named_here.as_ref() == Some(id) {
            act::take_from_pointer(facts, turn, id);
            if facts.record.writing.is_some() {
                return self.set_step(PassStep::RecordWritten);
            }
        }
        if facts.adopted_is_live(turn.now) {
            act::repair_pointer(facts, turn);
            self.drop_stale_watch(facts);
            if self.is_still_pending(facts, turn) {
                return;
            }
            return self.ask_resolve(facts, turn);
        }
        if let Some(named) = named_here
            && !self.was_read(&named)
        {
            return self.read_instance(facts, turn, named);
        }
        let state = facts.instances.get(id).map(|known| known.instance.state);
        let state = state.unwrap_or_default();
        let text = state.as_str();
        let trouble = if state.is_live() {
            format!("{id}, which the pointer names, is {text} and cannot be adopted now")
        } else if facts.is_long_gone(id) {
            format!(
                "the worker's instance {id} is {text}, and has ended: its id is too old to be shown late"
            )
        } else {
            format!("the worker's instance {id} is {text}")
        };
        turn.notice(
            facts,
            Step::InstanceUnusable,
            format!("{trouble}; looking for running ones by tag"),
            &[("instance_id", id.as_str()), ("state", text)],
        );
        self.scan(facts, turn);
    }

    pub(super) fn scanned(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        error: Option<CloudError>,
    ) {
        if !self.is_at(&PassStep::Scan) {
            return;
        }
        if let Some(pass) = self.pass.as_mut() {
            pass.scan_failed = error.is_some();
        }
        self.note_trouble(error);
        self.ask_resolve(facts, turn);
    }

    /// Whether this pass must scan the tags before an adoption, start or launch. A scan that was
    /// asked for before the pass does not count: it misses instances launched since.
    pub(super) fn needs_scan(&self, facts: &WorkerFacts) -> bool {
        let Some(pass) = &self.pass else {
            return true;
        };
        // After a failed scan the guard decides: it refuses without a fresh one.
        !pass.scan_failed
            && facts
                .scanned_at
                .is_none_or(|scanned_at| scanned_at < pass.started)
    }

    /// Whether this pass has read the instance by its id.
    pub(super) fn was_read(&self, id: &InstanceId) -> bool {
        let pass = self.pass.as_ref();
        pass.is_some_and(|pass| pass.instances_read.contains(id))
    }

    pub(super) fn read_instance(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        id: InstanceId,
    ) {
        self.look_up(facts, turn, PassStep::Instance(id.clone()), id);
    }

    /// Reads the instance by its id; the pass waits for the reading in this step.
    pub(super) fn look_up(
        &mut self,
        facts: &WorkerFacts,
        turn: &mut Turn<'_>,
        step: PassStep,
        id: InstanceId,
    ) {
        if let Some(pass) = self.pass.as_mut() {
            pass.instances_read.push(id.clone());
        }
        self.set_step(step);
        turn.query(facts, facts.query_of(id));
    }

    pub(super) fn scan(&mut self, facts: &WorkerFacts, turn: &mut Turn<'_>) {
        self.set_step(PassStep::Scan);
        turn.scan_for(facts);
    }

    fn note_trouble(&mut self, error: Option<CloudError>) {
        if let (Some(pass), Some(error)) = (self.pass.as_mut(), error) {
            pass.trouble = Some(error);
        }
    }
}
