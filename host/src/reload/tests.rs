//! Tests reloads that panic or take long, under the real watch.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reeve_core::id::Digest;

use super::*;

/// Reloads of one file whose first trial panics, and a count of the trials.
fn with_a_bad_first_trial(directory: &Path) -> (Reloading, Reloads, Arc<AtomicUsize>) {
    let trials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&trials);
    let try_file = move |name: &str| {
        assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first one");
        Some(unchanged(name))
    };
    let names = vec!["one.wasm".to_owned()];
    let (reloading, reloads) =
        Reloading::with(names, Arc::new(try_file), directory, Metrics::new());
    (reloading, reloads, trials)
}

fn unchanged(name: &str) -> FileReport {
    FileReport {
        file: name.to_owned(),
        outcome: Outcome::Unchanged {
            digest: Digest::of(b""),
        },
    }
}

async fn at_least(trials: &AtomicUsize, count: usize) {
    let reached = async {
        while trials.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let within = Duration::from_secs(20);
    let reached = tokio::time::timeout(within, reached).await;
    assert!(
        reached.is_ok(),
        "trial {count} did not begin within {within:?}"
    );
}

#[tokio::test]
async fn a_trial_that_panics_is_told_and_the_next_one_serves() {
    let directory = tempfile::tempdir().unwrap();
    let (reloading, reloads, _) = with_a_bad_first_trial(directory.path());
    let running = tokio::spawn(reloading.run());
    let first = reloads.reload(Cause::Request).await;
    assert_eq!(first.map(drop), Err(NoReport::Panicked));
    let second = reloads.reload(Cause::Request).await;
    assert_eq!(second.map(drop), Ok(()));
    running.abort();
}

#[tokio::test]
async fn the_watch_orders_the_next_trial_after_one_that_panicked() {
    let directory = tempfile::tempdir().unwrap();
    let (reloading, _reloads, trials) = with_a_bad_first_trial(directory.path());
    let running = tokio::spawn(reloading.run());
    fs::write(directory.path().join("first.wasm"), "one").unwrap();
    at_least(&trials, 1).await;
    // The second change must arrive after the watch has handled the first one.
    tokio::time::sleep(Duration::from_millis(500)).await;
    fs::write(directory.path().join("second.wasm"), "two").unwrap();
    at_least(&trials, 2).await;
    running.abort();
}

async fn next(tried: &mut mpsc::UnboundedReceiver<String>) -> String {
    let next = timeout(Duration::from_secs(20), tried.recv()).await;
    next.expect("a file is tried in time").unwrap()
}

#[tokio::test]
async fn a_file_that_takes_long_keeps_no_other_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let (tell, mut tried) = tokio::sync::mpsc::unbounded_channel();
    let try_file = move |name: &str| {
        if name == "bomb.wasm" {
            let _ = held.lock().unwrap().recv();
        }
        tell.send(name.to_owned()).unwrap();
        Some(unchanged(name))
    };
    let names = ["bomb.wasm", "good.wasm"].map(str::to_owned).into();
    let (reloading, reloads) =
        Reloading::with(names, Arc::new(try_file), directory.path(), Metrics::new());
    let running = tokio::spawn(reloading.run());
    for _ in 0..2 {
        reloads.order(Cause::Change).unwrap();
        assert_eq!(next(&mut tried).await, "good.wasm");
    }
    drop(release);
    assert_eq!(next(&mut tried).await, "bomb.wasm");
    running.abort();
}
