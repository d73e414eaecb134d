//! The loop: the one task that owns the fleet's state. It takes events one at a time and carries
//! out their effects in order.
//!
//! - [`drain`]: the shutdown. [`calls`]: work done in other tasks, whose results return as events.
//! - [`handle`]: how request handlers reach the loop. [`timers`]: the core's timers.
//! - [`boxes`]: floods at the listener for boxes.

mod boxes;
mod calls;
mod drain;
mod handle;
mod timers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reeve_core::answer::Answer;
use reeve_core::boxes::Reply;
use reeve_core::cloud::Query;
use reeve_core::effect::Effect;
use reeve_core::event::{Asker, Event};
use reeve_core::fleet::Fleet;
use reeve_core::guard::Permit;
use reeve_core::id::{RequestId, WorkerId};
use reeve_core::journal::Record;
use reeve_core::operator::{Operated, Refused};
use reeve_core::ports::{Cloud, Store};
use reeve_core::store::{Committed, Touch, Write};
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
use handle::{Reported, Request};
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
    requests: mpsc::Receiver<Request>,
    timers: Timers,
    callers: BTreeMap<RequestId, oneshot::Sender<Answer>>,
    /// Boxes and applications that wait for a response to a report.
    visitors: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    operators: BTreeMap<RequestId, oneshot::Sender<Reported>>,
    mutations_under_way: usize,
    touches_under_way: usize,
    /// Workers with a running write of their record, and whether a mutation waits for the write.
    writes_under_way: BTreeMap<WorkerId, bool>,
    /// The latest intent: durable and not yet used, or not written and why.
    intent: Intent,
}

