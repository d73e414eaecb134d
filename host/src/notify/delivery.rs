//! The tasks that send messages, one per webhook, and the loop's queue to them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reeve_core::notice::Notice;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::address::Address;
use super::message::{Kind, Message, Teller};
use super::open::{Opened, Webhooks};
use super::outbox::{Next, Outbox};
use super::retry::{Outcome, Retry, Verdict};
use super::transport::Transport;
use super::webhook::Webhook;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// How long queued messages may still be sent when the host ends. The last ended instance is worth
/// a message, and a supervisor waits longer than this.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// Queues notices for the webhooks. Clones share the queues.
#[derive(Clone)]
pub(crate) struct Announcer {
    lines: Arc<[Line]>,
    clock: Clock,
}

/// The tasks. If they are dropped, they end at once.
pub(crate) struct Deliveries {
    tasks: JoinSet<()>,
    announcer: Announcer,
}

/// One webhook and its queue.
struct Line {
    webhook: Webhook,
    address: Address,
    outbox: Mutex<Outbox>,
    /// Signals a new message or the shutdown.
    stirred: Notify,
}

impl Webhooks {
    /// Starts one task per webhook.
    pub(crate) fn start(
        self,
        teller: Teller,
        metrics: &Metrics,
        clock: Clock,
    ) -> (Announcer, Deliveries) {
        self.start_with(teller, metrics, clock, Retry::default())
    }

    pub(super) fn start_with(
        self,
        teller: Teller,
        metrics: &Metrics,
        clock: Clock,
        retry: Retry,
    ) -> (Announcer, Deliveries) {
        let line = |Opened { webhook, address }| {
            let counters = metrics.notifications(&webhook.name);
            Line {
                outbox: Mutex::new(Outbox::new(webhook.per_minute_max, retry, counters)),
                webhook,
                address,
                stirred: Notify::new(),
            }
        };
        let announcer = Announcer {
            lines: self.opened.into_iter().map(line).collect(),
            clock,
        };
        let mut tasks = JoinSet::new();
        for index in 0..announcer.lines.len() {
            let sending = Sending {
                lines: Arc::clone(&announcer.lines),
                index,
                transport: self.transport.clone(),
                teller: teller.clone(),
                clock,
                troubles: BTreeSet::new(),
            };
            tasks.spawn(sending.run());
        }
        let deliveries = Deliveries {
            tasks,
            announcer: announcer.clone(),
        };
        (announcer, deliveries)
    }

    /// Sends a test message to each webhook once. Returns the outcomes by name.
    pub(crate) async fn try_out(&self, teller: &Teller, clock: Clock) -> Vec<(String, Outcome)> {
        let mut outcomes = Vec::new();
        for Opened { webhook, address } in &self.opened {
            let message = Message::test(clock.now());
            let body = webhook.format.body(&message, teller, &webhook.template);
            let outcome = self.transport.post(address, &body, || clock.now()).await;
            outcomes.push((webhook.name.clone(), outcome));
        }
        outcomes
    }
}

impl Announcer {
    /// Queues a notice for every webhook that wants it. It blocks only on other pushes.
    pub(crate) fn tell(&self, notice: &Notice) {
        self.queue(notice, Kind::Notice);
    }

    /// The same for a notice that any client on the network can cause, any number of times.
    pub(crate) fn tell_unproven(&self, notice: &Notice) {
        self.queue(notice, Kind::Unproven);
    }

    fn queue(&self, notice: &Notice, kind: Kind) {
        let mut message = None;
        for line in &*self.lines {
            if !line.webhook.filter.wants(notice) {
                continue;
            }
            let message = message
                .get_or_insert_with(|| Arc::new(Message::of(notice, kind, self.clock.now())));
            line.outbox().push(Arc::clone(message));
            line.stirred.notify_one();
        }
    }
}

impl Deliveries {
    /// Sends queued messages for at most [`CLOSING_MAX`], then drops the rest.
    pub(crate) async fn finish(mut self) {
        for line in &*self.announcer.lines {
            line.outbox().close();
            line.stirred.notify_one();
        }
        let all_sent = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSING_MAX, all_sent).await.is_ok() {
            return;
        }
        self.tasks.shutdown().await;
        for line in &*self.announcer.lines {
            let messages = line.outbox().abandon();
            if messages > 0 {
                let webhook = &line.webhook.name;
                tracing::warn!(
                    webhook,
                    messages,
                    "ended before all notifications were sent"
                );
            }
        }
    }
}

impl Line {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // The outbox has no invariant that a panic could break.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of one webhook's task.
struct Sending {
    lines: Arc<[Line]>,
    index: usize,
    transport: Transport,
    teller: Teller,
    clock: Clock,
    /// Problems logged since the last success. Each is logged once.
    troubles: BTreeSet<String>,
}

impl Sending {
    async fn run(mut self) {
        let lines = Arc::clone(&self.lines);
        let Some(line) = lines.get(self.index) else {
            return;
        };
        loop {
            let (next, closing) = {
                let mut outbox = line.outbox();
                (outbox.next(self.clock.now()), outbox.is_closing())
            };
            match next {
                Next::Send(message) => self.send(line, &message).await,
                Next::WaitUntil(at) => {
                    let due = tokio::time::sleep_until(self.clock.to_tokio(at));
                    tokio::select! {
                        () = due => {}
                        () = line.stirred.notified() => {}
                    }
                }
                Next::Nothing if closing => return,
                Next::Nothing => line.stirred.notified().await,
            }
        }
    }

    async fn send(&mut self, line: &Line, message: &Message) {
        let webhook = &line.webhook;
        let body = webhook
            .format
            .body(message, &self.teller, &webhook.template);
        let outcome = self
            .transport
            .post(&line.address, &body, || self.clock.now())
            .await;
        let verdict = line.outbox().answered(&outcome, self.clock.now());
        self.log(&webhook.name, &outcome, verdict);
    }

    fn log(&mut self, webhook: &str, outcome: &Outcome, verdict: Verdict) {
        if verdict == Verdict::Delivered {
            if !self.troubles.is_empty() {
                tracing::info!(webhook, "notifications are delivered again");
                self.troubles.clear();
            }
            return;
        }
        let what_now = match (verdict, outcome.may_pass()) {
            (Verdict::Again(_), _) => "the host retries",
            (_, true) => "the message is dropped",
            (_, false) => "the host does not retry; check the webhook with `reeve notify test`",
        };
        if self.troubles.insert(format!("{outcome}; {what_now}")) {
            tracing::warn!(
                webhook,
                "a notification was not delivered: {outcome}; {what_now}"
            );
        }
    }
}
