//! Tests the contract, durability and concurrent calls. Refused files are tested in [`refusals`].

mod refusals;

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use reeve_core::id::{HostId, Version};
use reeve_core::store::{Phase, WorkerRecord};
use reeve_core::time::Instant;
use reeve_sim::conformance;
use tempfile::TempDir;

use super::error::TableError;
use super::*;

/// Runs SQL on the store's own connection.
struct Execute(&'static str);

impl Call for Execute {
    type Answer = ();
    const CHANGES: bool = false;

    fn doing(&self) -> String {
        self.0.to_owned()
    }

    fn carry_out(&self, connection: &Connection) -> Result<(), TableError> {
        Ok(connection.execute_batch(self.0)?)
    }
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("store.sqlite")
}

fn open(dir: &TempDir) -> SqliteStore {
    SqliteStore::open(path(dir)).unwrap()
}

/// Another program that opens the same file.
fn stranger(dir: &TempDir) -> Connection {
    Connection::open(path(dir)).unwrap()
}

fn running(host: &str) -> WorkerRecord {
    WorkerRecord {
        lease: Some(HostId::from(host)),
        phase: Phase::Running,
        ..WorkerRecord::default()
    }
}

fn write(worker: &str, expected: u64, host: &str) -> Write {
    Write {
        worker: WorkerId::from(worker),
        expected: Version::new(expected),
        record: running(host),
        if_idle: None,
    }
}

fn version(version: u64) -> Committed {
    Committed::Written(Version::new(version))
}

/// Asserts that the error, with its source, contains each of the texts.
fn assert_says(error: &impl std::error::Error, texts: &[&str]) {
    let mut said = error.to_string();
    if let Some(source) = error.source() {
        said = format!("{said}: {source}");
    }
    for text in texts {
        assert!(said.contains(text), "{text:?} is not in: {said}");
    }
}

/// Queues the calls behind a lock of another program, so that they reach the thread together.
async fn together<T>(
    dir: &TempDir,
    mut calls: Vec<StoreFuture<'_, T>>,
) -> Vec<Result<T, StoreError>> {
    let stranger = stranger(dir);
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    for call in &mut calls {
        let polled = Pin::new(call).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending), "no call has ended yet");
    }
    stranger.execute_batch("ROLLBACK").unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await);
    }
    answers
}

#[tokio::test]
async fn the_file_keeps_the_contract_also_if_it_holds_records_already() {
    let dir = tempfile::tempdir().unwrap();
    conformance::all(&open(&dir)).await;
    conformance::all(&open(&dir)).await;
}

#[tokio::test]
async fn the_file_is_a_ledger_that_a_later_host_reads_on() {
    let dir = tempfile::tempdir().unwrap();
    let now = Instant::from_ms(1_000);
    let entry = |value: &str| LedgerEntry {
        value: value.to_owned(),
        until: Instant::from_ms(2_000),
    };
    let first = open(&dir)
        .enter("login".to_owned(), entry("first"), now)
        .await;
    assert_eq!(first.unwrap(), entry("first"));
    let later = open(&dir);
    let second = later.enter("login".to_owned(), entry("second"), now).await;
    assert_eq!(second.unwrap(), entry("first"));
    let met = conformance::check_ledger(&later, now).await;
    met.unwrap_or_else(|unmet| panic!("{unmet}"));
    assert!(later.read_all().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reopened_store_has_the_written_records() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(write("chat", 0, "a")).await.unwrap();
    store.commit(write("chat", 1, "b")).await.unwrap();
    let refresh = Refresh::Delivered {
        at: Instant::from_ms(7),
        count: 3,
    };
    store
        .refresh(WorkerId::from("chat"), refresh)
        .await
        .unwrap();
    let before = store.read_all().await.unwrap();
    assert_eq!(
        before[&WorkerId::from("chat")].as_ref().unwrap().version,
        Version::new(2)
    );
    drop(store);
    assert!(
        !dir.path().join("store.sqlite-wal").exists(),
        "closed in order"
    );
    assert_eq!(open(&dir).read_all().await.unwrap(), before);
}

#[tokio::test]
async fn a_copy_of_a_store_in_use_has_the_committed_records() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(write("chat", 0, "a")).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for name in ["store.sqlite", "store.sqlite-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let found = open(&copy).read(WorkerId::from("chat")).await.unwrap();
    assert_eq!(found.unwrap().record, running("a"));
}

#[test]
fn a_commit_is_synced_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let connection = file::open(&path(&dir)).unwrap();
    let text = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    assert_eq!(text("PRAGMA journal_mode").unwrap(), "wal");
    let full = 2;
    assert_eq!(number("PRAGMA synchronous").unwrap(), full);
}