/// The state of the latest intent.
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
        let (handle, requests) = Handle::new();
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
            requests,
            timers: Timers::default(),
            callers: BTreeMap::new(),
            visitors: BTreeMap::new(),
            operators: BTreeMap::new(),
            mutations_under_way: 0,
            touches_under_way: 0,
            writes_under_way: BTreeMap::new(),
            intent: Intent::None,
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
                Some(request) = self.requests.recv() => self.serve_all(request).await,
            }
        }
        self.drain().await;
        self.journal.close().await
    }

    /// Passes an event to the core and carries out its effects.
    async fn take_in(&mut self, event: Event) {
        match &event {
            Event::Queried {
                asker: Asker::Pool(pool),
                query: Query::Scan { .. },
                result,
                ..
            } => self.readiness.scanned(pool, result.as_ref().err()),
            Event::Mutated { .. } => self.count_down(&event),
            Event::Touched { result, .. } => {
                self.readiness.store_answered(result.as_ref().err());
                self.count_down(&event);
            }
            Event::Committed { result, .. } => {
                self.readiness.store_answered(result.as_ref().err());
                self.count_down(&event);
            }
            Event::RecordRead { result, .. } => {
                self.readiness.store_answered(result.as_ref().err());
            }
            // The guard checks activity, so it must see all use up to this moment.
            Event::Decided { worker, .. } => {
                if let Some(handed_out) = self.routes.collect(worker) {
                    self.handed_out(handed_out);
                }
            }
            _ => {}
        }
        let effects = self.fleet.step(self.clock.now(), event);
        for effect in effects {
            self.carry_out(effect).await;
        }
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
            Effect::Journal(record) => self.write_down(record).await,
            Effect::ReadRecord(worker) => self.calls.read_record(worker),
            Effect::Commit { write, then } => self.commit(*write, then),
            Effect::Touch {
                worker,
                request,
                touch,
            } => self.touch(worker, request, touch),
            Effect::Reply { request, reply, .. } => {
                if let Some(visitor) = self.visitors.remove(&request) {
                    // A sender that left needs no response.
                    let _ = visitor.send(reply);
                }
            }
            Effect::Timer { at, timer } => self.timers.set(at, timer),
            Effect::Answer {
                worker,
                request,
                answer,
            } => {
                self.metrics.answered(&worker, &answer);
                self.answer(request, answer);
            }
            Effect::Report {
                worker,
                request,
                result,
            } => self.report(&worker, request, result),
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

    async fn write_down(&mut self, record: Record) {
        let is_intent = record.entry.must_be_durable();
        let written = self.journal.append(record).await;
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
    fn count_down(&mut self, event: &Event) {
        let mutation_ended = match event {
            Event::Mutated { .. } => true,
            Event::Touched { .. } => {
                self.touches_under_way = self.touches_under_way.saturating_sub(1);
                false
            }
            Event::Committed { worker, result } => {
                let waited = self.writes_under_way.remove(worker).unwrap_or(false);
                waited && !matches!(result, Ok(Committed::Written(_)))
            }
            _ => false,
        };
        if mutation_ended {
            self.mutations_under_way = self.mutations_under_way.saturating_sub(1);
        }
    }

    fn answer(&mut self, request: RequestId, answer: Answer) {
        if let Some(caller) = self.callers.remove(&request) {
            // A caller that left needs no response.
            let _ = caller.send(answer);
        }
    }

    /// Tells the core that a route was handed out. The only effect is a touch of the store.
    fn handed_out(&mut self, HandedOut { worker, instance }: HandedOut) {
        let event = Event::HandedOut { worker, instance };
        for effect in self.fleet.step(self.clock.now(), event) {
            match effect {
                Effect::Touch {
                    worker,
                    request,
                    touch,
                } => self.touch(worker, request, touch),
                other => debug_assert!(false, "{other:?}"),
            }
        }
    }

    fn touch(&mut self, worker: WorkerId, request: RequestId, touch: Touch) {
        self.touches_under_way += 1;
        self.calls.touch(worker, request, touch);
    }

    async fn fire_timers(&mut self) {
        while let Some(timer) = self.timers.take_due(self.clock.now()) {
            self.hear_of_missed().await;
            self.take_in(Event::TimerFired(timer)).await;
        }
    }

    async fn collect(&mut self) {
        for handed_out in self.routes.collect_all() {
            self.handed_out(handed_out);
        }
        self.hear_of_missed().await;
        self.tell_of_floods();
        self.journal.retry();
    }

    /// Serves a request and those that have queued since. Going back to sleep and polling all
    /// sources costs more than most requests.
    async fn serve_all(&mut self, first: Request) {
        self.serve(first).await;
        for _ in 1..TOGETHER {
            let Ok(request) = self.requests.try_recv() else {
                return;
            };
            self.serve(request).await;
        }
    }

    async fn serve(&mut self, request: Request) {
        match request {
            Request::Resolve {
                worker,
                request,
                wait,
                reply,
            } => {
                self.callers.insert(request, reply);
                self.take_in(Event::ResolveAsked {
                    worker,
                    request,
                    wait,
                })
                .await;
            }
            Request::Said {
                worker,
                request,
                said,
                fresh,
                reply,
            } => {
                self.visitors.insert(request, reply);
                self.take_in(Event::Said {
                    worker,
                    request,
                    said,
                    fresh,
                })
                .await;
            }
            Request::Gone { worker, request } => {
                self.callers.remove(&request);
                self.visitors.remove(&request);
                self.take_in(Event::RequestGone { worker, request }).await;
            }
            Request::Operate {
                worker,
                request,
                command,
                reply,
            } => {
                self.operators.insert(request, reply);
                self.take_in(Event::Operated {
                    worker,
                    request,
                    command,
                })
                .await;
            }
            Request::Status { worker, reply } => self.tell_status(worker, reply),
        }
    }

    fn report(&mut self, worker: &WorkerId, request: RequestId, result: Result<Operated, Refused>) {
        let reply = self.operators.remove(&request);
        let status = self.fleet.status(worker, self.clock.now());
        if let (Some(reply), Some(status)) = (reply, status) {
            // The command was carried out even if its sender has left.
            let _ = reply.send(result.map(|operated| (operated, status)));
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
