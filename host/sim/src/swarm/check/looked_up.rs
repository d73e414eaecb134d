//! V5: an address is handed out only of what runs. A host publishes an instance only after a reading
//! by id or the answer to its launch has shown it up to that life of the host. Scans may lag for
//! minutes. Where readings have failed for a while, a scan is enough.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::cloud::{CloudError, Outcome, Reading};
use reeve_core::id::{InstanceId, WorkerId};
use reeve_core::instance::Instance;
use reeve_core::response::Route;
use reeve_core::time::{Instant, Millis};

use super::{Finding, Guarantee, Heard};
use crate::engine::Life;

/// The core waits for a reading by id for 30 s by a clock that may be too fast.
const FAIL_MIN: Millis = Millis::from_secs(29);

/// The instances that each life of a host was shown up.
#[derive(Default)]
pub(super) struct LookedUp {
    shown: BTreeSet<(Life, WorkerId, InstanceId)>,
    /// When a query of the host first failed. A host that knows of a rate limit sends no query, so
    /// later failures are not seen here.
    fails_since: BTreeMap<Life, Instant>,
}

impl LookedUp {
    /// Notes a reading that a host got for a worker; `None`: for a pool.
    pub(super) fn read(
        &mut self,
        at: Instant,
        by: Life,
        worker: Option<&WorkerId>,
        result: &Result<Reading, CloudError>,
    ) {
        match (worker, result) {
            (Some(worker), Ok(Reading::Instance(instance))) => self.note(by, worker, instance),
            (_, Err(_)) => {
                self.fails_since.entry(by).or_insert(at);
            }
            _ => {}
        }
    }

    /// Notes the answer to a launch.
    pub(super) fn heard(&mut self, heard: &Heard<'_>) {
        if let Ok(Outcome::Launched(instance)) = heard.result {
            self.note(heard.by, heard.worker, instance);
        }
    }

    fn note(&mut self, by: Life, worker: &WorkerId, instance: &Instance) {
        if instance.state.is_live() {
            let shown = (by, worker.clone(), instance.id.clone());
            self.shown.insert(shown);
        }
    }

    /// Checks the instance of a route that a host publishes.
    pub(super) fn published(&self, at: Instant, by: Life, route: &Route) -> Finding {
        let id = &route.instance;
        let was_shown = self.shown.contains(&(by, route.worker.clone(), id.clone()));
        let fails_since = self.fails_since.get(&by);
        if was_shown || fails_since.is_some_and(|since| at.since(*since) >= FAIL_MIN) {
            return Ok(());
        }
        let text = format!("{id} is published, and only scans have shown it to the host");
        Err((Guarantee::V5, text))
    }
}
