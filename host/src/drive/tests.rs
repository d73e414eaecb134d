//! Tests the loop with a journal that fails, which no external test can cause.

use crate::common::{POINTER, Stage};
use std::sync::atomic::{AtomicU64, Ordering};

use reeve_core::cloud::MutationKind;
use reeve_core::fleet::Identity;
use reeve_core::id::{DecisionId, HostId};
use reeve_core::ports::StoreFuture;
use reeve_core::response::{NotYetCode, Resolution};
use reeve_core::spec::LEASE;
use reeve_core::store::{Records, Refresh, Refreshed, StoreError, StoreErrorKind, Stored};
use reeve_sim::store::MemoryStore;

use super::*;
use crate::host::HostOptions;
use crate::notify::{Teller, Webhooks};

/// A running loop on a test stage.
struct Running {
    handle: Handle,
    break_journal: Box<dyn Fn(bool)>,
    readiness: Readiness,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<(), JournalError>>,
}

impl Running {
    fn start(stage: &Stage) -> Self {
        Self::start_with(stage, Arc::new(stage.store.clone()), LEASE)
    }

    fn start_with(stage: &Stage, store: Arc<dyn Store>, lease: Millis) -> Self {
        let HostOptions {
            mut spec,
            policies,
            cloud,
            state_dir,
            clock,
            ..
        } = stage.options();
        assert!(policies.registry.reload().is_good());
        spec.lease = lease;
        let metrics = Metrics::new();
        let (journal, mut recovered) = Journal::open(&state_dir, metrics.clone()).unwrap();
        let break_journal = Box::new(journal.switch_for_test());
        let readiness = Readiness::new(&spec, journal.health(), policies.registry.clone());
        let identity = Identity {
            host: HostId::from("this-life"),
            store_is_shared: store.is_shared(),
        };
        recovered.records = Some(BTreeMap::new());
        let teller = Teller {
            fleet: spec.name.clone(),
            host: "this-host".to_owned(),
        };
        let (announcer, _) = Webhooks::none().start(teller, &metrics, clock);
        let workers = spec.workers.iter();
        let workers = workers.map(|(worker, spec)| (worker, &spec.pool));
        let routes = Arc::new(Routes::new(workers, &metrics));
        let (drive, handle) = Drive::new(Parts {
            routes,
            fleet: Fleet::new(spec, identity, recovered),
            cloud,
            store,
            lease,
            slots: policies.registry.slots().clone(),
            journal,
            readiness: readiness.clone(),
            metrics,
            announcer,
            hearing: Hearing::default(),
            clock,
        });
        let (stop, stopped) = oneshot::channel();
        Self {
            handle,
            break_journal,
            readiness,
            stop,
            ended: tokio::spawn(drive.run(stopped)),
        }
    }

    async fn resolve(&self, wait_s: u64) -> Resolution {
        let wait = Some(Millis::from_secs(wait_s));
        self.handle
            .resolve(&WorkerId::from("chat"), wait)
            .await
            .unwrap()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

fn kinds(stage: &Stage) -> Vec<MutationKind> {
    stage
        .world
        .mutations()
        .iter()
        .map(|mutation| mutation.kind())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_nothing_is_changed_and_what_runs_is_served() {
    let stage = Stage::new();
    stage.world.add_running("i-a", "chat");
    stage.world.point(POINTER, "i-gone");
    let running = Running::start(&stage);
    (running.break_journal)(true);
    let answer = running.resolve(5).await;
    assert!(
        matches!(&answer, Resolution::Served(route) if route.instance.as_str() == "i-a"),
        "{answer:?}"
    );
    assert_eq!(kinds(&stage), [], "the pointer was not rewritten");
    let judgement = running.readiness.judge();
    assert!(!judgement.ready);
    assert!(
        judgement.reasons[0].contains("the journal cannot be written"),
        "{judgement:?}"
    );
    (running.break_journal)(false);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_could_not_be_written_down_is_made_once_when_it_can() {
    let stage = Stage::new();
    let running = Running::start(&stage);
    (running.break_journal)(true);
    let answer = running.resolve(3).await;
    assert!(
        matches!(&answer, Resolution::NotYet(not_yet) if not_yet.code == NotYetCode::Launching),
        "{answer:?}"
    );
    assert_eq!(kinds(&stage), []);
    (running.break_journal)(false);
    let answer = running.resolve(30).await;
    assert!(
        matches!(&answer, Resolution::Served(route) if route.generation.get() == 1),
        "{answer:?}"
    );
    // A reading of the pointer from before its write may have it written again.
    let mut kinds = kinds(&stage);
    kinds.dedup();
    assert_eq!(kinds, [MutationKind::Launch, MutationKind::WritePointer]);
    running.end().await;
}

/// A store that other hosts share and that is slow to confirm a write.
struct Slow(MemoryStore, AtomicU64);

impl Store for Slow {
    fn is_shared(&self) -> bool {
        true
    }

    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>> {
        self.0.read(worker)
    }

    fn read_all(&self) -> StoreFuture<'_, Records> {
        self.0.read_all()
    }

    fn commit(&self, write: Write) -> StoreFuture<'_, Committed> {
        Box::pin(async move {
            let takes_ms = self.1.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(takes_ms)).await;
            self.0.commit(write).await
        })
    }

    fn reserve(&self, above: DecisionId, count: u64) -> StoreFuture<'_, DecisionId> {
        self.0.reserve(above, count)
    }

