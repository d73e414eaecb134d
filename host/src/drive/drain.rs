//! The end of the loop: every pending request gets a response, and running mutations are completed.

use reeve_core::boxes::{Receipt, Refusal, RefusalCode};
use reeve_core::effect::Effect;
use reeve_core::event::{Event, WorkerEvent};
use reeve_core::request::RequestKind;
use reeve_core::response::{NotYet, NotYetCode, Resolution, Response};
use reeve_core::time::Millis;
use tokio::sync::oneshot;

use super::handle::Message;
use super::{DRAIN_MAX, Drive};

/// When callers should retry during a shutdown: a successor host, if any, is up by then.
const DRAINING_RETRY_AFTER: Millis = Millis::from_secs(2);

impl Drive {
    /// Responds to every pending caller, then waits for running mutations to end. Outcomes are
    /// journaled, and a write that completes a mutation (the pointer after a launch) is still sent.
    /// No new question or mutation starts.
    pub(super) async fn drain(&mut self) {
        self.end_pending(RequestKind::Resolve);
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
                Some(message) = self.messages.recv() => self.turn_away(message),
            }
        }
        while let Ok(message) = self.messages.try_recv() {
            self.turn_away(message);
        }
        self.end_pending(RequestKind::Statement);
    }

    /// Tells the senders of these requests to come back.
    fn end_pending(&mut self, kind: RequestKind) {
        let ended = self
            .pending
            .extract_if(.., |_, pending| pending.kind == kind);
        for (_, pending) in ended {
            send_last(pending.kind, pending.respond);
        }
    }

    fn is_at_work(&self) -> bool {
        self.mutations_under_way > 0
            || self.refreshes_under_way > 0
            || !self.writes_under_way.is_empty()
    }

    async fn take_in_last(&mut self, event: Event) {
        let Event::Worker { worker, what } = &event else {
            return;
        };
        let is_an_end = matches!(
            what,
            WorkerEvent::Mutated { .. } | WorkerEvent::Committed(_) | WorkerEvent::Refreshed { .. }
        );
        if !is_an_end {
            return;
        }
        self.count_down(worker, what);
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

    fn turn_away(&self, message: Message) {
        match message {
            Message::Asked { what, respond, .. } => send_last(what.kind(), respond),
            Message::Gone { .. } => {}
            Message::Status { worker, respond } => self.tell_status(worker, respond),
        }
    }
}

/// The last response to a request of this kind. A command gets none: its handler says that the host
/// is shut down, because whether the command took effect is not known. Nor does a report of an
/// instance that does not answer: this host looks at nothing any more.
fn send_last(kind: RequestKind, respond: oneshot::Sender<Response>) {
    let response = match kind {
        RequestKind::Resolve => Response::Resolve(draining()),
        RequestKind::Statement => Response::Statement(come_back()),
        RequestKind::Command | RequestKind::Unreachable => return,
    };
    // A sender that is gone needs no response.
    let _ = respond.send(response);
}

fn draining() -> Resolution {
    Resolution::NotYet(NotYet {
        code: NotYetCode::Draining,
        detail: "this host is shutting down; retry, its successor will respond".to_owned(),
        retry_after: DRAINING_RETRY_AFTER,
        decision: None,
    })
}

fn come_back() -> Receipt {
    let detail = "this host is shutting down; retry, its successor will respond";
    let code = RefusalCode::Draining;
    Receipt::Refused(Refusal::come_back(code, DRAINING_RETRY_AFTER, detail))
}
