//! The store in memory, and whether the suite that holds every store to its contract can fail.

#![allow(
    clippy::panic,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use reeve_core::id::{DecisionId, Version, WorkerId};
use reeve_core::ports::{Store, StoreFuture};
use reeve_core::store::{
    Activity, Committed, Phase, Records, Refresh, Refreshed, StoreError, StoreErrorKind, Stored,
    WorkerRecord, Write,
};
use reeve_core::time::Instant;
use reeve_sim::conformance;
use reeve_sim::store::{MemoryLedger, MemoryStore};

/// Awaits what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory answers at once"),
    }
}

#[test]
fn the_store_in_memory_keeps_the_contract_also_if_it_holds_records_already() {
    let store = MemoryStore::new(true);
    now(conformance::all(&store));
    assert!(!store.read_all_now().unwrap().is_empty());
    now(conformance::all(&store));
}

#[test]
fn the_ledger_in_memory_keeps_its_contract() {
    let met = now(conformance::check_ledger(
        &MemoryLedger::default(),
        Instant::from_ms(1_000),
    ));
    met.unwrap_or_else(|unmet| panic!("{unmet}"));
}

#[test]
fn a_clone_is_another_handle_on_the_same_records() {
    let store = MemoryStore::new(true);
    let other = store.clone();
    let write = write(0, WorkerRecord::default());
    store.commit_now(&write).unwrap();
    let found = other.read_now(&write.worker).unwrap();
    assert_eq!(found.map(|stored| stored.version), Some(Version::new(1)));
    assert!(other.is_shared());
    assert!(!MemoryStore::new(false).is_shared());
}

#[test]
fn a_store_told_to_fail_fails_every_call_and_does_nothing_until_told_otherwise() {
    let store = MemoryStore::new(true);
    let running = WorkerRecord {
        phase: Phase::Running,
        ..WorkerRecord::default()
    };
    let first = write(0, running);
    store.commit_now(&first).unwrap();
    let before = store.read_all_now().unwrap();
    let error = StoreError {
        doing: "anything".to_owned(),
        kind: StoreErrorKind::Throttled,
        message: "slow down".to_owned(),
    };
    store.fail(Some(error.clone()));
    let worker = || first.worker.clone();
    let refresh = Refresh::Heartbeat {
        at: Instant::from_ms(1),
    };
    let second = write(1, WorkerRecord::default());
    assert_eq!(now(store.read(worker())), Err(error.clone()));
    assert_eq!(now(store.read_all()), Err(error.clone()));
    assert_eq!(now(store.commit(second)), Err(error.clone()));
    assert_eq!(now(store.refresh(worker(), refresh)), Err(error));
    store.fail(None);
    assert_eq!(store.read_all_now().unwrap(), before);
}

fn write(expected: u64, record: WorkerRecord) -> Write {
    Write {
        worker: WorkerId::from("chat"),
        expected: Version::new(expected),
        record,
        if_idle: None,
    }
}

/// A mistake that the author of a store could make.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    LosesWhatIsSentAgain,
    OverwritesOnFirstCommit,
    RefreshesWhateverThePhase,
    RefreshChangesTheVersion,
    IgnoresWhetherItIsIdle,
    ShowsNoActivityToTheLoser,
    ListsTheFirstPageOnly,
    OneRecordHidesAll,
    FoldsCase,
}

struct Flawed {
    sound: MemoryStore,
    flaw: Flaw,
}

impl Flawed {
    fn version(&self, worker: &WorkerId) -> Result<Version, StoreError> {
        let stored = self.sound.read_now(worker)?;
        Ok(stored.map_or(Version::default(), |stored| stored.version))
    }

    fn worker(&self, worker: WorkerId) -> WorkerId {
        match self.flaw {
            Flaw::FoldsCase => WorkerId::from(worker.as_str().to_lowercase()),
            _ => worker,
        }
    }

    /// Puts a record where the sound store would not.
    fn force(&self, worker: &WorkerId, record: WorkerRecord) -> Result<Committed, StoreError> {
        self.sound.commit_now(&Write {
            worker: worker.clone(),
            expected: self.version(worker)?,
            record,
            if_idle: None,
        })
    }

