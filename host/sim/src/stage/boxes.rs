//! The boxes on the stage. A box starts with its instance, makes requests to the host, and works on
//! deliveries.

use std::collections::BTreeMap;

use reeve_core::boxes::{Receipt, Report, Reporter, Statement};
use reeve_core::id::{InstanceId, Region, RequestId};
use reeve_core::time::Instant;

use super::Stage;
use crate::boxes::{SimBox, Software};
use crate::engine::statement as request_of;
use crate::run::Harm;
use crate::timeline::Entry;
use crate::world::{EventKind, WorldEvent};

/// The boxes, and the instance behind each pending request of a box.
pub(super) struct Boxes {
    software: Option<Software>,
    boxes: BTreeMap<InstanceId, SimBox>,
    waiting: BTreeMap<RequestId, InstanceId>,
}

impl Boxes {
    pub(super) fn new(software: Option<Software>) -> Self {
        Self {
            software,
            boxes: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.boxes.values().filter_map(SimBox::next_due).min()
    }
}

impl Stage<'_> {
    /// Adds a box when its instance gets an address, and removes the box when the instance ends.
    pub(super) fn add_or_remove_box(&mut self, event: &WorldEvent) {
        let Some(software) = self.boxes.software else {
            return;
        };
        let id = &event.id;
        match event.kind {
            EventKind::Addressed | EventKind::Rebooted => {
                let region = Region::from("us-east-1");
                let new = SimBox::new(id.clone(), region, software, event.at);
                self.boxes.boxes.insert(id.clone(), new);
            }
            EventKind::State(state) if state.is_down() => {
                self.boxes.boxes.remove(id);
            }
            EventKind::RebootRequested => {
                self.boxes.boxes.remove(id);
            }
            _ => {}
        }
    }

    /// Submits the statements of all boxes that are due.
    pub(super) fn run_boxes(&mut self) {
        let ids: Vec<InstanceId> = self.boxes.boxes.keys().cloned().collect();
        for id in ids {
            while let Some(statement) = self.next_statement(&id) {
                if let Statement::Register { .. } = &statement {
                    self.note_box(&id, "registers");
                }
                self.requests = self.requests.next();
                self.boxes.waiting.insert(self.requests, id.clone());
                let request = request_of(self.requests, statement);
                self.host.ask(&self.worker, self.requests, request);
                self.take_outputs();
            }
        }
    }

    /// Gives the boxes their receipts. Receipts for applications are dropped.
    pub(super) fn pass_receipts(&mut self, receipts: Vec<(RequestId, Receipt)>) {
        for (request, receipt) in receipts {
            let Some(id) = self.boxes.waiting.remove(&request) else {
                continue;
            };
            let sender = self.boxes.boxes.get_mut(&id);
            if let Some(text) = sender.and_then(|sender| sender.on_receipt(self.now, receipt)) {
                self.note_box(&id, &text);
            }
        }
    }

    /// A caller that was served delivers a message to the instance, and reports the delivery to the
    /// host.
    pub(super) fn deliver(&mut self, id: &InstanceId) {
        let Some(receiver) = self.boxes.boxes.get_mut(id) else {
            return;
        };
        receiver.deliver(self.now);
        self.requests = self.requests.next();
        let report = Statement::Report {
            by: Reporter::Application(Some(id.clone())),
            report: Report::Delivered(1),
        };
        let request = request_of(self.requests, report);
        self.host.ask(&self.worker, self.requests, request);
    }

    /// Takes the token of a registered box away.
    pub(super) fn wipe_token(&mut self) {
        let mut boxes = self.boxes.boxes.iter_mut();
        if let Some((id, wiped)) = boxes.find(|(_, it)| it.is_registered()) {
            wiped.wipe(self.now);
            let id = id.clone();
            self.note_box(&id, "loses its disk, and its token with it");
        }
    }

    /// Records a harm for each box that has not processed all its deliveries.
    pub(super) fn judge_deliveries(&mut self) {
        for (id, one) in &self.boxes.boxes {
            if one.unprocessed() > 0 {
                let harm = Harm::DeliveredIntoTheVoid {
                    instance: id.clone(),
                    deliveries: one.unprocessed(),
                };
                let entry = Entry::event(self.now, "HARM", harm.to_string());
                self.run.entries.push(entry);
                self.run.harms.push(harm);
            }
        }
    }

    fn next_statement(&mut self, id: &InstanceId) -> Option<Statement> {
        let one = self.boxes.boxes.get_mut(id)?;
        one.next_due().filter(|due| *due <= self.now)?;
        one.take_statement(self.now)
    }

    fn note_box(&mut self, id: &InstanceId, text: &str) {
        let event = format!("{id} {text}");
        self.run.entries.push(Entry::event(self.now, "box", event));
    }
}
