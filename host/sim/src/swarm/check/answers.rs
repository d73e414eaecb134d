//! Every resolve gets exactly one response, every register of a box gets one, and no request gets
//! two.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::id::{RequestId, WorkerId};
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee};

/// The longest wait for a response once the trouble is over: four times the longest wait that a
/// caller asks for.
const ANSWER_MAX: Millis = Millis::from_secs(80);

/// Calls that were slow in the trouble have ended after this time. The slowest query takes 30 s.
const STRAGGLERS_MAX: Millis = Millis::from_secs(30);

/// The pending requests of callers.
#[derive(Default)]
pub(super) struct Answers {
    calm_since: Option<Instant>,
    open: BTreeMap<RequestId, (Instant, WorkerId)>,
    left: BTreeSet<RequestId>,
    /// The requests of callers, boxes and operators that a host has responded to.
    responded: BTreeSet<RequestId>,
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

    /// Checks a response to a request of any kind: a request arrives at one life of one host, which
    /// responds once.
    pub(super) fn responded(&mut self, request: RequestId) -> Finding {
        // A restart that a host asks itself for has no number.
        if request == RequestId::default() || self.responded.insert(request) {
            return Ok(());
        }
        let text = format!("request {request} got a second response");
        Err((Guarantee::Answers, text))
    }

    pub(super) fn answered(&mut self, request: RequestId) {
        self.open.remove(&request);
    }

    /// Notes that a caller has gone, or that its connection broke.
    pub(super) fn left(&mut self, request: RequestId) {
        self.open.remove(&request);
        self.left.insert(request);
    }

    /// Checks a response to a request that is not pending: its caller must have left.
    pub(super) fn on_stray(&mut self, request: RequestId) -> Result<(), (WorkerId, String)> {
        if self.left.contains(&request) {
            return Ok(());
        }
        let text = format!("request {request} got a second response, or was never sent");
        Err((WorkerId::from("?"), text))
    }

    /// Notes when the trouble ended.
    pub(super) fn calm(&mut self, at: Instant) {
        self.calm_since = Some(at);
    }

    /// The workers whose callers wait.
    pub(super) fn waited_for(&self) -> impl Iterator<Item = WorkerId> {
        self.open.values().map(|(_, worker)| worker.clone())
    }

    /// Finds a request that has been pending too long since the trouble ended.
    pub(super) fn overdue(&self, now: Instant) -> Option<(WorkerId, String)> {
        let calm_since = self.calm_since?;
        let waits = |since: Instant| now.since(since.max(calm_since));
        let mut open = self.open.values();
        let (since, worker) = open.find(|(since, _)| waits(*since) > ANSWER_MAX)?;
        let text = format!("a caller has no response after {}", waits(*since));
        Some((worker.clone(), text))
    }

    /// Checks a register that a box sent at `sent_at`, and whose response it no longer waits for.
    pub(super) fn register_unanswered(&self, sent_at: Instant) -> Finding {
        let is_calm = |calm_since: Instant| sent_at >= calm_since + STRAGGLERS_MAX;
        if !self.calm_since.is_some_and(is_calm) {
            return Ok(());
        }
        let text = "a box registered and got no response".to_owned();
        Err((Guarantee::Answers, text))
    }

    /// Whether every request that was sent during the trouble has its response.
    pub(super) fn all_is_well(&self) -> bool {
        let is_later = |since: Instant| self.calm_since.is_some_and(|calm| since >= calm);
        self.open.values().all(|(since, _)| is_later(*since))
    }
}
