//! The loop: the one task that owns the fleet's state. It takes events one at a time and carries
//! out their effects in order.
//!
//! - [`drain`]: the shutdown. [`calls`]: work done in other tasks, whose results return as events.
//! - [`handle`]: how request handlers reach the loop. [`timers`]: the core's timers.
//! - [`places`], [`lane`]: where policies decide, so that a slow pool costs the others little.
//! - [`numbers`]: decision ids. [`boxes`]: floods at the listener for boxes.

mod boxes;
mod calls;
mod drain;
mod handle;
mod lane;
mod numbers;
mod places;
mod timers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reeve_core::cloud::Query;
use reeve_core::effect::Effect;
use reeve_core::event::{Event, PoolEvent, WorkerEvent};
use reeve_core::fleet::Fleet;
use reeve_core::guard::Permit;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::journal::Entry;
use reeve_core::ports::{Cloud, Store};
use reeve_core::request::RequestKind;
use reeve_core::response::Response;
use reeve_core::store::{Committed, Refresh, Write};
use reeve_core::time::Millis;
use reeve_policy::Slots;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::hearing::Hearing;
use crate::journal::{Journal, JournalError};
use crate::metrics::Metrics;
use crate::notify::Announcer;
use crate::readiness::Readiness;
use crate::routes::{HandedOut, Routes};
use boxes::Paces;
use calls::{Calls, Then};
use handle::Message;
use numbers::Reserving;
use timers::Timers;

pub(crate) use handle::{Handle, LoopEnded};

/// How often the loop collects which published routes were handed out.
const COLLECT: Duration = Duration::from_secs(1);
/// Requests served before the loop looks at events again. A request takes microseconds, and a
/// waiting event delays a worker.
const TOGETHER: usize = 32;
/// How long mutations may take to end at shutdown. The journal holds the intents of the rest, and
/// the next host finds their instances by tag.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(10);

/// The parts the loop works with.
pub(crate) struct Parts {
    pub(crate) fleet: Fleet,
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) store: Arc<dyn Store>,
    /// The length of a lease.
    pub(crate) lease: Millis,
    pub(crate) journal: Journal,
    pub(crate) routes: Arc<Routes>,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    pub(crate) announcer: Announcer,
    /// Connections that the listener for boxes turned away.
    pub(crate) hearing: Hearing,
    pub(crate) clock: Clock,
}

/// The loop's state.
pub(crate) struct Drive {
    fleet: Fleet,
    journal: Journal,
    routes: Arc<Routes>,
    readiness: Readiness,
    metrics: Metrics,
    announcer: Announcer,
    hearing: Hearing,
    paces: Paces,
    clock: Clock,
    calls: Calls,
    events: mpsc::UnboundedReceiver<Event>,
    messages: mpsc::Receiver<Message>,
    timers: Timers,
    pending: BTreeMap<RequestId, Pending>,
    mutations_under_way: usize,
    refreshes_under_way: usize,
    /// Workers with a running write of their record, and whether a mutation waits for the write.
    writes_under_way: BTreeMap<WorkerId, bool>,
    /// The latest intent: durable and not yet used, or not written and why.
    intent: Intent,
    /// The block of decision ids that the store is asked for; `None` if it is not asked.
    reserving: Option<Reserving>,
}

/// A request that waits for its response.
struct Pending {
    kind: RequestKind,
    respond: oneshot::Sender<Response>,
}

/// What stands before a mutation.
#[derive(Debug)]
enum Intent {
    None,
    Durable,
    NotWritten(JournalError),
}

impl Drive {
    /// A loop that has not started, and the handle to reach it.
    pub(crate) fn new(parts: Parts) -> (Self, Handle) {
        let (calls, events) = Calls::new(
            parts.cloud,
            parts.slots,
            parts.store,
            parts.lease,
            parts.clock,
            parts.metrics.clone(),
        );
        let (handle, messages) = Handle::new();
        let drive = Self {
            fleet: parts.fleet,
            journal: parts.journal,
            routes: parts.routes,
            readiness: parts.readiness,
            metrics: parts.metrics,
            announcer: parts.announcer,
            hearing: parts.hearing,
            paces: Paces::new(),
            clock: parts.clock,
            calls,
            events,
            messages,
            timers: Timers::default(),
            pending: BTreeMap::new(),
            mutations_under_way: 0,
            refreshes_under_way: 0,
            writes_under_way: BTreeMap::new(),
            intent: Intent::None,
            reserving: None,
        };
        (drive, handle)
    }

