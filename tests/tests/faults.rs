//! Faults of the process itself: signals at the wrong moment, a full disk.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::path::Path;

use reeve_tests::emulator::Emulator;
use reeve_tests::process::Reeve;
use reeve_tests::scene::{CREDENTIALS, NAME, POINTER, RESOLVE, configuration, directory, serve};

#[test]
fn sigterm_ends_the_host_cleanly() {
    let emulator = Emulator::start();
    let mut reeve = serve(&emulator);
    reeve.signal("TERM");
    assert!(reeve.wait().success());
}

#[test]
fn a_sigterm_during_the_start_ends_the_host_cleanly() {
    let emulator = Emulator::start();
    let configuration = configuration(&emulator);
    let mut reeve = Reeve::start_without_waiting(directory(), &configuration, &CREDENTIALS);
    reeve.until("the first policy is in force", |reeve| {
        reeve
            .log()
            .iter()
            .any(|line| line.contains("the policy is active"))
    });
    reeve.signal("TERM");
    let ended = reeve.wait();
    assert!(ended.success(), "{ended}: {:#?}", reeve.log());
}

/// The limit for each file on the small disk, in blocks of 512 bytes: the compiled policies fit.
const BLOCKS: u32 = 4096;

/// Repeats the journal's last line until no further line fits on the small disk.
fn fill_the_journal(state_dir: &Path) {
    let journal = state_dir.join("journal-00000001.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let line = format!("{}\n", text.lines().next_back().unwrap());
    let room = BLOCKS as usize * 512 - text.len();
    let filled = text + &line.repeat(room / line.len());
    std::fs::write(&journal, filled).unwrap();
}

#[test]
fn a_host_on_a_full_disk_serves_known_addresses_and_starts_nothing() {
    let emulator = Emulator::start();
    let running = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &running);
    let reeve = serve(&emulator);
    assert_eq!(reeve.get(RESOLVE).status, 200);
    let journal = reeve.directory().join("state/journal-00000001.jsonl");
    reeve.until("an entry is on disk", |_| {
        std::fs::metadata(&journal).is_ok_and(|file| file.len() > 0)
    });
    let directory = reeve.kill();
    fill_the_journal(&directory.path().join("state"));

    let often = "\n[pool.gpu.limits]\nscan_interval_ms = 2000\n";
    let configuration = configuration(&emulator) + often;
    let reeve = Reeve::start_on_small_disk(directory, &configuration, &CREDENTIALS, BLOCKS);
    assert_eq!(reeve.get(RESOLVE).status, 200, "{:#?}", reeve.log());
    reeve.until("the full disk is noticed", |reeve| {
        let ready = reeve.get("/readyz");
        ready.status == 503 && ready.body.to_string().contains("journal")
    });
    assert_eq!(
        reeve.get(RESOLVE).status,
        200,
        "the known address is served"
    );

    emulator.stop(&running);
    reeve.until("the stopped instance is no longer served", |reeve| {
        reeve.get(RESOLVE).status == 503
    });
    let refused = reeve.get(&format!("{RESOLVE}?wait=2s"));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(emulator.state(&running), "stopped");
    let worker = reeve.get("/v1/workers/chat").body;
    let error = worker.get("last_error").map(ToString::to_string);
    assert!(
        error.is_some_and(|error| error.contains("the journal cannot be written")),
        "{worker}"
    );
}