    fn commit_flawed(&self, mut write: Write) -> Result<Committed, StoreError> {
        write.worker = self.worker(write.worker);
        let version = self.version(&write.worker)?;
        match self.flaw {
            Flaw::LosesWhatIsSentAgain if version != write.expected => {
                return Ok(Committed::Lost(self.sound.read_now(&write.worker)?));
            }
            Flaw::OverwritesOnFirstCommit if write.expected == Version::default() => {
                return self.force(&write.worker, write.record);
            }
            Flaw::IgnoresWhetherItIsIdle => write.if_idle = None,
            _ => {}
        }
        let mut answer = self.sound.commit_now(&write)?;
        if let (Flaw::ShowsNoActivityToTheLoser, Committed::Lost(Some(stored))) =
            (self.flaw, &mut answer)
        {
            stored.activity = Activity::default();
        }
        Ok(answer)
    }

    fn refresh_flawed(&self, worker: &WorkerId, refresh: Refresh) -> Result<Refreshed, StoreError> {
        let refreshed = self.sound.refresh_now(worker, refresh)?;
        let Some(stored) = self.sound.read_now(worker)? else {
            return Ok(refreshed);
        };
        match self.flaw {
            Flaw::RefreshesWhateverThePhase => return Ok(Refreshed::Written),
            Flaw::RefreshChangesTheVersion => {
                self.force(worker, stored.record)?;
            }
            _ => {}
        }
        Ok(refreshed)
    }
}

impl Store for Flawed {
    fn is_shared(&self) -> bool {
        true
    }

    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>> {
        self.sound.read(self.worker(worker))
    }

    fn read_all(&self) -> StoreFuture<'_, Records> {
        Box::pin(async move {
            let mut all = self.sound.read_all_now()?;
            if matches!(self.flaw, Flaw::ListsTheFirstPageOnly) {
                all = all.into_iter().take(20).collect();
            }
            if matches!(self.flaw, Flaw::OneRecordHidesAll) && all.values().any(Result::is_err) {
                all.clear();
            }
            Ok(all)
        })
    }

    fn commit(&self, write: Write) -> StoreFuture<'_, Committed> {
        Box::pin(async move { self.commit_flawed(write) })
    }

    fn reserve(&self, above: DecisionId, count: u64) -> StoreFuture<'_, DecisionId> {
        self.sound.reserve(above, count)
    }

    fn refresh(&self, worker: WorkerId, refresh: Refresh) -> StoreFuture<'_, Refreshed> {
        Box::pin(async move { self.refresh_flawed(&self.worker(worker), refresh) })
    }
}

#[test]
fn the_suite_names_the_behaviour_that_a_flawed_store_lacks() {
    let cases = [
        (
            Flaw::LosesWhatIsSentAgain,
            "a_commit_sent_again_is_written_once",
        ),
        (
            Flaw::OverwritesOnFirstCommit,
            "a_first_commit_is_lost_where_there_is_a_record",
        ),
        (
            Flaw::RefreshesWhateverThePhase,
            "a_report_refreshes_in_phase_running_only_and_a_hand_out_while_ending_too",
        ),
        (
            Flaw::RefreshChangesTheVersion,
            "a_refresh_changes_neither_version_nor_record",
        ),
        (
            Flaw::IgnoresWhetherItIsIdle,
            "a_commit_if_idle_is_refused_to_a_worker_in_use_and_written_otherwise",
        ),
        (
            Flaw::ShowsNoActivityToTheLoser,
            "a_stale_commit_is_lost_and_carries_the_record_and_its_activity",
        ),
        (
            Flaw::ListsTheFirstPageOnly,
            "reading_all_returns_every_record_over_all_pages",
        ),
        (
            Flaw::OneRecordHidesAll,
            "a_record_that_cannot_be_read_leaves_the_others_readable",
        ),
        (Flaw::FoldsCase, "odd_names_are_workers_of_their_own"),
    ];
    for (flaw, lacking) in cases {
        let sound = MemoryStore::new(true);
        let unmet = now(conformance::unmet(&Flawed { sound, flaw }));
        let found = unmet.iter().find(|unmet| unmet.check == lacking);
        let why = &found.unwrap_or_else(|| panic!("{flaw:?}: {unmet:?}")).why;
        assert!(
            why.contains("expected ") && why.contains("found "),
            "{flaw:?}: {why}"
        );
    }
}

#[test]
fn a_failing_call_is_an_unmet_behaviour_with_the_stores_words() {
    let store = MemoryStore::new(true);
    store.fail(Some(StoreError {
        doing: "read the record of chat".to_owned(),
        kind: StoreErrorKind::Denied,
        message: "AccessDeniedException".to_owned(),
    }));
    let unmet = now(conformance::unmet(&store));
    assert_eq!(unmet.len(), conformance::checks().count());
    assert!(
        unmet[0].why.contains("AccessDeniedException"),
        "{}",
        unmet[0]
    );
}
