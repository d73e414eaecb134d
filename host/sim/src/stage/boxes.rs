//! The boxes on the stage: they boot with their instances, speak to the host, and work on what is
//! delivered.

use std::collections::BTreeMap;

use reeve_core::boxes::{Receipt, Report, Reporter, Statement};
use reeve_core::id::{InstanceId, Region, RequestId};
use reeve_core::time::Instant;

use super::Stage;
use crate::boxes::{SimBox, Software};
use crate::engine::statement;
use crate::run::Harm;
use crate::timeline::Entry;
use crate::world::{Happening, What};

/// The boxes, and which of them waits for which answer.
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
    /// Software begins with the address of its instance, and ends with the instance.
    pub(super) fn notice_boot(&mut self, happening: &Happening) {
        let Some(software) = self.boxes.software else {
            return;
        };
        let id = &happening.id;
        match happening.what {
            What::Addressed => {
                let region = Region::from("us-east-1");
                let new = SimBox::new(id.clone(), region, software, happening.at);
                self.boxes.boxes.insert(id.clone(), new);
            }
            What::State(state) if state.is_down() => {
                self.boxes.boxes.remove(id);
            }
            _ => {}
        }
    }

    /// Lets every box say what it has to say now.
    pub(super) fn run_boxes(&mut self) {
        let ids: Vec<InstanceId> = self.boxes.boxes.keys().cloned().collect();
        for id in ids {
            while let Some(said) = self.due_of(&id) {
                if let Statement::Register { .. } = &said {
                    self.tell(&id, "registers");
                }
                self.requests = self.requests.next();
                self.boxes.waiting.insert(self.requests, id.clone());
                let said = statement(self.requests, said);
                self.host.ask(&self.worker, self.requests, said);
                self.hear();
            }
        }
    }

    /// Hands the boxes what they are answered. Applications need no answer.
    pub(super) fn hear_receipts(&mut self, receipts: Vec<(RequestId, Receipt)>) {
        for (request, reply) in receipts {
            let Some(id) = self.boxes.waiting.remove(&request) else {
                continue;
            };
            let told = self.boxes.boxes.get_mut(&id);
            if let Some(text) = told.and_then(|it| it.hear(self.now, reply)) {
                self.tell(&id, &text);
            }
        }
    }

    /// A caller that was served hands the instance a message, and says so.
    pub(super) fn deliver(&mut self, id: &InstanceId) {
        let Some(taken_by) = self.boxes.boxes.get_mut(id) else {
            return;
        };
        taken_by.deliver(self.now);
        self.requests = self.requests.next();
        let said = Statement::Report {
            by: Reporter::Application(Some(id.clone())),
            report: Report::Delivered(1),
        };
        let said = statement(self.requests, said);
        self.host.ask(&self.worker, self.requests, said);
    }

    pub(super) fn wipe_token(&mut self) {
        let mut boxes = self.boxes.boxes.iter_mut();
        if let Some((id, wiped)) = boxes.find(|(_, it)| it.is_registered()) {
            wiped.wipe(self.now);
            let id = id.clone();
            self.tell(&id, "loses its disk, and its token with it");
        }
    }

    /// What was delivered and never processed: people talked into the void.
    pub(super) fn judge_deliveries(&mut self) {
        for (id, one) in &self.boxes.boxes {
            if one.undone() > 0 {
                let harm = Harm::DeliveredIntoTheVoid {
                    instance: id.clone(),
                    deliveries: one.undone(),
                };
                let told = Entry::event(self.now, "HARM", harm.to_string());
                self.run.entries.push(told);
                self.run.harms.push(harm);
            }
        }
    }

    fn due_of(&mut self, id: &InstanceId) -> Option<Statement> {
        let one = self.boxes.boxes.get_mut(id)?;
        one.next_due().filter(|due| *due <= self.now)?;
        one.speak(self.now)
    }

    fn tell(&mut self, id: &InstanceId, what: &str) {
        let event = format!("{id} {what}");
        self.run.entries.push(Entry::event(self.now, "box", event));
    }
}
