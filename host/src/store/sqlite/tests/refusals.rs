//! Tests damaged and foreign files and records, and their error texts.

use std::fs;

use reeve_core::time::Instant;

use super::*;

fn refused(dir: &TempDir) -> StoreOpenError {
    SqliteStore::open(path(dir)).map(drop).unwrap_err()
}

#[tokio::test]
async fn an_unreadable_record_is_an_error_that_names_its_worker() {
    let cases = [
        ("record = '{\"epoch\":'", "its JSON"),
        (
            "record = replace(record, '\"epoch\"', '\"must-understand\":[\"leash\"],\"epoch\"')",
            "`leash` must be understood",
        ),
        ("record = '\u{fffd}'", "its JSON"),
        ("phase = 'absent'", "the column says phase \"absent\""),
        ("delivered = -1", "out of range"),
        ("record = CAST(x'ff' AS TEXT)", "utf-8"),
    ];
    for (damage, says) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        for worker in ["bad", "good"] {
            store.commit(write(worker, 0, "a")).await.unwrap();
        }
        let sql = format!("UPDATE workers SET {damage} WHERE worker = 'bad'");
        assert_eq!(stranger(&dir).execute(&sql, []).unwrap(), 1);

        let good = store.read(WorkerId::from("good")).await.unwrap();
        assert_eq!(good.unwrap().record, running("a"), "{damage}");
        assert_eq!(store.commit(write("good", 1, "b")).await, Ok(version(2)));
        let one = store.read(WorkerId::from("bad")).await.unwrap_err();
        let mut all = store.read_all().await.unwrap();
        assert_eq!(
            all[&WorkerId::from("good")].as_ref().unwrap().version,
            Version::new(2)
        );
        let all = all.remove(&WorkerId::from("bad")).unwrap().unwrap_err();
        let lost = store.commit(write("bad", 0, "b")).await.unwrap_err();
        for error in [one, all, lost] {
            assert_eq!(error.kind, StoreErrorKind::Unreadable, "{damage}");
            let workers = ["the record of bad is unreadable", "store.sqlite"];
            assert_says(&error, &workers);
            assert_says(&error, &[says, "update reeve", "correct the row"]);
            assert!(!error.message.contains("good"), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_allows_reads() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(write("chat", 0, "a")).await.unwrap();
    store
        .call(Execute("PRAGMA max_page_count = 1"))
        .await
        .unwrap();
    let long = "a".repeat(100_000);
    let error = store.commit(write("chat", 1, &long)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotWritable);
    assert_says(
        &error,
        &[
            "commit the record of chat",
            "SQLite error 13",
            "full",
            "make room",
        ],
    );
    let found = store.read(WorkerId::from("chat")).await.unwrap().unwrap();
    assert_eq!(
        (found.version, found.record),
        (Version::new(1), running("a"))
    );
    store
        .call(Execute("PRAGMA max_page_count = 1000000"))
        .await
        .unwrap();
    assert_eq!(store.commit(write("chat", 1, &long)).await, Ok(version(2)));
}

#[tokio::test]
async fn a_store_that_may_only_be_read_refuses_changes_and_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store.commit(write("chat", 0, "a")).await.unwrap();
    store.call(Execute("PRAGMA query_only = ON")).await.unwrap();
    let worker = || WorkerId::from("chat");
    let refresh = Refresh::Heartbeat {
        at: Instant::from_ms(1),
    };
    let errors = [
        store.commit(write("chat", 1, "b")).await.unwrap_err(),
        store.refresh(worker(), refresh).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::NotWritable, "{error}");
        assert_says(
            &error,
            &["of chat", "readonly", "let the host's user write the file"],
        );
    }
    assert!(store.read(worker()).await.unwrap().is_some());
}

