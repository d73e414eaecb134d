//! The loop's calls to the cloud, the store, policies and probes. Each runs in its own task and
//! always sends an event back, so that no worker waits forever.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Query};
use reeve_core::decision::{Decision, PolicyFailure};
use reeve_core::effect::Question;
use reeve_core::event::{Asker, Event, WorkerEvent};
use reeve_core::guard::Permit;
use reeve_core::health::{Probed, Target};
use reeve_core::id::{InstanceId, RequestId, WorkerId};
use reeve_core::ports::{Cloud, Policies, Store};
use reeve_core::store::{Committed, Refresh, StoreError, StoreErrorKind, Write};
use reeve_core::time::{Instant, Millis};
use reeve_policy::Slots;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::lane::SlowLane;
use super::places::{Place, Places};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::panics::caught;
use crate::probe::probe;

/// Queries at a time: far below the provider's rate limits, enough for a whole fleet at start.
const QUERIES_MAX: usize = 32;
/// Mutations at a time. They are separate from queries, so that queries cannot delay them.
const MUTATIONS_MAX: usize = 16;
/// The last resort behind the cloud client's own timeouts: a call without a response by then has
/// failed.
const CALL_MAX: Duration = Duration::from_secs(120);

/// Probes at a time, each with one connection. A probe that gets no place in time is reported as
/// not tried.
const PROBES_MAX: usize = 256;
/// The longest call to the store.
const STORE_CALL_MAX: Duration = Duration::from_secs(15);

/// What follows when a worker's record was written.
pub(super) enum Then {
    /// Send the mutation.
    Mutate(Permit),
    /// Send nothing, because the intent could not be journaled; the text says why.
    Report(Permit, String),
}

/// Starts the loop's calls.
#[derive(Clone)]
pub(super) struct Calls {
    cloud: Arc<dyn Cloud>,
    slots: Arc<Slots>,
    pub(super) store: Arc<dyn Store>,
    /// The maximum age of the write that announced a mutation at the moment the mutation is sent.
    announced_max: Duration,
    clock: Clock,
    metrics: Metrics,
    /// Unbounded: each worker has only a few calls and questions at a time, which bounds the queue.
    events: mpsc::UnboundedSender<Event>,
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
    decisions: Arc<Places>,
    slow_lane: SlowLane,
    probes: Arc<Semaphore>,
}

impl Calls {
    pub(super) fn new(
        cloud: Arc<dyn Cloud>,
        slots: Arc<Slots>,
        store: Arc<dyn Store>,
        lease: Millis,
        clock: Clock,
        metrics: Metrics,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let (events, incoming) = mpsc::unbounded_channel();
        let calls = Self {
            cloud,
            slots,
            store,
            announced_max: Duration::from(lease) / 2,
            clock,
            metrics,
            events,
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            mutations: Arc::new(Semaphore::new(MUTATIONS_MAX)),
            decisions: Places::new(cores),
            slow_lane: SlowLane::new(cores.max(2) - 1),
            probes: Arc::new(Semaphore::new(PROBES_MAX)),
        };
        (calls, incoming)
    }

    /// Sends a query to the cloud.
    pub(super) fn query(&self, asker: Asker, query: Query) {
        let calls = self.clone();
        let operation = match query {
            Query::Pointer { .. } => "pointer",
            Query::Instance { .. } => "instance",
            Query::Scan { .. } => "scan",
            Query::Demand { .. } => "demand",
            Query::StatusChecks { .. } => "status-checks",
            Query::TemplateVersion { .. } => "template-version",
        };
        tokio::spawn(async move {
            // The semaphore is never closed, so this always succeeds.
            let _leave = calls.queries.acquire().await;
            let asked_at = calls.clock.now();
            let call = calls.cloud.query(query.clone());
            let result = calls.call(operation, call).await;
            calls.send(Event::queried(asker, query, asked_at, result));
        });
    }

