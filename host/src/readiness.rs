//! Whether the host is ready to be asked, and if not, why.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::cloud::CloudError;
use reeve_core::id::PoolName;
use reeve_core::spec::FleetSpec;
use reeve_core::store::StoreError;
use reeve_policy::{PolicyStatus, Registry};
use serde::Serialize;

use crate::journal::Health;

/// What readiness is judged by; clones share it.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<Inner>);

struct Inner {
    journal: Health,
    registry: Arc<Registry>,
    scans: Mutex<BTreeMap<PoolName, Scan>>,
    store_trouble: Mutex<Option<String>>,
    draining: AtomicBool,
}

/// How the latest scan of a pool went.
enum Scan {
    Awaited,
    Done,
    Failed(String),
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Judgement {
    /// Whether questions get answers that a policy stands behind.
    pub(crate) ready: bool,
    /// Why not.
    pub(crate) reasons: Vec<String>,
    /// What is wrong without keeping the host from answering.
    pub(crate) warnings: Vec<String>,
}

impl Readiness {
    /// A host that has just started. A pool without workers is never scanned and so not waited for.
    pub(crate) fn new(spec: &FleetSpec, journal: Health, registry: Arc<Registry>) -> Self {
        let pools = spec.workers.values().map(|worker| worker.pool.clone());
        Self(Arc::new(Inner {
            journal,
            registry,
            scans: Mutex::new(pools.map(|pool| (pool, Scan::Awaited)).collect()),
            store_trouble: Mutex::default(),
            draining: AtomicBool::new(false),
        }))
    }

    /// A scan of this pool ended.
    pub(crate) fn scanned(&self, pool: &PoolName, error: Option<&CloudError>) {
        let scan = match error {
            None => Scan::Done,
            Some(error) => Scan::Failed(error.to_string()),
        };
        lock(&self.0.scans).insert(pool.clone(), scan);
    }

    /// The store of the workers' records answered, or did not.
    pub(crate) fn store_answered(&self, error: Option<&StoreError>) {
        let mut trouble = lock(&self.0.store_trouble);
        *trouble = error.map(ToString::to_string);
    }

    /// The host shuts down.
    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// The judgement now.
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
                "nothing is changed while the workers' records are out of reach: {trouble}"
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
        for (pool, scan) in &*lock(&self.0.scans) {
            match scan {
                Scan::Awaited => reasons.push(format!(
                    "pool {pool}: the first look at the cloud is under way"
                )),
                Scan::Done => {}
                Scan::Failed(error) => {
                    warnings.push(format!("pool {pool}: the latest scan failed: {error}"))
                }
            }
        }
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

/// What is wrong with a policy's file.
fn policy(status: &PolicyStatus) -> Option<String> {
    let error = status.last_error.as_deref();
    match (&status.digest, error) {
        (Some(_), None) => None,
        (Some(digest), Some(error)) => Some(format!(
            "policy {}: {} goes on serving; the present file is refused: {error}",
            status.file,
            digest.short()
        )),
        (None, error) => Some(format!(
            "policy {}: none could be loaded, the safe defaults hold: {}",
            status.file,
            error.unwrap_or("not read yet")
        )),
    }
}