#[test]
fn a_file_that_may_only_be_read_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    // A write version above SQLite's own makes a file read-only even for root.
    let mut bytes = fs::read(path(&dir)).unwrap();
    bytes[18] = 3;
    fs::write(path(&dir), &bytes).unwrap();
    let error = refused(&dir);
    assert!(matches!(error, StoreOpenError::Sqlite { .. }), "{error:?}");
    assert_says(
        &error,
        &[
            "store.sqlite",
            "readonly",
            "let the host's user write the file",
        ],
    );
    assert_eq!(
        fs::read(path(&dir)).unwrap(),
        bytes,
        "the file is unchanged"
    );
}

#[test]
fn a_foreign_file_is_not_opened_and_not_changed() {
    let text = vec![b'#'; 5000];
    let dir = tempfile::tempdir().unwrap();
    fs::write(path(&dir), &text).unwrap();
    let error = refused(&dir);
    assert!(
        matches!(error, StoreOpenError::NotAStore { .. }),
        "{error:?}"
    );
    assert_says(
        &error,
        &["store.sqlite", "no SQLite database", "name another file"],
    );
    assert_eq!(fs::read(path(&dir)).unwrap(), text);

    let dir = tempfile::tempdir().unwrap();
    stranger(&dir)
        .execute_batch("CREATE TABLE songs (name TEXT)")
        .unwrap();
    let before = fs::read(path(&dir)).unwrap();
    let error = refused(&dir);
    assert!(
        matches!(error, StoreOpenError::NotAStore { .. }),
        "{error:?}"
    );
    assert_says(&error, &["of some other program", "1 tables"]);
    assert_eq!(fs::read(path(&dir)).unwrap(), before);
}

#[test]
fn the_store_of_a_newer_reeve_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    stranger(&dir)
        .execute_batch("PRAGMA user_version = 2")
        .unwrap();
    let error = refused(&dir);
    assert!(
        matches!(
            error,
            StoreOpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
    assert_says(
        &error,
        &["schema 2", "up to 1", "start the reeve that wrote it"],
    );
}

#[tokio::test]
async fn a_damaged_file_is_not_opened() {
    let sound = tempfile::tempdir().unwrap();
    let store = open(&sound);
    for number in 0..200 {
        let write = write(&format!("w{number}"), 0, &"a".repeat(500));
        store.commit(write).await.unwrap();
    }
    drop(store);
    let bytes = fs::read(path(&sound)).unwrap();
    let mut overwritten = bytes.clone();
    overwritten[4096..].fill(0xa5);
    let shortened = bytes[..bytes.len() / 2].to_vec();
    for damaged in [overwritten, shortened] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(&dir), damaged).unwrap();
        let error = refused(&dir);
        assert!(matches!(error, StoreOpenError::Damaged { .. }), "{error:?}");
        assert_says(
            &error,
            &[
                "store.sqlite",
                "is damaged",
                "move the file away",
                "journal",
            ],
        );
    }
}

#[tokio::test]
async fn a_file_damaged_while_it_is_in_use_is_an_error_and_not_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for number in 0..200 {
        let write = write(&format!("w{number}"), 0, &"a".repeat(500));
        store.commit(write).await.unwrap();
    }
    store
        .call(Execute(
            "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory",
        ))
        .await
        .unwrap();
    let length = fs::metadata(path(&dir)).unwrap().len();
    let mut bytes = fs::read(path(&dir)).unwrap();
    bytes[4096..].fill(0xa5);
    assert_eq!(bytes.len() as u64, length);
    fs::write(path(&dir), bytes).unwrap();
    for _ in 0..2 {
        let error = store.read_all().await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
        assert_says(
            &error,
            &["read all records", "SQLite error 11", "move the file away"],
        );
    }
}

#[test]
fn a_directory_that_is_missing_is_told_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(dir.path().join("missing/store.sqlite"))
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, StoreOpenError::Io { .. }), "{error:?}");
    assert_says(
        &error,
        &["cannot create", "missing/store.sqlite", "No such file"],
    );
    let error = SqliteStore::open(dir.path()).map(drop).unwrap_err();
    assert_says(
        &error,
        &["cannot open for reading and writing", "directory"],
    );
}