    fn refresh(&self, worker: WorkerId, refresh: Refresh) -> StoreFuture<'_, Refreshed> {
        self.0.refresh(worker, refresh)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_on_a_lease_that_may_be_lost_by_the_time_it_was_written() {
    let stage = Stage::new();
    let slow = Arc::new(Slow(stage.store.clone(), AtomicU64::new(300)));
    let running = Running::start_with(&stage, slow.clone(), Millis::new(500));
    let answer = running.resolve(3).await;
    assert!(
        matches!(&answer, Resolution::NotYet(not_yet) if not_yet.code == NotYetCode::Launching),
        "{answer:?}"
    );
    assert_eq!(kinds(&stage), []);
    let record = stage.store.read_now(&WorkerId::from("chat")).unwrap();
    assert!(
        record.unwrap().record.intent.is_some(),
        "the host keeps trying"
    );
    // Renewals have been running nearly all the time.
    slow.1.store(1, Ordering::SeqCst);
    let answer = running.resolve(20).await;
    assert!(matches!(answer, Resolution::Served(_)), "{answer:?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_during_a_renewal_of_the_lease_is_written_after_it() {
    let stage = Stage::new();
    // The lease is renewed 100 ms after each write, and a write takes 400 ms: a renewal runs nearly
    // always.
    let slow = Arc::new(Slow(stage.store.clone(), AtomicU64::new(400)));
    let held = stage.world.mutations.acquire_many(1000).await.unwrap();
    let running = Running::start_with(&stage, slow, Millis::new(1000));
    running.resolve(1).await;
    let stored = || {
        let read = stage.store.read_now(&WorkerId::from("chat")).unwrap();
        read.unwrap_or_default()
    };
    let before = stored().version;
    while stored().version == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A renewal has just ended; the next one starts in a moment.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(held);
    let answer = running.resolve(20).await;
    assert!(matches!(answer, Resolution::Served(_)), "{answer:?}");
    let record = stored().record;
    assert_eq!((record.intent, record.lease), (None, None));
    assert_eq!(record.adopted.unwrap().id.as_str(), "i-launched-0");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_fails_takes_nothing_back_of_what_is_under_way() {
    let stage = Stage::new();
    let prompt = Arc::new(Slow(stage.store.clone(), AtomicU64::new(1)));
    let held = stage.world.mutations.acquire_many(1000).await.unwrap();
    let running = Running::start_with(&stage, prompt, Millis::new(1000));
    running.resolve(1).await;
    stage.store.fail(Some(StoreError {
        doing: "renew the lease".to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the test says so".to_owned(),
    }));
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.store.fail(None);
    // Longer than the pause before a failed launch is sent again.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(held);
    let answer = running.resolve(20).await;
    assert!(matches!(answer, Resolution::Served(_)), "{answer:?}");
    let launches = kinds(&stage)
        .into_iter()
        .filter(|kind| *kind == MutationKind::Launch);
    assert_eq!(launches.count(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_is_dropped_is_forgotten() {
    let stage = Stage::new();
    let held = stage.world.mutations.acquire_many(1000).await.unwrap();
    let running = Running::start(&stage);
    let impatient = tokio::time::timeout(Duration::from_millis(100), running.resolve(60)).await;
    assert!(impatient.is_err());
    // The loop takes requests in order, so it has already seen the caller leave. The drain has no
    // caller to respond to.
    assert_eq!(running.handle.workers().await.unwrap().len(), 1);
    drop(held);
    running.end().await;
}