    /// Works until `stop` is sent or dropped, then drains.
    ///
    /// # Errors
    /// [`JournalError`] if the journal could not be made durable at the end.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) -> Result<(), JournalError> {
        let mut collect = tokio::time::interval(COLLECT);
        collect.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.take_in(Event::Started).await;
        loop {
            let due = self.timers.next().map(|at| self.clock.to_tokio(at));
            tokio::select! {
                biased;
                _ = &mut stop => break,
                Some(event) = self.events.recv() => self.take_in(event).await,
                () = sleep_until(due) => self.fire_timers().await,
                _ = collect.tick() => self.collect().await,
                Some(message) = self.messages.recv() => self.serve_all(message).await,
            }
        }
        self.drain().await;
        self.journal.close().await
    }

    /// Passes an event to the core and carries out its effects.
    async fn take_in(&mut self, event: Event) {
        match &event {
            Event::Pool {
                pool,
                what:
                    PoolEvent::Queried {
                        query: Query::Scan { .. },
                        result,
                        ..
                    },
            } => self.readiness.scanned(pool, result),
            Event::Worker { worker, what } => self.hear_end(worker, what),
            Event::Started | Event::Pool { .. } => {}
        }
        let effects = self.fleet.step(self.clock.now(), event);
        for effect in effects {
            self.carry_out(effect).await;
        }
    }

    /// Notes the end of a call, for readiness and for the counts of running work.
    fn hear_end(&mut self, worker: &WorkerId, what: &WorkerEvent) {
        match what {
            WorkerEvent::Refreshed { result, .. } => {
                self.readiness.store_answered(result.as_ref().err());
            }
            WorkerEvent::Committed(result) => {
                self.readiness.record_read(worker, result.as_ref().err());
            }
            WorkerEvent::RecordRead { result, .. } => {
                self.readiness.record_read(worker, result.as_ref().err());
            }
            // The guard checks activity, so it must see all use up to this moment.
            WorkerEvent::Decided { .. } => {
                if let Some(handed_out) = self.routes.collect(worker) {
                    self.handed_out(handed_out);
                }
            }
            _ => {}
        }
        self.count_down(worker, what);
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Query { asker, query } => self.calls.query(asker, query),
            Effect::Probe {
                worker,
                instance,
                asked_at,
                target,
            } => self.calls.probe(worker, instance, asked_at, target),
            Effect::Decide(question) => self.calls.decide(question),
            Effect::Journal(entry) => self.write_down(entry).await,
            Effect::ReadRecord(worker) => self.calls.read_record(worker),
            Effect::Commit { write, then } => self.commit(*write, then),
            Effect::Refresh {
                worker,
                request,
                refresh,
            } => self.refresh(worker, request, refresh),
            Effect::Timer { at, timer } => self.timers.set(at, timer),
            Effect::Respond {
                worker,
                request,
                response,
            } => self.respond(&worker, request, response),
            Effect::Publish(route) => {
                if let Some(handed_out) = self.routes.publish(&route) {
                    self.handed_out(handed_out);
                }
            }
            Effect::Withdraw(worker) => {
                if let Some(handed_out) = self.routes.withdraw(&worker) {
                    self.handed_out(handed_out);
                }
            }
            Effect::Notice(notice) => self.tell(notice),
        }
    }

    async fn write_down(&mut self, entry: Entry) {
        let is_intent = entry.content.must_be_durable();
        let written = self.journal.append(entry).await;
        if is_intent {
            self.intent = match written {
                Ok(()) => Intent::Durable,
                Err(error) => Intent::NotWritten(error),
            };
        }
    }

    /// Sends a mutation only after its intent is durable; otherwise reports it as not sent (fail
    /// static).
    fn commit(&mut self, write: Write, then: Option<Permit>) {
        let then = then.map(|permit| {
            self.mutations_under_way += 1;
            match std::mem::replace(&mut self.intent, Intent::None) {
                Intent::Durable => Then::Mutate(permit),
                Intent::NotWritten(error) => Then::Report(permit, error.line()),
                Intent::None => Then::Report(permit, "no intent stands before it".to_owned()),
            }
        });
        self.writes_under_way
            .insert(write.worker.clone(), then.is_some());
        self.calls.commit(write, then);
    }

    /// Counts work that has ended. A failed write also ends the mutation that waited for it.
    fn count_down(&mut self, worker: &WorkerId, what: &WorkerEvent) {
        let mutation_ended = match what {
            WorkerEvent::Mutated { .. } => true,
            WorkerEvent::Refreshed { .. } => {
                self.refreshes_under_way = self.refreshes_under_way.saturating_sub(1);
                false
            }
            WorkerEvent::Committed(result) => {
                let waited = self.writes_under_way.remove(worker).unwrap_or(false);
                waited && !matches!(result, Ok(Committed::Written(_)))
            }
            _ => false,
        };
        if mutation_ended {
            self.mutations_under_way = self.mutations_under_way.saturating_sub(1);
        }
    }

    /// Tells the core that a route was handed out. The only effects are a refresh in the store and the
    /// timer of the journal's count.
    fn handed_out(&mut self, handed_out: HandedOut) {
        let HandedOut {
            worker,
            instance,
            count,
        } = handed_out;
        let event = Event::of(worker, WorkerEvent::HandedOut { instance, count });
        for effect in self.fleet.step(self.clock.now(), event) {
            match effect {
                Effect::Refresh {
                    worker,
                    request,
                    refresh,
                } => self.refresh(worker, request, refresh),
                Effect::Timer { at, timer } => self.timers.set(at, timer),
                other => debug_assert!(false, "{other:?}"),
            }
        }
    }

    fn refresh(&mut self, worker: WorkerId, request: RequestId, refresh: Refresh) {
        self.refreshes_under_way += 1;
        self.calls.refresh(worker, request, refresh);
    }

    async fn fire_timers(&mut self) {
        while let Some(timer) = self.timers.take_due(self.clock.now()) {
            self.hear_of_missed().await;
            self.take_in(timer.into()).await;
        }
    }

    async fn collect(&mut self) {
        for handed_out in self.routes.collect_all() {
            self.handed_out(handed_out);
        }
        self.hear_of_missed().await;
        self.tell_of_floods();
        self.journal.retry();
        self.reserve_ids();
    }

    /// Serves a message and those that have queued since. Going back to sleep and polling all
    /// sources costs more than most messages.
    async fn serve_all(&mut self, first: Message) {
        self.serve(first).await;
        for _ in 1..TOGETHER {
            let Ok(message) = self.messages.try_recv() else {
                return;
            };
            self.serve(message).await;
        }
    }

    async fn serve(&mut self, message: Message) {
        match message {
            Message::Asked {
                worker,
                request,
                what,
                respond,
            } => {
                let kind = what.kind();
                self.pending.insert(request, Pending { kind, respond });
                let what = WorkerEvent::Asked { request, what };
                self.take_in(Event::of(worker, what)).await;
            }
            Message::Gone { worker, request } => {
                self.pending.remove(&request);
                let what = WorkerEvent::Gone(request);
                self.take_in(Event::of(worker, what)).await;
            }
            Message::Status { worker, respond } => self.tell_status(worker, respond),
        }
    }

    fn respond(&mut self, worker: &WorkerId, request: RequestId, response: Response) {
        if let Response::Resolve(resolution) = &response {
            self.metrics.answered(worker, resolution);
        }
        if let Some(pending) = self.pending.remove(&request) {
            // A sender that is gone needs no response.
            let _ = pending.respond.send(response);
        }
    }

    fn tell_status(
        &self,
        worker: Option<reeve_core::id::WorkerId>,
        reply: oneshot::Sender<Vec<reeve_core::worker::WorkerStatus>>,
    ) {
        let now = self.clock.now();
        let status = match worker {
            Some(worker) => self.fleet.status(&worker, now).into_iter().collect(),
            None => self
                .fleet
                .workers()
                .map(|worker| worker.status(now))
                .collect(),
        };
        let _ = reply.send(status);
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
