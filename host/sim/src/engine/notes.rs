//! The lines of the timeline from a host's journal and notices, without the repetitions of every
//! scan.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::decision::Decision;
use reeve_core::guard::Veto;
use reeve_core::id::{DecisionId, InstanceId};
use reeve_core::journal;
use reeve_core::notice::{Notice, Step};
use reeve_core::point::{Input, Point};
use reeve_core::time::Instant;

use crate::timeline::{Entry, GUARD};

/// The lines of one host.
#[derive(Default)]
pub(super) struct Notes {
    entries: Vec<Entry>,
    /// The lines of `reap` that the timeline has. Every scan repeats them.
    written: BTreeSet<String>,
    /// The point of each decision, and for `reap` the instance.
    asked: BTreeMap<DecisionId, (Point, Option<InstanceId>)>,
}

impl Notes {
    /// Takes the lines since the last call.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    pub(super) fn add_entry(&mut self, entry: &journal::Entry) {
        match &entry.content {
            journal::Content::Decided(made) => self.add_decision(entry, made),
            journal::Content::Ruled(ruling) => self.entries.push(Entry {
                decision: format!("{} {}", ruling.action, ruling.instance),
                reason: ruling.reason.text.clone(),
                ..Entry::event(entry.at, "host", ruling.reason.code.clone())
            }),
            journal::Content::Vetoed(veto) => self.add_veto(entry, veto),
            journal::Content::Intent { mutation, .. } => {
                let about = mutation.instance().map_or("", InstanceId::as_str);
                let event = format!("{} {about}", mutation.kind());
                self.entries
                    .push(Entry::event(entry.at, "host", event.trim()));
            }
            journal::Content::Commanded(command) => {
                let line = Entry::event(entry.at, "operator", command.to_string());
                self.entries.push(line);
            }
            journal::Content::Outcome(_)
            | journal::Content::Answered(_)
            | journal::Content::HandedOut { .. } => {}
        }
    }

    fn add_decision(&mut self, entry: &journal::Entry, made: &Decision) {
        let point = made.input.point();
        let (event, about) = match &made.input {
            Input::Reap(input) => {
                let id = input.instance.id.clone();
                (format!("{point} {id}?"), Some(id))
            }
            _ => (format!("{point}?"), None),
        };
        self.asked.insert(entry.decision, (point, about));
        let line = Entry::decided(entry.at, "policy", event, made);
        if point != Point::Reap || self.is_new(&line.what()) {
            self.entries.push(line);
        }
    }

    fn add_veto(&mut self, entry: &journal::Entry, veto: &Veto) {
        let (asked, about) = match self.asked.get(&entry.decision) {
            Some((point, Some(id))) => (point.as_str(), id.as_str()),
            Some((point, None)) => (point.as_str(), ""),
            None => ("", ""),
        };
        let event = format!("{asked} {about}").trim().to_owned();
        if !about.is_empty() && !self.is_new(&format!("veto {event} {}", veto.rule)) {
            return;
        }
        let line = Entry::vetoed(entry.at, GUARD, event, veto);
        self.entries.push(line);
    }

    /// Whether the timeline does not have this line of `reap` yet.
    fn is_new(&mut self, line: &str) -> bool {
        self.written.insert(line.to_owned())
    }

    pub(super) fn add_notice(&mut self, now: Instant, notice: &Notice) {
        // Other lines of the timeline say these: answers, decisions and mutations. Each failed call
        // would bury the rest.
        let is_left_out = matches!(
            notice.step,
            Step::ResolveServed
                | Step::ResolveTurnedAway
                | Step::ProposalVetoed
                | Step::PolicyFailed
                | Step::CloudCallFailed
                | Step::InstanceStarting
                | Step::InstanceEnding
        );
        if !is_left_out {
            let event = format!("{}: {}", notice.step.as_str(), notice.text);
            self.entries.push(Entry::event(now, "host", event));
        }
    }
}
