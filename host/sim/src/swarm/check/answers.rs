//! Everybody who asks where a worker is gets one answer.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::id::{RequestId, WorkerId};
use reeve_core::time::{Instant, Millis};

/// Nobody waits so long for an answer while nothing is wrong: four times the longest that a caller asked for.
const ANSWER_MAX: Millis = Millis::from_secs(80);

/// The questions that are open.
#[derive(Default)]
pub(super) struct Answers {
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

    /// An answer came, and nobody waits for it.
    pub(super) fn answered_nobody(&mut self, request: RequestId) -> Result<(), (WorkerId, String)> {
        if self.left.contains(&request) {
            return Ok(());
        }
        let text = format!("request {request} was answered twice, or never asked");
        Err((WorkerId::from("?"), text))
    }

    /// A question that was open too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<(WorkerId, String)> {
        let overdue = |(since, _): &&(Instant, WorkerId)| now.since(*since) > ANSWER_MAX;
        let (since, worker) = self.open.values().find(overdue)?;
        let text = format!("a caller waits for {} without an answer", now.since(*since));
        Some((worker.clone(), text))
    }
}
