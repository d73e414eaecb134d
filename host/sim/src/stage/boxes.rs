//! The boxes on the stage. A box starts with its instance, makes requests to the host, and works on
//! deliveries.

use std::collections::BTreeMap;

use reeve_core::boxes::{ProofKind, Receipt, Report, Reporter, Statement};
use reeve_core::id::{InstanceId, Region, RequestId};
use reeve_core::time::{Instant, Millis};

use super::hosts::RECONNECT;
use super::{BoxAct, Stage};
use crate::boxes::{SimBox, Software};
use crate::engine::statement as request_of;
use crate::run::Harm;
use crate::timeline::Entry;
use crate::world::{EventKind, WorldEvent};

/// The boxes, and the instance behind each pending request of a box.
pub(super) struct Boxes {
    software: Option<(Software, ProofKind)>,
    boxes: BTreeMap<InstanceId, SimBox>,
    waiting: BTreeMap<RequestId, InstanceId>,
}

impl Boxes {
    pub(super) fn new(software: Option<(Software, ProofKind)>) -> Self {
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
    /// EC2 announces that it takes the instance back so much later. Its box hears of it, if it has one.
    pub(super) fn announce_reclaim(&mut self, id: &InstanceId, after: Millis) {
        if let Some(one) = self.boxes.boxes.get_mut(id) {
            one.hear_of_reclaim(self.now, self.now + after);
        }
    }

    /// Adds a box when its instance gets an address, and removes the box when the instance ends.
    pub(super) fn add_or_remove_box(&mut self, event: &WorldEvent) {
        let Some((software, proof)) = self.boxes.software else {
            return;
        };
        let id = &event.id;
        match event.kind {
            EventKind::Addressed | EventKind::Rebooted => {
                let region = Region::from("us-east-1");
                let new = SimBox::new(id.clone(), region, software, event.at).proving_by(proof);
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
                if !self.submit(self.requests, request) {
                    self.reconnect_box(self.requests);
                }
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

    /// Lets a box whose connection was cut register again, if this was a request to register. Its
    /// reports are lost.
    pub(super) fn reconnect_box(&mut self, request: RequestId) {
        let sender = self.boxes.waiting.remove(&request);
        if let Some(sender) = sender.and_then(|id| self.boxes.boxes.get_mut(&id)) {
            sender.on_timeout(self.now + RECONNECT);
        }
    }

    /// A caller that was served delivers a message to the instance, and reports the delivery to the
    /// host.
    pub(super) fn deliver(&mut self, id: &InstanceId) {
        self.deliver_many(id, 1);
    }

    fn deliver_many(&mut self, id: &InstanceId, count: u64) {
        let Some(receiver) = self.boxes.boxes.get_mut(id) else {
            return;
        };
        for _ in 0..count {
            receiver.deliver(self.now);
        }
        let report = Statement::Report {
            by: Reporter::Application(Some(id.clone())),
            report: Report::Delivered(count),
        };
        self.send(report);
    }

    /// Sends a report that nothing waits for. The report of a program that reaches no host is lost.
    fn send(&mut self, report: Statement) {
        self.requests = self.requests.next();
        let request = request_of(self.requests, report);
        let _ = self.submit(self.requests, request);
    }

    /// Lets the registered box do or suffer this. Without one, the timeline says so.
    pub(super) fn act_on_box(&mut self, act: BoxAct) {
        let mut boxes = self.boxes.boxes.iter_mut();
        let ends = act == BoxAct::Hang(false);
        let found = boxes.find(|(_, it)| if ends { it.hangs() } else { it.is_registered() });
        let Some((id, one)) = found else {
            self.run
                .entries
                .push(Entry::event(self.now, "box", "is not registered"));
            return;
        };
        let id = id.clone();
        match act {
            BoxAct::LoseToken => {
                one.wipe(self.now);
                self.note_box(&id, "loses its disk, and its token with it");
            }
            BoxAct::IsBusy(length) => {
                let busy = one.report(Report::Busy(length));
                self.note_box(&id, &format!("is busy for {length}"));
                busy.into_iter().for_each(|busy| self.send(busy));
            }
            BoxAct::Hang(hangs) => {
                one.hang(hangs);
                self.note_box(&id, if hangs { "hangs" } else { "works again" });
            }
            BoxAct::WorkOn { count, each } => {
                each.into_iter().for_each(|each| one.work_for(each));
                self.note_box(&id, &format!("takes {count} deliveries"));
                self.deliver_many(&id, count);
            }
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
