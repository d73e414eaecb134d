use std::fs::{self, OpenOptions};
use std::io::Write;

use reeve_core::cloud::Mutation;
use reeve_core::compute::Compute;
use reeve_core::id::{DecisionId, Epoch, Generation, InstanceId, PoolName, Region, WorkerId};
use reeve_core::journal::{Content, FORMAT};
use reeve_core::time::Instant;
use tempfile::TempDir;

use super::*;

fn intent(worker: &str, decision: u64, generation: u64) -> Entry {
    Entry {
        format: FORMAT,
        pool: PoolName::from("gpu"),
        at: Instant::from_ms(decision),
        worker: WorkerId::from(worker),
        decision: DecisionId::new(decision),
        from: None,
        content: Content::Intent {
            generation: Generation::new(generation),
            epoch: Epoch::new(1),
            mutation: Mutation::Start {
                region: Region::from("us-east-1"),
                compute: Compute::Ec2,
                id: InstanceId::from("i-a"),
            },
        },
    }
}

fn open(dir: &TempDir) -> Opened {
    JournalFile::open(dir.path(), BYTES_MAX).unwrap()
}

fn generation(recovered: &Recovered, worker: &str) -> u64 {
    recovered.generations[&WorkerId::from(worker)].get()
}

/// Appends bytes to the journal's file without the journal.
fn scribble(dir: &TempDir, bytes: &[u8]) {
    let path = disk::path(dir.path(), 1);
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn the_next_life_knows_the_highest_counters() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).journal;
    for entry in [
        intent("chat", 1, 1),
        intent("ingest", 2, 4),
        intent("chat", 3, 2),
    ] {
        journal.append(&entry).unwrap();
    }
    drop(journal);
    let recovered = open(&dir).recovered;
    assert_eq!(generation(&recovered, "chat"), 2);
    assert_eq!(generation(&recovered, "ingest"), 4);
    assert_eq!(recovered.decisions, DecisionId::new(3));
    assert_eq!(recovered.epoch, Epoch::new(1));
}

#[test]
fn epochs_rise_with_every_life_even_if_nothing_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let epochs: Vec<_> = (0..3).map(|_| open(&dir).recovered.epoch.get()).collect();
    assert_eq!(epochs, [0, 1, 2]);
}

#[test]
fn a_torn_last_line_is_cut_off_and_the_lines_before_it_count() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).journal.append(&intent("chat", 1, 7)).unwrap();
    let whole = fs::read(disk::path(dir.path(), 1)).unwrap();
    scribble(&dir, &whole[..whole.len() / 2]);

    let mut opened = open(&dir);
    assert_eq!(opened.torn_bytes, whole.len() as u64 / 2);
    assert!(opened.damage.is_empty(), "{:?}", opened.damage);
    assert_eq!(generation(&opened.recovered, "chat"), 7);
    opened.journal.append(&intent("chat", 2, 8)).unwrap();
    drop(opened);
    assert_eq!(generation(&open(&dir).recovered, "chat"), 8);
    let text = fs::read_to_string(disk::path(dir.path(), 1)).unwrap();
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn a_corrupt_line_in_the_middle_is_reported_with_its_number_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).journal.append(&intent("chat", 1, 1)).unwrap();
    scribble(&dir, b"{\"worker\": garbage\n\xff\xfe\n");
    open(&dir).journal.append(&intent("chat", 2, 2)).unwrap();
    let opened = open(&dir);
    assert_eq!(generation(&opened.recovered, "chat"), 2);
    assert_eq!(opened.damage.len(), 2);
    assert!(
        opened.damage[0].contains("journal-00000001.jsonl:2: "),
        "{}",
        opened.damage[0]
    );
    assert!(
        opened.damage[1].contains("journal-00000001.jsonl:3: "),
        "{}",
        opened.damage[1]
    );
}

#[test]
fn a_long_journal_rotates_and_keeps_the_counters_of_removed_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = JournalFile::open(dir.path(), 300).unwrap().journal;
    journal.append(&intent("early", 1, 9)).unwrap();
    for decision in 2..40 {
        journal.append(&intent("chat", decision, decision)).unwrap();
    }
    drop(journal);
    let numbers = disk::numbers(dir.path()).unwrap();
    assert_eq!(numbers.len(), 8);
    assert!(numbers[0] > 1, "the first file was removed");
    let recovered = open(&dir).recovered;
    assert_eq!(
        generation(&recovered, "early"),
        9,
        "the checkpoint has its generation"
    );
    assert_eq!(generation(&recovered, "chat"), 39);
    assert_eq!(recovered.decisions, DecisionId::new(39));
}

#[test]
fn a_corrupt_checkpoint_is_reported_and_every_journal_is_read_instead() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = JournalFile::open(dir.path(), 300).unwrap().journal;
    for decision in 1..4 {
        journal
            .append(&intent("chat", decision, decision + 10))
            .unwrap();
    }
    drop(journal);
    fs::write(dir.path().join(CHECKPOINT), "{").unwrap();
    let opened = open(&dir);
    assert_eq!(generation(&opened.recovered, "chat"), 13);
    assert!(
        opened.damage[0].contains("checkpoint.json"),
        "{:?}",
        opened.damage
    );
}

#[test]
fn two_hosts_do_not_share_a_state_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(&dir);
    let second = JournalFile::open(dir.path(), BYTES_MAX).map(|_| ());
    let text = second.unwrap_err().to_string();
    assert!(text.contains("is in use by another reeve"), "{text}");
    drop(first);
    assert!(JournalFile::open(dir.path(), BYTES_MAX).is_ok());
}

#[test]
fn the_journal_is_for_the_hosts_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _journal = open(&dir);
    for name in ["journal-00000001.jsonl", CHECKPOINT] {
        let mode = fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[test]
fn lines_of_a_failed_write_are_written_whole_before_the_next_entry() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).journal;
    journal.append(&intent("chat", 1, 1)).unwrap();
    journal.break_for_test(true);
    assert!(journal.append(&intent("chat", 2, 2)).is_err());
    assert!(journal.write_out().is_err());
    journal.break_for_test(false);
    journal.append(&intent("chat", 3, 3)).unwrap();
    drop(journal);
    let text = fs::read_to_string(disk::path(dir.path(), 1)).unwrap();
    let decisions: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<Entry>(line).unwrap().decision.get())
        .collect();
    assert_eq!(decisions, [1, 2, 3]);
}

#[tokio::test]
async fn an_intent_is_on_disk_when_its_append_returns() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(dir.path(), Metrics::new()).unwrap();
    journal.append(intent("chat", 1, 5)).await.unwrap();
    let text = fs::read_to_string(disk::path(dir.path(), 1)).unwrap();
    assert!(text.contains("\"generation\":5"), "{text}");
    assert_eq!(journal.health().trouble(), None);
    journal.close().await.unwrap();
    assert!(
        Journal::open(dir.path(), Metrics::new()).is_ok(),
        "closing frees the directory"
    );
}
