//! Whether the host is ready to serve requests, and why not.

mod scans;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::cloud::{CloudError, Reading};
use reeve_core::id::{PoolName, WorkerId};
use reeve_core::spec::FleetSpec;
use reeve_core::store::{Records, StoreError, StoreErrorKind};
use reeve_policy::{PolicyStatus, Registry};
use serde::Serialize;
use utoipa::ToSchema;

use crate::journal::Health;
use scans::{PoolReading, Scans};

/// The inputs of readiness. Clones share them.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<Inner>);

struct Inner {
    journal: Health,
    registry: Arc<Registry>,
    scans: Mutex<Scans>,
    /// Why the store does not respond; `None` if it does.
    store_trouble: Mutex<Option<String>>,
    /// Why the records of these workers cannot be read, although the store responds.
    unreadable: Mutex<BTreeMap<WorkerId, String>>,
    draining: AtomicBool,
}

/// The readiness of the host at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Judgement {
    /// Whether an active policy stands behind the host's responses.
    pub(crate) ready: bool,
    /// Why the host is not ready.
    pub(crate) reasons: Vec<String>,
    /// Problems that do not make the host unready.
    pub(crate) warnings: Vec<String>,
    /// Each pool that has workers.
    pub(crate) pools: BTreeMap<PoolName, PoolReading>,
}

impl Readiness {
    /// The readiness at start: each pool with workers awaits its first scan.
    pub(crate) fn new(spec: &FleetSpec, journal: Health, registry: Arc<Registry>) -> Self {
        Self(Arc::new(Inner {
            journal,
            registry,
            scans: Mutex::new(Scans::awaited(spec)),
            store_trouble: Mutex::default(),
            unreadable: Mutex::default(),
            draining: AtomicBool::new(false),
        }))
    }

    /// Records the result of a pool's scan.
    pub(crate) fn scanned(&self, pool: &PoolName, result: &Result<Reading, CloudError>) {
        lock(&self.0.scans).ended(pool, result);
    }

    /// Records the result of the first reading of all records.
    pub(crate) fn records_read(&self, result: &Result<Records, StoreError>) {
        self.store_answered(result.as_ref().err());
        for (worker, record) in result.iter().flatten() {
            self.record_read(worker, record.as_ref().err());
        }
    }

    /// Records whether a worker's record could be read. The fault of one record does not make the
    /// host unready (V7).
    pub(crate) fn record_read(&self, worker: &WorkerId, error: Option<&StoreError>) {
        self.store_answered(error);
        let mut unreadable = lock(&self.0.unreadable);
        match error {
            None => _ = unreadable.remove(worker),
            Some(error) if error.kind == StoreErrorKind::Unreadable => {
                unreadable.insert(worker.clone(), error.to_string());
            }
            Some(_) => {}
        }
    }

    /// Records whether the store of the workers' records responded.
    pub(crate) fn store_answered(&self, error: Option<&StoreError>) {
        let away = error.filter(|error| error.kind != StoreErrorKind::Unreadable);
        *lock(&self.0.store_trouble) = away.map(ToString::to_string);
    }

    /// Records that the host shuts down.
    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// The readiness at this moment.
    pub(crate) fn judge(&self) -> Judgement {
        let mut reasons = Vec::new();
        let mut warnings = Vec::new();
        if self.0.draining.load(Ordering::Acquire) {
            reasons.push("the host is shutting down".to_owned());
        }
        if let Some(trouble) = self.0.journal.trouble() {
            reasons.push(format!("the journal cannot be written: {trouble}"));
        }
        if let Some(trouble) = &*lock(&self.0.store_trouble) {
            reasons.push(format!(
                "the host changes nothing while the workers' records cannot be read: {trouble}"
            ));
        }
        for status in self.0.registry.status() {
            let of_file = policy(&status);
            if status.digest.is_none() {
                reasons.extend(of_file);
            } else {
                warnings.extend(of_file);
            }
        }
        warnings.extend(self.0.registry.trouble());
        warnings.extend(lock(&self.0.unreadable).iter().map(|(worker, error)| {
            format!("worker {worker}: the host changes nothing for it, callers get 503: {error}")
        }));
        let scans = lock(&self.0.scans);
        reasons.extend(scans.reasons());
        warnings.extend(scans.warnings());
        Judgement {
            ready: reasons.is_empty(),
            reasons,
            warnings,
            pools: scans.pools(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The problem with a policy's file.
fn policy(status: &PolicyStatus) -> Option<String> {
    let error = status.last_error.as_deref();
    match (&status.digest, error) {
        (Some(digest), None) => status.failing.as_ref().map(|failures| {
            format!(
                "policy {}: {} is active, {failures}; there is no earlier version to go back to",
                status.file,
                digest.short()
            )
        }),
        (Some(digest), Some(error)) => Some(format!(
            "policy {}: {} is active; the present file is refused: {error}",
            status.file,
            digest.short()
        )),
        (None, error) => Some(format!(
            "policy {}: no version could be loaded, so the safe defaults apply: {}",
            status.file,
            error.unwrap_or("not read yet")
        )),
    }
}