    /// Probes an instance.
    pub(super) fn probe(
        &self,
        worker: WorkerId,
        instance: InstanceId,
        asked_at: Instant,
        target: Target,
    ) {
        let calls = self.clone();
        tokio::spawn(async move {
            let room = tokio::time::timeout(target.timeout.into(), calls.probes.acquire()).await;
            let result = match room {
                Ok(_leave) => calls.tried(&target).await,
                Err(_elapsed) => {
                    Probed::NotTried(format!("{PROBES_MAX} other probes were running"))
                }
            };
            calls.metrics.probed(&result);
            calls.send(Event::of(
                worker,
                WorkerEvent::Probed {
                    instance,
                    asked_at,
                    result,
                },
            ));
        });
    }

    /// A panic in a probe shows nothing about the instance.
    async fn tried(&self, target: &Target) -> Probed {
        caught(probe(target)).await.unwrap_or_else(|panicked| {
            self.metrics.panicked("probe");
            tracing::error!(address = %target.address, "a probe {panicked}");
            Probed::NotTried(format!("the probe {panicked}"))
        })
    }

    /// Reads a worker's record.
    pub(super) fn read_record(&self, worker: WorkerId) {
        let calls = self.clone();
        tokio::spawn(async move {
            let asked_at = calls.clock.now();
            let read = calls.store.read(worker.clone());
            let result = calls.ask_store(of_record("read", &worker), read).await;
            calls.send(Event::of(
                worker,
                WorkerEvent::RecordRead { asked_at, result },
            ));
        });
    }

    /// Refreshes a worker's activity.
    pub(super) fn refresh(&self, worker: WorkerId, request: RequestId, refresh: Refresh) {
        let calls = self.clone();
        tokio::spawn(async move {
            let call = calls.store.refresh(worker.clone(), refresh);
            let result = calls.ask_store(of_record("refresh", &worker), call).await;
            calls.send(Event::of(
                worker,
                WorkerEvent::Refreshed {
                    request,
                    refresh,
                    result,
                },
            ));
        });
    }

    /// Writes a worker's record, and sends the mutation only if the write succeeds.
    pub(super) fn commit(&self, write: Write, then: Option<Then>) {
        let calls = self.clone();
        tokio::spawn(async move {
            let worker = write.worker.clone();
            let asked = tokio::time::Instant::now();
            let commit = calls.store.commit(write);
            let result = calls.ask_store(of_record("write", &worker), commit).await;
            let written = matches!(result, Ok(Committed::Written(_)));
            calls.send(Event::of(worker, WorkerEvent::Committed(result)));
            match then.filter(|_| written) {
                Some(Then::Mutate(permit)) => calls.mutate(permit, asked).await,
                Some(Then::Report(permit, trouble)) => calls.not_sent(
                    permit,
                    "JournalUnavailable",
                    format!("not tried, because the journal cannot be written: {trouble}"),
                ),
                None => {}
            }
        });
    }

    /// Sends a mutation. A host that was suspended since the write may have lost its lease to
    /// another host, and the cloud does not check leases. In that case nothing is sent.
    async fn mutate(&self, permit: Permit, announced: tokio::time::Instant) {
        let _leave = self.mutations.acquire().await;
        let age = announced.elapsed();
        if self.store.is_shared() && age > self.announced_max {
            let message = format!(
                "not sent, because its lease was written {} s ago",
                age.as_secs()
            );
            return self.not_sent(permit, "LeaseTooOld", message);
        }
        let (worker, decision) = (permit.worker().clone(), permit.decision());
        let mutation = permit.mutation().clone();
        let operation = operation(&mutation);
        let call = self.cloud.mutate(permit);
        let result = self.call(operation, call).await;
        self.send(Event::of(
            worker,
            WorkerEvent::Mutated {
                decision,
                mutation,
                result,
            },
        ));
    }

    /// Reports a mutation that was not sent.
    fn not_sent(&self, permit: Permit, code: &str, message: String) {
        let (worker, decision) = (permit.worker().clone(), permit.decision());
        let mutation = permit.into_mutation();
        let error = CloudError {
            operation: operation(&mutation).to_owned(),
            kind: CloudErrorKind::NotSent,
            code: code.to_owned(),
            message,
            retry_after: None,
        };
        self.send(Event::of(
            worker,
            WorkerEvent::Mutated {
                decision,
                mutation,
                result: Err(error),
            },
        ));
    }

