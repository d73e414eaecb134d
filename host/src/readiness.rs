//! Whether the host is ready to serve requests, and why not.

mod scans;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::cloud::{CloudError, Reading};
use reeve_core::id::PoolName;
use reeve_core::spec::FleetSpec;
use reeve_core::store::StoreError;
use reeve_policy::{PolicyStatus, Registry};
use serde::Serialize;

use crate::journal::Health;
use scans::Scans;

/// The inputs of readiness. Clones share them.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<Inner>);

struct Inner {
    journal: Health,
    registry: Arc<Registry>,
    scans: Mutex<Scans>,
    store_trouble: Mutex<Option<String>>,
    draining: AtomicBool,
}

/// The readiness of the host at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Judgement {
    /// Whether an active policy stands behind the host's responses.
    pub(crate) ready: bool,
    /// Why the host is not ready.
    pub(crate) reasons: Vec<String>,
    /// Problems that do not make the host unready.
    pub(crate) warnings: Vec<String>,
}

impl Readiness {
    /// The readiness at start: each pool with workers awaits its first good scan.
    pub(crate) fn new(spec: &FleetSpec, journal: Health, registry: Arc<Registry>) -> Self {
        Self(Arc::new(Inner {
            journal,
            registry,
            scans: Mutex::new(Scans::awaited(spec)),
            store_trouble: Mutex::default(),
            draining: AtomicBool::new(false),
        }))
    }

    /// Records the result of a pool's scan.
    pub(crate) fn scanned(&self, pool: &PoolName, result: &Result<Reading, CloudError>) {
        lock(&self.0.scans).ended(pool, result);
    }

    /// Records whether the store of the workers' records responded.
    pub(crate) fn store_answered(&self, error: Option<&StoreError>) {
        let mut trouble = lock(&self.0.store_trouble);
        *trouble = error.map(ToString::to_string);
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
        let scans = lock(&self.0.scans);
        reasons.extend(scans.reasons());
        warnings.extend(scans.warnings());
        Judgement {
            ready: reasons.is_empty(),
            reasons,
            warnings,
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
        (Some(_), None) => None,
        (Some(digest), Some(error)) => Some(format!(
            "policy {}: {} stays active; the present file is refused: {error}",
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