#[tokio::test]
async fn the_files_are_for_the_hosts_user_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(write("chat", 0, "a")).await.unwrap();
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let mode = fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_handles_that_race_on_one_file_one_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [Arc::new(open(&dir)), Arc::new(open(&dir))];
    for expected in 0..20 {
        let racers = ["a", "b"].into_iter().zip(&stores).map(|(host, store)| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(write("chat", expected, host)).await })
        });
        let racers: Vec<_> = racers.collect();
        let mut written = 0;
        for racer in racers {
            match racer.await.unwrap().unwrap() {
                Committed::Written(found) => {
                    assert_eq!(found, Version::new(expected + 1));
                    written += 1;
                }
                Committed::Lost(Some(found)) => {
                    assert_eq!(found.version, Version::new(expected + 1))
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(written, 1, "with expected version {expected}");
    }
}

#[tokio::test]
async fn changes_that_wait_together_are_made_in_one_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let log = dir.path().join("store.sqlite-wal");
    let before = fs::metadata(&log).unwrap().len();
    let calls = (0..100).map(|number| store.commit(write(&format!("w{number}"), 0, "a")));
    for answer in together(&dir, calls.collect()).await {
        assert_eq!(answer, Ok(version(1)));
    }
    // Each transaction writes its changed pages to the log. Separate transactions would write at
    // least 100.
    let pages = (fs::metadata(&log).unwrap().len() - before) / 4096;
    assert!(pages < 50, "{pages} pages");
    assert_eq!(store.read_all().await.unwrap().len(), 100);
}

#[tokio::test]
async fn of_changes_that_wait_together_only_those_fail_that_must() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let trigger = "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.workers WHEN new.worker = 'bad'
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    store.call(Execute(trigger)).await.unwrap();
    let workers = ["good", "bad", "better"];
    let calls = workers.map(|worker| store.commit(write(worker, 0, "a")));
    let answers = together(&dir, Vec::from(calls)).await;
    assert_eq!(answers[0], Ok(version(1)));
    let error = answers[1].clone().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert_says(&error, &["commit the record of bad", "not this one"]);
    assert_eq!(answers[2], Ok(version(1)));
    let kept: Vec<_> = store.read_all().await.unwrap().into_keys().collect();
    assert_eq!(kept, [WorkerId::from("better"), WorkerId::from("good")]);
}

#[tokio::test]
async fn times_and_counts_beyond_what_fits_are_kept_as_the_most_that_fits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(write("chat", 0, "a")).await.unwrap();
    let worker = || WorkerId::from("chat");
    let most = Instant::from_ms(u64::MAX);
    for _ in 0..2 {
        let refresh = Refresh::Delivered {
            at: most,
            count: u64::MAX,
        };
        assert_eq!(
            store.refresh(worker(), refresh).await,
            Ok(Refreshed::Written)
        );
    }
    let found = store.read(worker()).await.unwrap().unwrap().activity;
    assert_eq!(found.delivered, i64::MAX as u64);
    assert_eq!(found.delivered_at, Some(Instant::from_ms(i64::MAX as u64)));
}
