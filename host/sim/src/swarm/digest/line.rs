//! One line of a digest: a kind and a JSON object, in which the places of ids are known, so that
//! they can be written as they are or numbered anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reeve_core::id::{DecisionId, Digest, HostId, WorkerId};
use serde::Serialize;

use super::numbers::Numbers;

/// What a line is to the canonical digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A commit or a mutation: kept in order.
    Change,
    /// A line of the journal: kept in order for each worker.
    Journal,
    /// A response, a notice, a refresh of activity, a query, a probe, a question to a policy:
    /// sorted.
    Set,
    /// What is published of a worker: only the last of a step counts.
    Route,
    /// A timer: in the strict digest only.
    Timer,
}

/// An id within a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    /// A decision.
    Decision(DecisionId),
    /// A policy's component.
    Component(Digest),
}

/// A line that is being written.
#[derive(Debug)]
pub(super) struct Line {
    kind: &'static str,
    class: Class,
    /// Whom it is about; for what concerns a pool, the pool's name.
    worker: WorkerId,
    json: String,
    /// Which id is missing at which place of the JSON, in rising order.
    ids: Vec<(usize, Id)>,
}

impl Line {
    /// An empty line about a worker.
    pub(super) fn about(kind: &'static str, class: Class, worker: &WorkerId) -> Self {
        let mut line = Self::of(kind, class, worker.clone());
        line.text("worker", worker.as_str());
        line
    }

    /// An empty line about a pool.
    pub(super) fn about_pool(kind: &'static str, class: Class, pool: &str) -> Self {
        let mut line = Self::of(kind, class, WorkerId::new(pool));
        line.text("pool", pool);
        line
    }

    fn of(kind: &'static str, class: Class, worker: WorkerId) -> Self {
        Self {
            kind,
            class,
            worker,
            json: "{".to_owned(),
            ids: Vec::new(),
        }
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    pub(super) fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// Whether it takes a published route back.
    pub(super) fn is_withdrawal(&self) -> bool {
        self.kind == "withdraw"
    }

    /// The ids in it, in the order of their places.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.ids.iter().map(|(_, id)| *id)
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.quote(text);
    }

    pub(super) fn maybe_text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        self.push(number);
    }

    pub(super) fn maybe_number(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.number(name, number);
        }
    }

    pub(super) fn flag(&mut self, name: &str, is_set: bool) {
        self.name(name);
        self.push(is_set);
    }

    pub(super) fn decision(&mut self, name: &str, id: DecisionId) {
        self.name(name);
        self.ids.push((self.json.len(), Id::Decision(id)));
    }

    pub(super) fn component(&mut self, name: &str, digest: Digest) {
        self.name(name);
        self.ids.push((self.json.len(), Id::Component(digest)));
    }

    /// An object within the object.
    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.json.push('{');
        write(self);
        self.json.push('}');
    }

    /// A list of texts.
    pub(super) fn texts<'a>(&mut self, name: &str, texts: impl IntoIterator<Item = &'a str>) {
        self.name(name);
        self.json.push('[');
        for text in texts {
            self.separate();
            self.quote(text);
        }
        self.json.push(']');
    }

    /// An object of texts.
    pub(super) fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        self.object(name, |line| {
            for (name, text) in map {
                line.text(name, text);
            }
        });
    }

    /// What has a JSON form that outlives its type: an input or a verdict of the contract, a hash.
    pub(super) fn contract(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        match serde_json::to_string(value) {
            Ok(json) => self.json.push_str(&json),
            Err(error) => self.quote(&format!("cannot be written as JSON: {error}")),
        }
    }

    /// With the ids that the host gave.
    pub(super) fn with_ids(&self, host: &HostId, components: &mut Numbers) -> String {
        self.written(|id| match id {
            Id::Decision(id) => id.get(),
            Id::Component(_) => components.of(host, &self.worker, id),
        })
    }

    /// With the ids numbered anew.
    pub(super) fn renumbered(&self, host: &HostId, numbers: &mut Numbers) -> String {
        self.written(|id| numbers.of(host, &self.worker, id))
    }

    /// With a zero for each id.
    pub(super) fn without_ids(&self) -> String {
        self.written(|_| 0)
    }

    fn written(&self, mut number: impl FnMut(Id) -> u64) -> String {
        let mut text = String::with_capacity(self.kind.len() + self.json.len() + 8);
        text.push_str(self.kind);
        text.push(' ');
        let mut rest = self.json.as_str();
        let mut before = 0;
        for (place, id) in &self.ids {
            let (written, behind) = rest.split_at(place - before);
            text.push_str(written);
            write(&mut text, number(*id));
            (rest, before) = (behind, *place);
        }
        text.push_str(rest);
        text.push('}');
        text
    }

    fn name(&mut self, name: &str) {
        self.separate();
        self.quote(name);
        self.json.push(':');
    }

    fn separate(&mut self) {
        let ends_with_id = self
            .ids
            .last()
            .is_some_and(|(place, _)| *place == self.json.len());
        if ends_with_id || !self.json.ends_with(['{', '[']) {
            self.json.push(',');
        }
    }

    fn quote(&mut self, text: &str) {
        let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.json.extend(["\"", text, "\""]);
        } else {
            self.json
                .push_str(&serde_json::Value::from(text).to_string());
        }
    }

    fn push(&mut self, value: impl std::fmt::Display) {
        write(&mut self.json, value);
    }
}

fn write(text: &mut String, value: impl std::fmt::Display) {
    // Nothing is refused by a String.
    let _ = write!(text, "{value}");
}