    /// Asks a policy.
    pub(super) fn decide(&self, question: Question) {
        let calls = self.clone();
        tokio::spawn(async move {
            let asked = std::time::Instant::now();
            let Question {
                worker,
                pool,
                decision,
                input,
            } = question;
            let place = calls.decisions.enter(pool.clone()).await;
            let threads = match place.as_ref().is_some_and(Place::is_slow) {
                true => calls.slow_lane.handle(),
                false => Handle::current(),
            };
            let slots = Arc::clone(&calls.slots);
            let asked_input = input.clone();
            let asked_pool = pool.clone();
            let decided =
                threads.spawn_blocking(move || Policies::decide(&*slots, &asked_pool, asked_input));
            let decided = decided.await;
            drop(place);
            let made = match decided {
                Ok(made) => made,
                Err(error) => Decision {
                    policy: None,
                    settings: None,
                    digest: None,
                    result: Err(failed(&error, input.point().as_str())),
                    input,
                    fuel_used: 0,
                },
            };
            if let Err(failure) = &made.result
                && failure.code == HOST_PANIC
            {
                calls.metrics.panicked("decision");
            }
            calls.metrics.decided(&pool, &made, asked.elapsed());
            calls.send(Event::of(worker, WorkerEvent::Decided { decision, made }));
        });
    }

    /// Waits for a call, at most [`CALL_MAX`]. A panic in the call counts as no response.
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let began = std::time::Instant::now();
        let result = match caught(tokio::time::timeout(CALL_MAX, call)).await {
            Ok(Ok(result)) => result,
            Ok(Err(_elapsed)) => Err(unanswered(
                operation,
                "Timeout",
                format!("no answer within {} s", CALL_MAX.as_secs()),
            )),
            Err(panicked) => {
                self.metrics.panicked("cloud");
                tracing::error!(operation, "a call to the cloud {panicked}");
                Err(unanswered(
                    operation,
                    "Panic",
                    format!("the call {panicked}"),
                ))
            }
        };
        let label = match &result {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.kind.to_string().replace(' ', "-"),
        };
        self.metrics.called(operation, label, began.elapsed());
        result
    }

    /// Waits for the store, at most [`STORE_CALL_MAX`]. A panic in the call counts as no response.
    pub(super) async fn ask_store<T>(
        &self,
        doing: String,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let unanswered = |message: String| StoreError {
            doing: doing.clone(),
            kind: StoreErrorKind::Unavailable,
            message,
        };
        match caught(tokio::time::timeout(STORE_CALL_MAX, call)).await {
            Ok(Ok(result)) => result,
            Ok(Err(_elapsed)) => Err(unanswered(format!(
                "no answer within {} s",
                STORE_CALL_MAX.as_secs()
            ))),
            Err(panicked) => {
                self.metrics.panicked("store");
                tracing::error!(%doing, "a call to the store {panicked}");
                Err(unanswered(format!("the call {panicked}")))
            }
        }
    }

    fn send(&self, event: Event) {
        // After the loop has ended, no task receives the event.
        let _ = self.events.send(event);
    }
}

const HOST_PANIC: &str = "host-panic";

fn failed(error: &tokio::task::JoinError, point: &str) -> PolicyFailure {
    PolicyFailure {
        code: HOST_PANIC.to_owned(),
        text: format!("{point}: the host failed during the policy call: {error}"),
    }
}

fn operation(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::Launch { .. } => "launch",
        Mutation::Start { .. } => "start",
        Mutation::Reboot { .. } => "reboot",
        Mutation::Stop { .. } => "stop",
        Mutation::Terminate { .. } => "terminate",
        Mutation::WritePointer { .. } => "write-pointer",
    }
}

fn of_record(doing: &str, worker: &WorkerId) -> String {
    format!("{doing} the record of {worker}")
}

fn unanswered(operation: &str, code: &str, message: String) -> CloudError {
    CloudError {
        operation: operation.to_owned(),
        kind: CloudErrorKind::Transient,
        code: code.to_owned(),
        message,
        retry_after: None,
    }
}
