//! The worker of a check, and how a check reports a difference.

use std::fmt;

use reeve_core::id::{Epoch, HostId, Version, WorkerId};
use reeve_core::ports::Store;
use reeve_core::store::{
    Committed, IdleTest, Phase, Refresh, Refreshed, StoreError, Stored, WorkerRecord, Write,
};

/// The number of characters of a value that an error shows. A whole record of 50 KB would hide the
/// difference.
const SHOWN_CHARS: usize = 1500;

/// The most runs against one store. The limit ends the search in a store that returns a record for
/// every name.
const RUNS_MAX: u32 = 1000;

/// The result of a check.
pub(super) type Outcome<T = ()> = Result<T, Found>;

/// A difference: what the check expected, and what it found.
#[derive(Debug)]
pub(super) struct Found(String);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Found {
    fn from(error: StoreError) -> Self {
        Self(format!("expected a result, found an error: {error}"))
    }
}

/// Compares `found` with `expected`; the error names the value as `what`.
pub(super) fn expect<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (shown(&expected), shown(&found));
    Err(Found(format!("{what}: expected {expected}, found {found}")))
}

fn shown(value: &impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// One worker, which has no record when the check begins.
pub(super) struct Subject<'store> {
    store: &'store dyn Store,
    pub(super) worker: WorkerId,
}

impl<'store> Subject<'store> {
    /// Makes a worker with this name and a number that no earlier run has used.
    pub(super) async fn absent(store: &'store dyn Store, name: &str) -> Outcome<Self> {
        for run in 0..RUNS_MAX {
            let subject = Self {
                store,
                worker: WorkerId::from(format!("conformance/{run}/{name}")),
            };
            if subject.read().await?.is_none() {
                return Ok(subject);
            }
        }
        let why = format!("expected a name without a record, found {RUNS_MAX} that have one");
        Err(Found(why))
    }

    /// Makes a worker with this name and, as version 1, the record [`running`].
    pub(super) async fn running(store: &'store dyn Store, name: &str) -> Outcome<Self> {
        let subject = Self::absent(store, name).await?;
        subject.written(0, &running("a")).await?;
        Ok(subject)
    }

    pub(super) async fn read(&self) -> Outcome<Option<Stored>> {
        Ok(self.store.read(self.worker.clone()).await?)
    }

    /// Reads the record, which must exist.
    pub(super) async fn stored(&self) -> Outcome<Stored> {
        let stored = self.read().await?;
        stored.ok_or_else(|| Found("expected a record, found none".to_owned()))
    }

    pub(super) fn write(&self, expected: u64, record: &WorkerRecord) -> Write {
        Write {
            worker: self.worker.clone(),
            expected: Version::new(expected),
            record: record.clone(),
            if_idle: None,
        }
    }

    pub(super) async fn commit(&self, expected: u64, record: &WorkerRecord) -> Outcome<Committed> {
        Ok(self.store.commit(self.write(expected, record)).await?)
    }

    /// Commits a record, which the store must write with the next version.
    pub(super) async fn written(&self, expected: u64, record: &WorkerRecord) -> Outcome {
        let what = format!(
            "{}, committed with expected version {expected}",
            self.worker
        );
        expect(
            &what,
            self.commit(expected, record).await?,
            version(expected + 1),
        )
    }

    pub(super) async fn commit_if_idle(
        &self,
        expected: u64,
        record: &WorkerRecord,
        test: IdleTest,
    ) -> Outcome<Committed> {
        let mut write = self.write(expected, record);
        write.if_idle = Some(test);
        Ok(self.store.commit(write).await?)
    }

    pub(super) async fn refresh(&self, refresh: Refresh) -> Outcome<Refreshed> {
        Ok(self.store.refresh(self.worker.clone(), refresh).await?)
    }

    /// Sends a refresh, which the store must write.
    pub(super) async fn refreshed(&self, refresh: Refresh) -> Outcome {
        expect(
            &format!("{refresh:?}"),
            self.refresh(refresh).await?,
            Refreshed::Written,
        )
    }
}

/// The result of a commit that was written with this version.
pub(super) fn version(version: u64) -> Committed {
    Committed::Written(Version::new(version))
}

/// A record in phase `running` that differs from every other host's.
pub(super) fn running(host: &str) -> WorkerRecord {
    in_phase(Phase::Running, host)
}

/// A record in this phase that differs from every other host's.
pub(super) fn in_phase(phase: Phase, host: &str) -> WorkerRecord {
    WorkerRecord {
        epoch: Epoch::new(1),
        lease: Some(HostId::from(host)),
        phase,
        ..WorkerRecord::default()
    }
}
