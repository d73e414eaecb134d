//! Tests reloads that panic, under the real watch.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// Reloads whose first pass panics, and a count of the passes.
fn with_a_bad_first_pass(directory: &Path) -> (Reloading, Reloads, Arc<AtomicUsize>) {
    let passes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&passes);
    let pass = move || {
        assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first pass");
        ReloadReport { files: Vec::new() }
    };
    let (reloading, reloads) = Reloading::with_pass(Arc::new(pass), directory, Metrics::new());
    (reloading, reloads, passes)
}

async fn at_least(passes: &AtomicUsize, count: usize) {
    let reached = async {
        while passes.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let within = Duration::from_secs(20);
    let reached = tokio::time::timeout(within, reached).await;
    assert!(
        reached.is_ok(),
        "pass {count} did not begin within {within:?}"
    );
}

#[tokio::test]
async fn a_pass_that_panics_is_told_and_the_next_one_serves() {
    let directory = tempfile::tempdir().unwrap();
    let (reloading, reloads, _) = with_a_bad_first_pass(directory.path());
    let running = tokio::spawn(reloading.run());
    let first = reloads.reload(Cause::Request).await;
    assert_eq!(first.map(drop), Err(NoReport::Panicked));
    let second = reloads.reload(Cause::Request).await;
    assert_eq!(second.map(drop), Ok(()));
    running.abort();
}

#[tokio::test]
async fn the_watch_orders_the_next_pass_after_one_that_panicked() {
    let directory = tempfile::tempdir().unwrap();
    let (reloading, _reloads, passes) = with_a_bad_first_pass(directory.path());
    let running = tokio::spawn(reloading.run());
    fs::write(directory.path().join("first.wasm"), "one").unwrap();
    at_least(&passes, 1).await;
    // The second change must arrive after the watch has handled the first one.
    tokio::time::sleep(Duration::from_millis(500)).await;
    fs::write(directory.path().join("second.wasm"), "two").unwrap();
    at_least(&passes, 2).await;
    running.abort();
}
