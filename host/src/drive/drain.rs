//! The end of the loop: every pending request gets a response, and running mutations are completed.

use reeve_core::answer::{Answer, NotYet, NotYetCode};
use reeve_core::boxes::{Refusal, RefusalCode, Reply};
use reeve_core::effect::Effect;
use reeve_core::event::Event;
use reeve_core::time::Millis;

use super::handle::Request;
use super::{DRAIN_MAX, Drive};

/// When callers should retry during a shutdown: a successor host, if any, is up by then.
const DRAINING_RETRY_AFTER: Millis = Millis::from_secs(2);

impl Drive {
    /// Responds to every pending caller, then waits for running mutations to end. Outcomes are
    /// journaled, and a write that completes a mutation (the pointer after a launch) is still sent.
    /// No new question or mutation starts.
    pub(super) async fn drain(&mut self) {
        for caller in std::mem::take(&mut self.callers).into_values() {
            let _ = caller.send(draining());
        }
        let deadline = tokio::time::Instant::now() + DRAIN_MAX;
        while self.is_at_work() {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(deadline) => {
                    tracing::warn!(
                        mutations = self.mutations_under_way,
                        "shutting down before all mutations have ended; the journal holds their intents"
                    );
                    break;
                }
                Some(event) = self.events.recv() => self.take_in_last(event).await,
                Some(request) = self.requests.recv() => self.turn_away(request),
            }
        }
        while let Ok(request) = self.requests.try_recv() {
            self.turn_away(request);
        }
        // Pending reports whose work was not started are told to retry.
        for visitor in std::mem::take(&mut self.visitors).into_values() {
            let _ = visitor.send(come_back());
        }
    }

    fn is_at_work(&self) -> bool {
        self.mutations_under_way > 0
            || self.touches_under_way > 0
            || !self.writes_under_way.is_empty()
    }

    async fn take_in_last(&mut self, event: Event) {
        let is_an_end = matches!(
            event,
            Event::Mutated { .. } | Event::Committed { .. } | Event::Touched { .. }
        );
        if !is_an_end {
            return;
        }
        self.count_down(&event);
        for effect in self.fleet.step(self.clock.now(), event) {
            match effect {
                Effect::Query { .. }
                | Effect::Probe { .. }
                | Effect::Decide(_)
                | Effect::ReadRecord(_)
                | Effect::Timer { .. } => {}
                effect => self.carry_out(effect).await,
            }
        }
    }

    fn turn_away(&self, request: Request) {
        match request {
            Request::Resolve { reply, .. } => {
                let _ = reply.send(draining());
            }
            Request::Said { reply, .. } => {
                let _ = reply.send(come_back());
            }
            // If `reply` is dropped, the handler responds that the host is shut down.
            Request::Gone { .. } | Request::Operate { .. } => {}
            Request::Status { worker, reply } => self.tell_status(worker, reply),
        }
    }
}

fn draining() -> Answer {
    Answer::NotYet(NotYet {
        code: NotYetCode::Draining,
        detail: "this host is shutting down; retry, its successor will respond".to_owned(),
        retry_after: DRAINING_RETRY_AFTER,
        decision: None,
    })
}

fn come_back() -> Reply {
    let detail = "this host is shutting down; retry, its successor will respond";
    let code = RefusalCode::Draining;
    Reply::Refused(Refusal::come_back(code, DRAINING_RETRY_AFTER, detail))
}
