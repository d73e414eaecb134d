//! Everybody who asks where a worker is gets one answer, and so does a box that registers.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::id::{RequestId, WorkerId};
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee};

/// No caller waits so long for an answer while nothing is wrong: four times the longest that a
/// caller asked for.
const ANSWER_MAX: Millis = Millis::from_secs(80);

/// What was slow in the trouble has come by then.
const STRAGGLERS_MAX: Millis = Millis::from_secs(30);

/// The questions that are open.
#[derive(Default)]
pub(super) struct Answers {
    calm_since: Option<Instant>,
    open: BTreeMap<RequestId, (Instant, WorkerId)>,
    left: BTreeSet<RequestId>,
}

impl Answers {
    pub(super) fn sent(
        &mut self,
        at: Instant,
        request: RequestId,
        worker: &WorkerId,
        wait: Option<Millis>,
    ) {
        let since = at + wait.unwrap_or_default();
        self.open.insert(request, (since, worker.clone()));
    }

    pub(super) fn answered(&mut self, request: RequestId) {
        self.open.remove(&request);
    }

    /// One who asked has gone, or its connection is broken.
    pub(super) fn left(&mut self, request: RequestId) {
        self.open.remove(&request);
        self.left.insert(request);
    }

    /// An answer came, and no caller waits for it.
    pub(super) fn answered_nobody(&mut self, request: RequestId) -> Result<(), (WorkerId, String)> {
        if self.left.contains(&request) {
            return Ok(());
        }
        let text = format!("request {request} was answered twice, or never asked");
        Err((WorkerId::from("?"), text))
    }

    /// The trouble is over.
    pub(super) fn calm(&mut self, at: Instant) {
        self.calm_since = Some(at);
    }

    /// A question that was open too long since the trouble ended.
    pub(super) fn overdue(&self, now: Instant) -> Option<(WorkerId, String)> {
        let calm_since = self.calm_since?;
        let waits = |since: Instant| now.since(since.max(calm_since));
        let mut open = self.open.values();
        let (since, worker) = open.find(|(since, _)| waits(*since) > ANSWER_MAX)?;
        let text = format!("a caller waits for {} without an answer", waits(*since));
        Some((worker.clone(), text))
    }

    /// A box gave up waiting for the answer to a register that it sent at this time.
    pub(super) fn register_unanswered(&self, sent_at: Instant) -> Finding {
        let is_calm = |calm_since: Instant| sent_at >= calm_since + STRAGGLERS_MAX;
        if !self.calm_since.is_some_and(is_calm) {
            return Ok(());
        }
        let text = "a box registered, and was not answered".to_owned();
        Err((Guarantee::Answers, text))
    }

    /// Whether everybody who asked in the trouble has an answer.
    pub(super) fn all_is_well(&self) -> bool {
        let is_later = |since: Instant| self.calm_since.is_some_and(|calm| since >= calm);
        self.open.values().all(|(since, _)| is_later(*since))
    }
}
